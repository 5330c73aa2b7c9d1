"""The calibration record: a chip dataset with uncertainties, checks, raw data and provenance."""

from __future__ import annotations

import logging
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError, ChipFileError
from ohmloop.sim_backend import Population, save_chip
from ohmloop.sim_backend.chip_file import EXTRA, chip_dataset, maps_of
from ohmloop.sim_backend.responses import ResponseFunction

from .covariance import keep_covariance
from .fitting import CellFit, Choice
from .fitting.summary import summary_of
from .fitting.trajectories import Array
from .health import STILL, Health, assess, keep_health
from .misfit import keep_choice, keep_misfit
from .prediction import Prediction, predict
from .raw import FORMAT, HELD_OUT, bench_of_raw, check_raw
from .symmetric_point import SymmetricPoint

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger("ohmloop")

_RAW = {"conductance": "raw_conductance", "pulses": "raw_pulses"}
_DIMS = ("row", "column")
_OF_THE_DATA = (
    "notes", "conditions_unknown", "cell_labels", "scale_offset_S", "scale_factor_S"
)  # fmt: skip
"""Attributes of raw data that a chip file has under the same name: people look for them there."""


def chip_record(
    raw: xr.Dataset,
    fitted: CellFit,
    point: SymmetricPoint | None = None,
    choice: Choice | None = None,
) -> xr.Dataset:
    """The dataset of a chip file.

    Args:
        raw: what was measured.
        fitted: its fit.
        point: symmetric points, where they were measured.
        choice: how the response function was chosen, if it was.

    Returns:
        All maps of ``chip_dataset``; ``*_stderr`` of every fitted map (NaN where not usable, or not
        fitted); ``health``; ``raw_conductance`` and ``raw_pulses``; what the choice and a summary
        of the cells say; where they were measured ``symmetric_point_measured`` and held-out
        figures.

    Raises:
        BadInputError: no cell could be fitted.
    """
    shape = raw["conductance"].shape[1:]
    health = assess(raw, fitted)
    usable = health.usable
    if fitted.usable.any() and not usable.any():
        raise BadInputError(f"no cell can be used: {health.summary}")
    population = twin_population(raw, fitted)
    data = chip_dataset(population, usable, **bench_of_raw(raw))
    _add_maps(data, fitted, shape)
    keep_health(data, health)
    if point is not None:
        _add_symmetric_point(data, point, usable)
    typical = float(np.median(data["dg_min"].to_numpy()[usable]))
    # a stuck cell moves by next to nothing; nobody should divide by that
    fit = fitted.usable.reshape(shape)
    data["dg_min"] = data["dg_min"].where(fit, typical).assign_attrs(data["dg_min"].attrs)
    _add_raw(data, raw)
    prediction = _prediction(raw, population, usable)
    if prediction is not None:
        _add_prediction(data, prediction)
    data.attrs["response_family"] = fitted.family
    keep_choice(data, choice)
    keep_misfit(data, choice, prediction)
    data.attrs["population_summary"] = summary_of(fitted, shape).to_json()
    data.attrs["cells_usable"] = int(usable.sum())
    data.attrs["cells"] = int(usable.size)
    data.attrs["ohmloop_version"] = _version()
    return data


def twin_population(raw: xr.Dataset, fitted: CellFit) -> Population:
    """Cells of the twin.

    A cell that is not usable is made to be what it seems: one that does not respond stays where it
    was read; one that responds but could not be fitted is like the usable cell of median
    granularity, in all its parameters, as those of one cell belong together.

    Raises:
        BadInputError: no cell could be fitted.
    """
    usable, health = fitted.usable, fitted.health
    if not usable.any():
        raise BadInputError(
            f"no cell could be fitted: {_tally(health)}; try stronger pulses, or more of them"
        )
    shape = raw["conductance"].shape[1:]
    filled = fitted.of(_like(fitted))
    lowest = float(np.min(np.asarray(fitted.response.g_min)[usable]))
    last = last_reading(raw).ravel()
    last = np.where(np.isfinite(last), last, np.asarray(filled.response.middle, float))
    last = last if lowest < 0 else np.maximum(last, 0.0)
    kind = type(filled.response)
    whole = dict(zip(kind.units, map(np.asarray, filled.response.parameters()), strict=True))
    still = np.isin(health, STILL)
    low, high = whole["g_min"], whole["g_max"]
    width = 1e-4 * float(np.median((high - low)[usable]))
    bottom = last - width if lowest < 0 else np.maximum(last - width, 0.0)
    whole["g_min"] = np.where(still, bottom, low)
    whole["g_max"] = np.where(still, last + width, high)
    maps: dict[str, Any] = {name: v.reshape(*shape, *v.shape[1:]) for name, v in whole.items()}
    own: dict[str, Any] = {
        name: getattr(filled, name).reshape(shape) for name in ("dg_std", "dg_add", "read_std")
    }
    own["conductance"] = last.reshape(shape)
    return Population(kind(**maps), **own)


