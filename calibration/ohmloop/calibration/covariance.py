"""The covariance of each cell's fitted parameters, as a chip file keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

COVARIANCE = "parameter_covariance"
"""Variable of a chip file, ``(row, column, parameter, other)``; ``parameter`` holds the names."""


def keep_covariance(
    data: xr.Dataset,
    names: Sequence[str],
    covariance: NDArray[np.float64],
    usable: NDArray[np.bool_],
) -> None:
    """Add the covariance to a chip dataset.

    Args:
        data: the dataset.
        names: of the parameters, as its maps are called; an entry of a table is ``table_up[3]``.
        covariance: ``(cells, names, names)``, in their units; nan where something was not fitted.
        usable: cells that could be fitted, ``(rows, columns)``; others get nan.
    """
    values = covariance.reshape(*usable.shape, len(names), len(names)).astype(np.float32)
    data[COVARIANCE] = (
        ("row", "column", "parameter", "other"),
        np.where(usable[..., None, None], values, np.float32(np.nan)),
        {"long_name": "covariance of the fitted parameters, in their units"},
        {"zlib": True, "complevel": 4, "shuffle": True},
    )
    data["parameter"] = ("parameter", np.array(list(names), dtype=object))
