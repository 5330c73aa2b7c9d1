"""A chip file from raw data alone: choose a response function, fit all cells, say how good."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.fitting import (
    FAMILIES,
    CellFit,
    Choice,
    Trajectories,
    choose_family,
    fit_trajectories,
)
from ohmloop.calibration.health import Health
from ohmloop.calibration.raw import FORMAT, bench_of_raw, check_raw
from ohmloop.drivers import BadInputError
from ohmloop.sim_backend import Population
from ohmloop.sim_backend.chip_file import chip_dataset, maps_of
from ohmloop.sim_backend.responses import ResponseFunction

if TYPE_CHECKING:
    import xarray as xr

AUTO = "auto"
"""Choose the response function by its held-out forecasts."""
SCORES = "fit_scores"
"""Attribute of a chip file made from a table: what was tried, as JSON."""
_DIMS = ("row", "column")
_STILL = (Health.STUCK, Health.OPEN, Health.UNREADABLE)


@dataclass(frozen=True, slots=True)
class FittedTable:
    """What came out of raw data.

    Attributes:
        chip: dataset of a chip file: a twin opens from it.
        choice: scores of all that was tried.
        fit: of the one chosen, cells flat.
    """

    chip: xr.Dataset
    choice: Choice
    fit: CellFit


def fit_table(raw: xr.Dataset, family: str = AUTO) -> FittedTable:
    """Fit raw data, whatever phases they hold.

    Args:
        raw: of ``import_table``, or of a calibration.
        family: name of a response function; ``auto`` tries all and takes what forecasts best.

    Raises:
        ChipFileError: not raw data.
        BadInputError: no such response function, or no cell could be fitted.
    """
    check_raw(raw)
    traj = Trajectories.of_raw(raw)
    choice = choose_family(traj, FAMILIES if family == AUTO else (family,))
    fit = fit_trajectories(traj, choice.family, steps=choice.steps)
    shape = raw.sizes["row"], raw.sizes["column"]
    if not fit.usable.any():
        codes, counts = np.unique(fit.health, return_counts=True)
        found = "; ".join(f"{n} {Health(c).meaning}" for c, n in zip(codes, counts, strict=True))
        raise BadInputError(f"{raw.attrs['crossbar']}: {fit.family} fits no cell: {found}")
    chip = chip_dataset(
        _population(raw, fit, shape), fit.usable.reshape(shape), **bench_of_raw(raw)
    )
    _add_uncertainty(chip, fit, shape)
    _add_raw(chip, raw)
    chip.attrs |= {
        "family": choice.family,
        "fit_verdict": choice.why,
        SCORES: json.dumps([asdict(score) for score in choice.scores]),
        "rmse_over_noise": choice.misfit,
        "cells_usable": int(fit.usable.sum()),
        "cells": int(fit.usable.size),
    }
    return FittedTable(chip, choice, fit)


def _population(raw: xr.Dataset, fit: CellFit, shape: tuple[int, int]) -> Population:
    """Cells of the twin; one that could not be fitted stays where it was read, or is as the median.

    The median cell is the usable one with the middle granularity, as parameters belong together.
    """
    usable = np.flatnonzero(fit.usable)
    step = np.asarray(fit.response.dg_min, float)[usable]
    median = usable[np.argsort(step)[usable.size // 2]]
    source = np.where(fit.usable, np.arange(fit.usable.size), median)
    filled = fit.of(source)
    last = _last_reading(raw, np.asarray(filled.response.middle, float))
    still = np.isin(fit.health, _STILL)
    response = (
        _scaled(filled.response, np.where(still, 0.0, 1.0)) if still.any() else filled.response
    )
    flat: dict[str, Any] = dict(zip(type(response).units, response.parameters(), strict=True))
    flat["g_min"] = np.where(still, np.minimum(flat["g_min"], last), flat["g_min"])
    flat["g_max"] = np.where(still, np.maximum(flat["g_max"], last), flat["g_max"])
    maps = {name: np.reshape(v, (*shape, *np.shape(v)[1:])) for name, v in flat.items()}
    own: dict[str, Any] = {
        name: getattr(filled, name).reshape(shape) for name in ("dg_std", "dg_add", "read_std")
    }
    return Population(
        type(response)(**maps), **own, conductance=last.reshape(shape).astype(np.float32)
    )


def _scaled(response: ResponseFunction, factor: NDArray[np.float64]) -> ResponseFunction:
    """Steps times ``factor``, tables node by node."""
    kind = type(response)
    tables = any(np.ndim(v) > 1 for v in response.parameters())
    return kind(*response.parameters()).scaled(factor[:, None] if tables else factor)


def _last_reading(raw: xr.Dataset, otherwise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Newest reading of each cell, ``(cells,)``, S."""
    newest = raw["conductance"].to_numpy()[::-1]
    newest = newest.reshape(len(newest), -1)
    last = np.take_along_axis(newest, np.isfinite(newest).argmax(axis=0)[None], axis=0)[0]
    found: NDArray[np.float64] = np.where(np.isfinite(last), last, otherwise)
    return found


def _add_uncertainty(chip: xr.Dataset, fit: CellFit, shape: tuple[int, int]) -> None:
    """Standard errors of what is one number a cell, and why cells are not usable."""
    units = maps_of(type(fit.response)) | {"dg_add": ("S", ""), "read_add": ("S", "")}
    for name, error in fit.stderr().items():
        if name not in units:
            continue  # a node of a table
        attrs = {"units": units[name][0], "long_name": f"standard error of {name}"}
        chip[f"{name}_stderr"] = (_DIMS, np.where(fit.usable, error, np.nan).reshape(shape), attrs)
    chip["health"] = (
        _DIMS,
        fit.health.reshape(shape),
        {
            "long_name": "0 where usable, else the reason why not",
            "flag_values": np.array([int(h) for h in Health], np.int8),
            "flag_meanings": " ".join(h.name.lower() for h in Health),
        },
    )


def _add_raw(chip: xr.Dataset, raw: xr.Dataset) -> None:
    for name in ("conductance", "pulses", "broken", "time"):
        if name in raw.variables:
            chip[f"raw_{name}"] = raw[name]
    for variable in chip.data_vars.values():
        if variable.ndim == 3:
            variable.encoding = {"zlib": True, "complevel": 4, "shuffle": True}
    chip.attrs |= {
        name if name in _PLAIN else f"raw_{name}": value
        for name, value in raw.attrs.items()
        if name != "format"
    }


_PLAIN = ("conditions_unknown", "notes", "cell_labels", "scale_offset_S", "scale_factor_S")


def raw_of_table(chip: xr.Dataset) -> xr.Dataset:
    """The raw data inside a chip file, of a table or of a calibration.

    Raises:
        ChipFileError: it holds none.
    """
    import xarray as xr

    names = [n for n in ("conductance", "pulses", "broken", "time") if f"raw_{n}" in chip.variables]
    raw = xr.Dataset({name: chip[f"raw_{name}"] for name in names})
    raw.attrs = {k.removeprefix("raw_"): v for k, v in chip.attrs.items() if k.startswith("raw_")}
    raw.attrs |= {k: chip.attrs[k] for k in _PLAIN if k in chip.attrs} | {"format": FORMAT}
    check_raw(raw)
    return raw
