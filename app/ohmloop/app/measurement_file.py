"""The measurement beside a calibration file: begun, gone on with, or begun anew, never mixed up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ohmloop.drivers import BadInputError

if TYPE_CHECKING:
    from ohmloop.calibration import MeasurementStore, Recipe

SUFFIX = ".measurement.sqlite"


def beside(output: Path) -> Path:
    """Where the measurement of a calibration file is kept."""
    return output.with_suffix(SUFFIX)


def open_measurement(output: Path, resume: bool, fresh: bool) -> MeasurementStore:
    """The measurement to write into.

    Args:
        output: the calibration file that is to come of it.
        resume: go on with the one that is there.
        fresh: throw away the one that is there.

    Raises:
        BadInputError: there is one and neither was asked for, none to go on with, both were asked
            for, or it is in use.
    """
    from ohmloop.calibration import MeasurementStore

    path = beside(output)
    if resume and fresh:
        raise BadInputError("--resume and --fresh: give one of them")
    if not path.exists():
        if resume:
            raise BadInputError(f"{path}: no such file, so there is nothing to go on with")
        return MeasurementStore(path)
    if not (resume or fresh):
        raise BadInputError(
            f"{path}: holds a measurement already; --resume goes on with it, --fresh throws it"
            " away and begins anew"
        )
    store = MeasurementStore(path)
    if fresh:  # opened first: one that is in use is refused
        store.close()
        for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            file.unlink(missing_ok=True)
        store = MeasurementStore(path)
    return store


def recipe_of(store: MeasurementStore) -> Recipe | None:
    """The recipe that a measurement was begun with, if it was begun.

    Raises:
        ConfigError: this version does not know it.
    """
    import yaml

    from ohmloop.calibration import Recipe

    text = store.what().get("recipe")
    return None if text is None else Recipe.read(yaml.safe_load(text), f"{store.name}: recipe")
