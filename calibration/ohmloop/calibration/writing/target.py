"""A map to be written, from a file: numpy, CSV or NetCDF."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ohmloop.drivers import BadInputError

from .stepping import Array

WEIGHT = "weight"
"""What a map is in that is not of conductances."""
UNITS = {"S": 1.0, "mS": 1e-3, "uS": 1e-6, "nS": 1e-9, "pS": 1e-12, WEIGHT: 1.0}
"""Units that a map may be in, and what one of them is."""
_NAMES = ("target", "weights", "conductance")
"""Of several arrays in a file, the first of these is taken."""


def load_target(path: Path) -> tuple[Array, str | None]:
    """Read a map.

    Args:
        path: ``.npy``, ``.npz``, ``.csv`` (a line a row, numbers apart by commas) or ``.nc``.

    Returns:
        The map ``(rows, columns)``, and its unit where the file tells it.

    Raises:
        BadInputError: missing, of another kind, or not a map of numbers.
    """
    if path.suffix not in _LOADERS:
        raise BadInputError(f"{path}: a map is read from {', '.join(_LOADERS)}, no other file")
    if not path.is_file():
        raise BadInputError(f"{path}: no such file")
    try:
        values, unit = _LOADERS[path.suffix](path)
        values = np.asarray(values).astype(np.float64, casting="same_kind")
    except BadInputError:
        raise
    except Exception as error:  # numpy, h5py and xarray raise many kinds
        raise BadInputError(f"{path}: not a map of numbers: {_first_line(error)}") from error
    if values.ndim != 2 or not values.size:
        raise BadInputError(f"{path}: a map has rows and columns, this has shape {values.shape}")
    if unit is not None and unit not in UNITS:
        raise BadInputError(f"{path}: unit {unit!r} is none of {', '.join(UNITS)}")
    return values, unit


def _npy(path: Path) -> tuple[Array, str | None]:
    return np.load(path, allow_pickle=False), None


def _npz(path: Path) -> tuple[Array, str | None]:
    with np.load(path, allow_pickle=False) as file:
        return _the_one({name: file[name] for name in file.files}, path), None


def _csv(path: Path) -> tuple[Array, str | None]:
    text = path.read_text(encoding="utf-8-sig")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = [[float(part) for part in line.split(",")] for line in lines]
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise BadInputError(
                f"{path}: row {number} has {len(row)} numbers, the first has {len(rows[0])}"
            )
    return np.array(rows), None


def _netcdf(path: Path) -> tuple[Array, str | None]:
    import xarray as xr

    with xr.open_dataset(path, engine="h5netcdf") as file:
        data = file.load()
    maps = {str(name): v.to_numpy() for name, v in data.data_vars.items() if v.ndim == 2}
    found = _the_one(maps, path)
    name = next(name for name, values in maps.items() if values is found)
    unit = data[name].attrs.get("units")
    return found, None if unit is None else WEIGHT if unit == "1" else str(unit)


def _the_one(arrays: Mapping[str, Array], path: Path) -> Array:
    for name in _NAMES:
        if name in arrays:
            return arrays[name]
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    raise BadInputError(
        f"{path}: holds {', '.join(arrays) or 'no map'}; call the one to write {_NAMES[0]!r}"
    )


def _first_line(error: Exception) -> str:
    text = str(error).splitlines()
    return text[0][:100] if text else type(error).__name__


_LOADERS: Mapping[str, Callable[[Path], tuple[Array, str | None]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".csv": _csv,
    ".nc": _netcdf,
}
