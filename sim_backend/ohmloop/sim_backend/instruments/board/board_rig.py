"""The rig of a crossbar of kind ``pulse-board``: one board, the chip right on it."""

from __future__ import annotations

from ohmloop.drivers.board.board_crossbar import wiring_of
from ohmloop.sim_backend.instruments.rig import Chip, Device

from .pulse_board import EmulatedPulseBoard


class BoardRig:
    """The board.

    Args:
        chip: the chip and its bench file.
    """

    hot_switches = 0
    """A board has no relays."""

    def __init__(self, chip: Chip) -> None:
        name = wiring_of(chip.bench, chip.crossbar).board
        self.board = EmulatedPulseBoard(
            chip.cells,
            chip.clock,
            chip.strength,
            name=chip.models.get(name, "ohmloop pulse board"),
            witness=chip.witness,
            meter=chip.meter,
            around=chip.around,
        )
        self.devices: dict[str, Device] = {name: self.board}

    @property
    def outputs_on(self) -> bool:
        """Whether the board drives its lines."""
        return self.board.outputs_on
