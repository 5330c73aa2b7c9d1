"""Fitted cells, and how well everything about them is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.health import Health
from ohmloop.sim_backend.responses import ResponseFunction

from .trajectories import Array

_NUDGE = 1e-5


@dataclass(frozen=True)
class CellFit:
    """Fitted cells, flat; a cell that is not OK holds numbers without meaning, or nan.

    Attributes:
        family: what was fitted, such as ``soft-bounds`` or ``piecewise-9``.
        response: with parameters ``(cells,)``, tables ``(cells, nodes)``.
        dg_std: noise of a step, relative to it, ``(cells,)``.
        dg_add: noise of a step, S; 0 where it was not fitted.
        read_std: noise of a reading, relative to it; where states may be negative, ``read_add``
            over half the range.
        read_add: noise of a reading, S, the same at all states; 0 where ``read_std`` was fitted.
        names: parameters of ``covariance``; a table's are ``table_up[0]`` and so on.
        covariance: of the parameters, ``(cells, names, names)``, in their units.
        health: ``Health`` codes ``(cells,)``.
        log_likelihood: robust, of what was fitted, ``(cells,)``.
    """

    family: str
    response: ResponseFunction
    dg_std: Array
    dg_add: Array
    read_std: Array
    read_add: Array
    names: tuple[str, ...]
    covariance: Array
    health: NDArray[np.int8]
    log_likelihood: Array

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Cells that could be fitted."""
        usable: NDArray[np.bool_] = self.health == Health.OK
        return usable

    def value(self, name: str) -> Array:
        """A fitted parameter, or what follows (``symmetric_point``, ``dg_min``), ``(cells,)``."""
        table, _, node = name.partition("[")
        if node:
            entry: Array = getattr(self.response, table)[:, int(node[:-1])]
            return entry
        owner: Any = self.response if hasattr(self.response, name) else self
        values: Array = np.asarray(getattr(owner, name), float)
        return values

    @cached_property
    def _errors(self) -> dict[str, Array]:
        errors = {n: _root(self.covariance[:, i, i]) for i, n in enumerate(self.names)}
        point, step = derived_gradients(self.response)
        # what was not fitted is taken as known
        block = np.nan_to_num(self.covariance[:, : len(point), : len(point)])
        for name, gradient in (("symmetric_point", point), ("dg_min", step)):
            errors[name] = _root(np.einsum("ic,cij,jc->c", gradient, block, gradient))
        return errors

    def stderr(self) -> Mapping[str, Array]:
        """Standard errors of all parameters, of ``symmetric_point`` and ``dg_min`` (delta method).

        nan where something was not fitted.
        """
        return self._errors

    def of(self, cells: Any) -> CellFit:
        """Some of the cells."""
        own = {
            f.name: getattr(self, f.name)[cells]
            for f in fields(self)
            if f.name not in ("family", "response", "names")
        }
        return CellFit(self.family, response_of(self.response, cells), names=self.names, **own)


def response_of(response: ResponseFunction, cells: Any) -> ResponseFunction:
    """The response functions of some cells."""
    return type(response)(*(np.asarray(v)[cells] for v in response.parameters()))


def derived_gradients(response: ResponseFunction) -> tuple[Array, Array]:
    """Derivatives of symmetric point and ``dg_min`` by the parameters.

    Implicitly, from ``G(SP, parameters) = 0`` and ``dg_min = F(SP, parameters)``.

    Args:
        response: flat.

    Returns:
        Two arrays ``(parameters, cells)``, tables node by node.
    """
    with np.errstate(all="ignore"):
        point = np.asarray(response.symmetric_point, float)
        known = np.isfinite(point)
        at = np.where(known, point, response.middle)
        h = _NUDGE * (np.asarray(response.g_max, float) - np.asarray(response.g_min, float))
        tilt = _central(response.asymmetric, at, h)
        rise = _central(response.symmetric, at, h)
        by_point, by_step = [], []
        for moved, size in _moved(response):
            up, down = moved
            g = (up.asymmetric(at) - down.asymmetric(at)) / (2 * size)
            f = (up.symmetric(at) - down.symmetric(at)) / (2 * size)
            shift = np.where(known, -g / tilt, np.nan)
            by_point.append(shift)
            by_step.append(f + np.where(known, rise * shift, 0.0))
    return np.stack(by_point), np.stack(by_step)


def _central(f: Any, at: Array, h: Array) -> Array:
    slope: Array = (f(at + h) - f(at - h)) / (2 * h)
    return slope


def _moved(response: ResponseFunction) -> Any:
    """Every parameter in turn a little more and a little less, and by how much, ``(cells,)``."""
    span = np.asarray(response.g_max, float) - np.asarray(response.g_min, float)
    kind, given = type(response), [np.asarray(v, float) for v in response.parameters()]
    for place, (unit, values) in enumerate(zip(kind.units.values(), given, strict=True)):
        for node in range(values.shape[1]) if values.ndim == 2 else (None,):
            now = values if node is None else values[:, node]
            least = span if unit == "S" and place < 2 else 1.0
            size = np.maximum(_NUDGE * np.abs(now), 1e-9 * least if place < 2 else 1e-300)
            size = np.where(now == 0, _NUDGE if unit == "1" else _NUDGE * span, size)
            pair = []
            for sign in (1, -1):
                changed = values.copy()
                if node is None:
                    changed = changed + sign * size
                else:
                    changed[:, node] += sign * size
                pair.append(kind(*(changed if i == place else v for i, v in enumerate(given))))
            yield tuple(pair), size


def _root(variance: Array) -> Array:
    root: Array = np.sqrt(np.maximum(variance, 0.0))
    return root
