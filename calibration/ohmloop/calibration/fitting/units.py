"""Fits said in the parameters' own units, with covariances and verdicts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.health import judge

from .cell_fit import CellFit
from .families import Family
from .maximum import Fitted, inverse_information
from .noises import NoiseModel
from .reference import Noise
from .trajectories import Array

_NUDGE = 1e-6


def in_units(fitted: Fitted, health: NDArray[np.int8], good: NDArray[np.intp]) -> CellFit:
    """Parameters in their units, with covariances and verdicts, among all cells."""
    family, noise, frame, best = fitted.family, fitted.noise, fitted.frame, fitted.best
    count = health.size
    values, jacobian = _jacobian(fitted)
    inner, solid = inverse_information(best)
    inner = inner @ np.nan_to_num(fitted.scatter) @ inner
    part = jacobian @ inner @ jacobian.transpose(0, 2, 1)
    fixed = (jacobian == 0).all(axis=(0, 2))
    part[:, fixed, :] = part[:, :, fixed] = np.nan
    off = family.unresolved(fitted.parameters)
    own = np.arange(len(off))
    part[:, own, own] += off.T**2
    names = (*family.names, *noise.names)
    covariance = np.full((count, len(names), len(names)), np.nan)
    covariance[good] = part
    parameters = [_spread(v, good, count) for v in fitted.parameters]
    noises = Noise(*(_spread(v, good, count) for v in fitted.noises))
    half = _spread(frame.span / 2, good, count)
    relative = noises.read_add / half if noise.additive_read else noises.read_std
    likelihood = _spread(best.value, good, count)
    fit = CellFit(
        family.name, family.response(*parameters), noises.dg_std, noises.dg_add, relative,
        noises.read_add, names, covariance, health.copy(), likelihood,
    )  # fmt: skip
    return _judged(fit, best.converged & solid & (values[0] < values[1]), good, family)


def _judged(
    fit: CellFit, converged: NDArray[np.bool_], good: NDArray[np.intp], family: Family
) -> CellFit:
    some = fit.of(good)
    reach = np.asarray(some.response.g_max) - np.asarray(some.response.g_min)
    with np.errstate(all="ignore"):
        step = some.stderr()["dg_min"] / np.asarray(some.response.dg_min)
        both = some.covariance[:, 0, 0] + some.covariance[:, 1, 1] - 2 * some.covariance[:, 0, 1]
        wide = np.sqrt(np.maximum(both, 0.0)) / reach if family.bounded else np.zeros_like(reach)
    fit.health[good] = judge(fit.health[good], converged, step, wide)
    return fit


def _jacobian(fitted: Fitted) -> tuple[Array, Array]:
    """Parameters ``(names, cells)`` and their derivatives by coordinates ``(cells, names, x)``."""
    x, k = fitted.best.x, fitted.family.size
    variants = (
        x[:, None, :]
        + _NUDGE * np.concatenate([np.eye(len(x)), -np.eye(len(x))], axis=1)[:, :, None]
    )
    parameters = fitted.family.natural(variants[:k], fitted.frame)
    noises = fitted.noise.natural(variants[k:], fitted.frame)
    rows = [_rows(v, variants.shape[1:]) for v in parameters]
    rows += [_rows(getattr(noises, n), variants.shape[1:]) for n in fitted.noise.names]
    values = np.concatenate(rows)
    more, less = values[:, : len(x)], values[:, len(x) :]
    slopes = (more - less) / (2 * _NUDGE)
    return (more[:, 0] + less[:, 0]) / 2, slopes.transpose(2, 0, 1)


def _rows(values: Array, shape: tuple[int, ...]) -> Array:
    values = np.broadcast_to(values, (*shape, *values.shape[len(shape) :]))
    return values[None] if values.ndim == len(shape) else np.moveaxis(values, -1, 0)


def _spread(values: Array, good: NDArray[np.intp], count: int) -> Array:
    whole = np.full((count, *np.shape(values)[1:]), np.nan)
    whole[good] = values
    return whole


def empty(family: Family, noise: NoiseModel, health: NDArray[np.int8]) -> CellFit:
    """Where no cell could be fitted."""
    nothing, names = np.full(health.size, np.nan), (*family.names, *noise.names)
    nodes = getattr(family, "nodes", 0)
    tables = np.full((health.size, nodes), np.nan)
    units = family.response.units
    values = [tables if n.startswith("table_") and nodes else nothing for n in units]
    return CellFit(
        family.name, family.response(*values), nothing, nothing, nothing, nothing, names,
        np.full((health.size, len(names), len(names)), np.nan), health, nothing,
    )  # fmt: skip
