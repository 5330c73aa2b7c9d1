"""A bench on paper: what its file says, for estimates; nothing is connected, and nothing can be."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import Bench, Crossbar, ProgramError, PulseProgram, WearLedger


class PaperCrossbar(Crossbar):
    """Shape, pulses, reading, limits and wear of a crossbar of a bench file; all verbs refuse.

    Args:
        bench: the bench file.
        name: the crossbar; may be empty where there is only one.

    Raises:
        ConfigError: no such crossbar.
    """

    def __init__(self, bench: Bench, name: str = "") -> None:
        name = bench.crossbar_name(name)
        rows, columns = bench.config.crossbars[name].shape
        super().__init__(
            (rows, columns),
            conditions=bench.conditions_of(name),
            reading=bench.reading_of(name),
            limits=bench.limits_of(name),
            ledger=WearLedger((rows, columns), bench.ledger_path(name)),
            name=name,
        )

    def _read(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NoReturn:  # noqa: ARG002
        raise ProgramError(f"{self.name} is on paper only")

    def _pulse(self, program: PulseProgram, sequence: int) -> NoReturn:  # noqa: ARG002
        raise ProgramError(f"{self.name} is on paper only")

    def _make_safe(self) -> None:
        """Nothing is ever on."""
