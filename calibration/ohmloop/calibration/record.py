"""The calibration record: a chip dataset with uncertainties, checks, raw data and provenance."""

from __future__ import annotations

from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError, ChipFileError
from ohmloop.sim_backend import Population, SoftBounds, save_chip
from ohmloop.sim_backend.chip_file import chip_dataset, maps_of

from .covariance import keep_covariance
from .fit import CellFit
from .health import STILL, Health, assess, keep_health
from .kalman import PARAMETERS, Array
from .prediction import Prediction, predict
from .raw import FORMAT, bench_of_raw, check_raw
from .symmetric_point import SymmetricPoint

if TYPE_CHECKING:
    import xarray as xr

_RAW = {"conductance": "raw_conductance", "pulses": "raw_pulses"}
_DIMS = ("row", "column")


def chip_record(raw: xr.Dataset, fitted: CellFit, point: SymmetricPoint) -> xr.Dataset:
    """The dataset of a chip file.

    Args:
        raw: what was measured.
        fitted: its fit.
        point: symmetric points.

    Returns:
        All maps of ``chip_dataset``; ``*_stderr`` of every fitted map (NaN where not usable);
        ``symmetric_point_measured``; ``health``; ``raw_conductance`` and ``raw_pulses``; held-out
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
    _add_maps(data, fitted, point, shape)
    keep_health(data, health)
    typical = float(np.median(data["dg_min"].to_numpy()[usable]))
    # a stuck cell moves by next to nothing; nobody should divide by that
    fit = fitted.usable.reshape(shape)
    data["dg_min"] = data["dg_min"].where(fit, typical).assign_attrs(data["dg_min"].attrs)
    _add_raw(data, raw)
    _add_prediction(data, predict(raw, population, usable))
    data.attrs["symmetric_point_agreement"] = point.agreement(usable.ravel())
    data.attrs["cells_usable"] = int(usable.sum())
    data.attrs["cells"] = int(usable.size)
    data.attrs["ohmloop_version"] = _version()
    return data


def twin_population(raw: xr.Dataset, fitted: CellFit) -> Population:
    """Cells of the twin.

    A cell that is not usable is made to be what it seems: one that does not respond stays where it
    was read, one that responds but could not be fitted gets the chip's medians.

    Raises:
        BadInputError: no cell could be fitted.
    """
    usable, health = fitted.usable, fitted.health
    if not usable.any():
        raise BadInputError(f"no cell could be fitted: {_tally(health)}; try stronger pulses")
    shape = raw["conductance"].shape[1:]
    last = last_reading(raw).ravel()
    middle = {n: float(np.median(getattr(fitted.cells, n)[usable])) for n in PARAMETERS}
    last = np.maximum(np.where(np.isfinite(last), last, middle["g_min"]), 0.0)
    maps: dict[str, Any] = {
        n: np.where(usable, getattr(fitted.cells, n), middle[n]) for n in PARAMETERS
    }
    still = np.isin(health, STILL)
    width = 1e-4 * (middle["g_max"] - middle["g_min"])
    maps["g_min"] = np.where(still, np.maximum(last - width, 0.0), maps["g_min"])
    maps["g_max"] = np.where(still, last + width, maps["g_max"])
    maps["conductance"] = last
    maps = {name: values.reshape(shape) for name, values in maps.items()}
    response = SoftBounds(*(maps.pop(f.name) for f in fields(SoftBounds)))
    return Population(response, **maps)


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
        if name.startswith("raw_")
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
    check_raw(raw)
    return raw


def _add_maps(
    data: xr.Dataset, fitted: CellFit, point: SymmetricPoint, shape: tuple[int, ...]
) -> None:
    usable = fitted.usable
    for name, error in fitted.stderr().items():
        attrs = {"units": maps_of(SoftBounds)[name][0], "long_name": f"standard error of {name}"}
        values = np.where(usable, error, np.nan).reshape(shape)
        data[f"{name}_stderr"] = (_DIMS, values, attrs)
    keep_covariance(data, PARAMETERS, fitted.covariance, usable.reshape(shape))
    measured = {
        "symmetric_point_measured": (point.measured, "symmetric point, measured by alternation"),
        "symmetric_point_measured_stderr": (point.measured_stderr, "its standard error"),
    }
    for name, (values, meaning) in measured.items():
        attrs = {"units": "S", "long_name": meaning}
        data[name] = (_DIMS, values.reshape(shape), attrs)


def _add_raw(data: xr.Dataset, raw: xr.Dataset) -> None:
    for old, new in _RAW.items():
        data[new] = raw[old]
    data.attrs |= {f"raw_{name}": value for name, value in raw.attrs.items() if name != "format"}
    _compressed(data)


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