def _like(fitted: CellFit) -> NDArray[np.intp]:
    """Which cell each is like: usable ones like themselves, others like the median one."""
    usable = np.flatnonzero(fitted.usable)
    steps = np.asarray(fitted.response.dg_min, float)[usable]
    median = usable[np.argsort(steps)[usable.size // 2]]
    return np.where(fitted.usable, np.arange(fitted.usable.size), median)


def last_reading(raw: xr.Dataset) -> Array:
    """The newest reading of each cell, ``(rows, columns)``, S; NaN where there is none."""
    readings = raw["conductance"].to_numpy()
    newest = readings[::-1]
    at = np.isfinite(newest).argmax(axis=0)
    last: Array = np.take_along_axis(newest, at[None], axis=0)[0]
    return last


def raw_of(chip: xr.Dataset) -> xr.Dataset:
    """The raw data inside a chip record, as ``acquire`` gave them.

    Raises:
        ChipFileError: the record holds none.
    """
    if any(name not in chip for name in _RAW.values()):
        raise ChipFileError("the chip file holds no raw data; calibrate again")
    raw = chip[list(_RAW.values())].rename({new: old for old, new in _RAW.items()})
    raw.attrs = {"format": FORMAT} | {
        name.removeprefix("raw_"): value
        for name, value in chip.attrs.items()
        if name.startswith("raw_") or name in _OF_THE_DATA
    }
    check_raw(raw)
    return raw


def save_raw(raw: xr.Dataset, path: Path) -> None:
    """Write raw data, whole or not at all."""
    save_chip(_compressed(raw.copy()), path)


def load_raw(path: Path) -> xr.Dataset:
    """Read what ``save_raw`` wrote.

    Raises:
        ChipFileError: missing, or not raw calibration data.
    """
    import xarray as xr

    if not path.is_file():
        raise ChipFileError(f"{path}: no such file")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as file:
            raw = file.load()
    except Exception as error:  # h5py and xarray raise many kinds
        raise ChipFileError(f"{path}: not raw calibration data") from error
    try:
        check_raw(raw)
    except ChipFileError as error:
        raise ChipFileError(f"{path}: {error}") from None
    return raw


def _add_maps(data: xr.Dataset, fitted: CellFit, shape: tuple[int, ...]) -> None:
    usable = fitted.usable
    for name, (unit, error) in _errors(fitted).items():
        attrs = {"units": unit, "long_name": f"standard error of {name}"}
        usable_here = usable.reshape(-1, *[1] * (error.ndim - 1))
        values = np.where(usable_here, error, np.nan).reshape(*shape, *error.shape[1:])
        data[f"{name}_stderr"] = ((*_DIMS, "node")[: values.ndim], values, attrs)
    keep_covariance(data, fitted.names, fitted.covariance, usable.reshape(shape))
    if (fitted.read_add[usable] > 0).any():
        attrs = {"units": "S", "long_name": "read noise, the same at all states"}
        data["read_add"] = (_DIMS, fitted.read_add.reshape(shape), attrs)


def _errors(fitted: CellFit) -> dict[str, tuple[str, Array]]:
    """Unit and standard error of all that a fit tells, ``(cells,)`` or ``(cells, nodes)``."""
    units = {n: unit for n, (unit, _) in (maps_of(type(fitted.response)) | EXTRA).items()}
    units["read_add"] = "S"
    tables: dict[str, list[Array]] = {}
    for name, error in fitted.stderr().items():
        tables.setdefault(name.partition("[")[0], []).append(error)
    nodes = _tables(type(fitted.response))
    return {
        name: (units[name], np.stack(errors, axis=-1) if name in nodes else errors[0])
        for name, errors in tables.items()
    }


def _tables(response: type[ResponseFunction]) -> set[str]:
    return {f.name for f in fields(response) if f.metadata.get("axes", 0)}


def _add_symmetric_point(
    data: xr.Dataset, point: SymmetricPoint, usable: NDArray[np.bool_]
) -> None:
    shape = usable.shape
    measured = {
        "symmetric_point_measured": (point.measured, "symmetric point, measured by alternation"),
        "symmetric_point_measured_stderr": (point.measured_stderr, "its standard error"),
    }
    for name, (values, meaning) in measured.items():
        attrs = {"units": "S", "long_name": meaning}
        data[name] = (_DIMS, values.reshape(shape), attrs)
    data.attrs["symmetric_point_agreement"] = point.agreement(usable.ravel())


def _add_raw(data: xr.Dataset, raw: xr.Dataset) -> None:
    for old, new in _RAW.items():
        data[new] = raw[old]
    data.attrs |= {
        name if name in _OF_THE_DATA else f"raw_{name}": value
        for name, value in raw.attrs.items()
        if name != "format"
    }
    _compressed(data)


def _prediction(
    raw: xr.Dataset, population: Population, usable: NDArray[np.bool_]
) -> Prediction | None:
    """Held-out sequences; None where there are none, or too few of them were repeated."""
    if HELD_OUT not in raw["phase"].to_numpy():
        return None
    try:
        return predict(raw, population, usable)
    except ChipFileError as error:
        log.warning("held-out sequences say nothing of the twin: %s", error)
        return None


def _add_prediction(data: xr.Dataset, prediction: Prediction) -> None:
    data.attrs |= {
        "rmse_S": prediction.rmse,
        "repeatability_S": prediction.repeatability,
        "rmse_over_noise": prediction.rmse_over_noise,
    }
    for name, values in zip(
        ("held_out_rmse", "held_out_repeatability"), prediction.by_position(), strict=True
    ):
        attrs = {"units": "S", "long_name": f"{name.replace('_', ' ')} after each step"}
        data[name] = (("position",), values, attrs)


def _compressed(data: xr.Dataset) -> xr.Dataset:
    for variable in data.data_vars.values():
        if variable.ndim == 3:
            variable.encoding = {"zlib": True, "complevel": 4, "shuffle": True}
    return data


def _tally(health: NDArray[np.int8]) -> str:
    codes, counts = np.unique(health, return_counts=True)
    return ", ".join(f"{n} {Health(c).meaning}" for c, n in zip(codes, counts, strict=True))


def _version() -> str:
    try:
        return version("ohmloop")
    except PackageNotFoundError:
        return "unknown"
