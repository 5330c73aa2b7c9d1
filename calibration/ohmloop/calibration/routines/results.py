"""Results of a routine as a dataset: maps over (row, column) and figures, each with its unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import xarray as xr

Described = tuple[Any, str, str]
"""Values, their SI unit (``1`` where they have none), and what they are."""


def as_dataset(
    shape: tuple[int, int],
    maps: Mapping[str, Described],
    others: Mapping[str, tuple[tuple[str, ...], Any, str, str]] | None = None,
    **attrs: Any,
) -> xr.Dataset:
    """Put results together.

    Args:
        shape: rows and columns.
        maps: one value a cell, flat or as a map.
        others: dimensions first; none for a figure.
        attrs: what is said in words.
    """
    import xarray as xr

    data: dict[str, Any] = {
        name: (("row", "column"), np.reshape(values, shape), _about(units, meaning))
        for name, (values, units, meaning) in maps.items()
    }
    for name, (dims, values, units, meaning) in (others or {}).items():
        data[name] = (dims, np.asarray(values), _about(units, meaning))
    return xr.Dataset(data, attrs=attrs)


def with_errors(
    name: str, values: ArrayLike, errors: ArrayLike, units: str, meaning: str
) -> dict[str, Described]:
    """A map and that of its standard errors, ``name_stderr``."""
    return {
        name: (values, units, meaning),
        f"{name}_stderr": (errors, units, f"standard error of {name}"),
    }


def _about(units: str, meaning: str) -> dict[str, str]:
    return {"units": units, "long_name": meaning}
