"""The rig of crossbars of kind ``kxci``: one 4200A-SCS, every chip line on a pulse channel."""

from __future__ import annotations

from ohmloop.drivers.kxci.kxci_wiring import wiring_of
from ohmloop.sim_backend.instruments.rig import Chip, Device

from .channel_chip import ChannelChip
from .keithley4200a import EmulatedKeithley4200A


class KxciRig:
    """The instrument and the chips on it; it has the cards that the wiring names.

    Args:
        chips: chips and their bench file.
    """

    def __init__(self, *chips: Chip) -> None:
        first = chips[0]
        name = wiring_of(first.bench, first.crossbar).analyser
        lines: list[ChannelChip] = []
        for chip in chips:
            wiring = wiring_of(chip.bench, chip.crossbar)
            lines.append(
                ChannelChip(chip.cells, chip.strength, chip.witness, wiring.rows, wiring.columns)
            )
        cards = sorted({(c + 1) // 2 for chip in lines for c in (*chip.rows, *chip.columns)})
        self.analyser = EmulatedKeithley4200A(
            lines, first.clock, cards, model=first.models.get(name, "4200A-SCS")
        )
        self.devices: dict[str, Device] = {name: self.analyser}

    @property
    def outputs_on(self) -> bool:
        """Whether any output is on."""
        return self.analyser.outputs_on

    @property
    def hot_switches(self) -> int:
        """How often output relays opened while a channel played."""
        return self.analyser.cards.hot_switches
