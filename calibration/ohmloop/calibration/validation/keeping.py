"""Keeping validations: groups ``validation/DATE`` of the chip file, whole or not at all."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ohmloop.drivers import ChipFileError

from .outcome import kinds_of
from .validating import Validation

if TYPE_CHECKING:
    import xarray as xr

GROUP = "validation"


def keep(found: Validation, path: Path, date: datetime | None = None) -> str:
    """Add a validation to its chip file.

    The file is copied, added to and put in place of the old one, so that it is never half written.

    Args:
        found: the validation.
        path: the chip file.
        date: when it was; by default now.

    Returns:
        The group's name.
    """
    group = f"{GROUP}/{(date or datetime.now(UTC)).strftime('%Y-%m-%dT%H-%M-%SZ')}"
    draft = path.with_name(f".{path.name}.part")
    try:
        shutil.copyfile(path, draft)
        to_keep(found).to_netcdf(draft, mode="a", group=group, engine="h5netcdf")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return group


def to_keep(found: Validation) -> xr.Dataset:
    """The outcome with the map of errors and all figures beside it."""
    data = found.data.copy()
    attrs = {"units": "1", "long_name": "rms error over the spread that the twin expects"}
    data["error_over_spread"] = (("row", "column"), found.scores.z, attrs)
    data.attrs |= {
        "verdict": str(found.verdict.word),
        "verdict_text": found.verdict.text,
        "figures": json.dumps(found.figures()),
    }
    for name in ("measured", "predicted", "spread"):
        data[name] = data[name].astype(np.float32).assign_attrs(data[name].attrs)
    for variable in data.data_vars.values():
        if variable.ndim == 3:
            variable.encoding = {"zlib": True, "complevel": 4, "shuffle": True}
    return data


def kept(path: Path) -> list[str]:
    """Groups of the validations that a chip file holds, the oldest first."""
    import h5netcdf

    with h5netcdf.File(path) as file:
        inside = file.groups[GROUP].groups if GROUP in file.groups else ()
        return [f"{GROUP}/{name}" for name in sorted(inside)]


def load_kept(path: Path, group: str) -> xr.Dataset:
    """The outcome of a validation that was kept; ``examine`` scores it again.

    Raises:
        ChipFileError: there is none of this name.
    """
    import xarray as xr

    try:
        with xr.open_dataset(path, group=group, engine="h5netcdf") as file:
            data: xr.Dataset = file.load()
    except (OSError, KeyError) as error:
        raise ChipFileError(f"{path}: holds no {group}") from error
    kinds_of(data)
    return data
