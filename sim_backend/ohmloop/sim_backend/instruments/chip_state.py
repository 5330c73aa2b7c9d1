"""What emulated chips remember while their emulator is off: conductances are non-volatile."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import ConfigError

if TYPE_CHECKING:
    from .rig import Chip


def save_chips(path: Path, chips: Mapping[str, Chip]) -> None:
    """Write the state of all chips, whole or not at all (``.npz``, one array a quantity)."""
    arrays = {
        f"{name}/{quantity}": values
        for name, chip in chips.items()
        for quantity, values in chip.cells.state().items()
    }
    draft = path.with_name(path.name + ".part")
    with draft.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def load_chips(path: Path, chips: Mapping[str, Chip]) -> None:
    """Put the chips into the state that a file holds.

    Raises:
        ConfigError: it holds something else, or other chips.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise ConfigError(path, "", f"not a state of chips: {error}") from error
    for name, chip in chips.items():
        chip.cells.restore(_of_chip(path, name, chip.cells.state(), arrays))


def _of_chip(
    path: Path, name: str, now: Mapping[str, NDArray[Any]], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    found = {quantity: arrays.get(f"{name}/{quantity}") for quantity in now}
    if any(v is None or v.shape != now[q].shape for q, v in found.items()):
        size = next(iter(now.values())).size
        raise ConfigError(path, "", f"holds no state of a chip {name!r} of {size} cells")
    return {quantity: values for quantity, values in found.items() if values is not None}
