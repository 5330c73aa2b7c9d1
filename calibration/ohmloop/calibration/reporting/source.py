"""What a report is made of: the chip file, and what is worked out of it once for all sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.prediction import Prediction, predict
from ohmloop.calibration.raw import HELD_OUT
from ohmloop.calibration.record import raw_of
from ohmloop.drivers import ChipFileError
from ohmloop.drivers.units import with_unit
from ohmloop.sim_backend import Population
from ohmloop.sim_backend.chip_file import population_of

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Source:
    """A chip file.

    Attributes:
        chip: the record.
        groups: other datasets of the file by path, such as ``routines/continuity``.
    """

    chip: xr.Dataset
    groups: Mapping[str, xr.Dataset] = field(default_factory=dict)

    @cached_property
    def population(self) -> Population:
        """The twin's cells."""
        return population_of(self.chip)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Cells that can be used, ``(rows, columns)``."""
        return np.asarray(self.chip["usable"].to_numpy().astype(bool))

    @cached_property
    def raw(self) -> xr.Dataset | None:
        """What was measured; None where the file does not hold it."""
        try:
            return raw_of(self.chip)
        except ChipFileError:
            return None

    @cached_property
    def prediction(self) -> Prediction | None:
        """Held-out sequences; None where there are none that any cell was read throughout."""
        if self.raw is None or HELD_OUT not in self.raw["phase"].to_numpy():
            return None
        try:
            found = predict(self.raw, self.population, self.usable)
        except ChipFileError:
            return None
        return found if found.usable.any() else None

    def under(self, head: str) -> dict[str, xr.Dataset]:
        """Groups ``head/NAME`` by name."""
        parts = {path.partition("/")[::2]: data for path, data in self.groups.items()}
        return {name: data for (first, name), data in parts.items() if first == head}

    def example_cells(self, count: int = 3) -> list[tuple[int, int]]:
        """Usable cells from the low to the high end of granularity: (row, column)."""
        usable = np.flatnonzero(self.usable)
        if not usable.size:
            return []
        order = usable[np.argsort(self.chip["dg_min"].to_numpy().ravel()[usable])]
        picks = order[np.unique(np.linspace(0.1, 0.9, count) * (order.size - 1)).astype(int)]
        columns = self.usable.shape[1]
        return [(int(c) // columns, int(c) % columns) for c in dict.fromkeys(picks.tolist())]

    def flat(self, at: list[tuple[int, int]]) -> list[int]:
        """Numbers of cells among all."""
        return [row * self.usable.shape[1] + column for row, column in at]


def cell_name(row: int, column: int) -> str:
    """For titles."""
    return f"row {row}, column {column}"


def siemens(value: float) -> str:
    """With its unit, to three digits."""
    return with_unit(float(f"{value:.3g}"), "S") if np.isfinite(value) else "not known"
