"""What is known of a crossbar's cells: the part of a calibration that training needs."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Characteristics:
    """Maps over the cells of one crossbar, each ``(rows, columns)``.

    Attributes:
        g_min: lowest conductance a cell can be pulsed to, S.
        g_max: highest, S.
        symmetric_point: conductance at which an up and a down pulse cancel, S.
        dg_min: granularity, the mean step of one pulse at the symmetric point, S.
        usable: False where a cell is stuck, open, or too poor to fit.
    """

    g_min: NDArray[np.float64]
    g_max: NDArray[np.float64]
    symmetric_point: NDArray[np.float64]
    dg_min: NDArray[np.float64]
    usable: NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.g_min.shape[0], self.g_min.shape[1]

    def region(self, rows: slice, columns: slice) -> Characteristics:
        """The same for a part of the crossbar."""
        parts = {f.name: getattr(self, f.name)[rows, columns] for f in fields(self)}
        return Characteristics(**parts)
