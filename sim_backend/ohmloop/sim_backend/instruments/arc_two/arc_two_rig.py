"""The rig of a crossbar of kind ``arc-two``: one board, the chip right on it."""

from __future__ import annotations

from ohmloop.drivers.arc_two.arc_two_crossbar import lines_of, wiring_of
from ohmloop.sim_backend.instruments.rig import Chip, Device

from .arc_two import EmulatedArcTwo
from .chip_lines import ChipLines


class ArcTwoRig:
    """The board.

    Args:
        chip: the chip and its bench file.
    """

    hot_switches = 0
    """Channels have switches of their own; the driver moves them at 0 V only."""

    def __init__(self, chip: Chip) -> None:
        name = wiring_of(chip.bench, chip.crossbar).board
        rows, columns = lines_of(chip.bench, chip.crossbar)
        lines = ChipLines(chip.cells, chip.strength, rows, columns, chip.clock, chip.witness)
        self.board = EmulatedArcTwo(lines, chip.models.get(name, "A2-0001"))
        self.devices: dict[str, Device] = {name: self.board}

    @property
    def outputs_on(self) -> bool:
        """Whether any channel is driven."""
        return self.board.outputs_on
