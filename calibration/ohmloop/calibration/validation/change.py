"""What a chip does otherwise than its twin: steps and scale of each cell, fitted anew.

Three numbers a cell, for any response function: its up steps are ``up`` times the twin's, its down
steps ``down`` times, and all its conductances ``scale`` times. They are fitted to the changes
between readings by weighted least squares along the paths that they give, from each repeat's start
(Gauss-Newton; changes rather than readings, because noise of pulses adds up along a path). From
them follow granularity and symmetric point now, to compare with those of the chip file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.spread import robust_std
from ohmloop.sim_backend import Population
from ohmloop.sim_backend.responses import ResponseFunction

from .outcome import Array, Mask, kinds_of, of_kind, usable_of
from .plan import Kind
from .scores import Estimate

if TYPE_CHECKING:
    import xarray as xr

NAMES = ("up", "down", "scale")
_PRIOR = np.array([1.0, 1.0, 0.1])
"""Standard deviations within which the numbers lie about 1, where a cell hardly tells."""
_STEP, _ROUNDS, _LOWEST = 1e-4, 6, 0.02
_CLOSE = 3e-3
"""Step of nearly all cells at which to stop: far below what three numbers a cell are known to."""


@dataclass(frozen=True)
class Change:
    """Of every usable cell, ``(cells,)`` each, in order of rows.

    Attributes:
        factors: ``up``, ``down``, ``scale``, ``(3, cells)``.
        stderr: of the factors, likewise.
        granularity: now, over that of the chip file.
        point: symmetric point now, less that of the chip file, S; NaN where there is none.
        known: granularity in the chip file, S.
        residual: by kind, error over noise that is left with the factors.
    """

    factors: Array
    stderr: Array
    granularity: Array
    point: Array
    known: Array
    residual: dict[Kind, float]

    @property
    def granularity_ratio(self) -> Estimate:
        """Median over cells, with its standard error."""
        return median(self.granularity)

    @property
    def point_shift(self) -> Estimate:
        """Median shift of the symmetric point, S."""
        return median(self.point)

    @property
    def identity(self) -> tuple[float, float]:
        """Rank correlation of granularities now and in the file, and what the same chip gives.

        The latter is what is left of 1 by the errors of ``granularity``; near 0 where cells are
        alike, or poorly known, and then nobody can tell one chip from another by it.
        """
        now = self.granularity * self.known
        error = self.known * np.sqrt((self.stderr[:2] ** 2).mean(axis=0) / 2)
        spread, noise = _spread(self.known), float(np.median(error))
        expected = spread / np.hypot(spread, noise) if spread > 0 else 0.0
        return _ranks_together(now, self.known), float(expected)


def median(values: Array) -> Estimate:
    """Median of what is a number, and its standard error (as of normal numbers, robust)."""
    known = values[np.isfinite(values)]
    if known.size < 2:
        return Estimate(float("nan"), float("inf"))
    return Estimate(float(np.median(known)), float(1.2533 * _spread(known) / np.sqrt(known.size)))


def find_change(data: xr.Dataset, population: Population) -> Change:
    """Fit the factors of every usable cell.

    Args:
        data: the outcome.
        population: the twin's cells.
    """
    usable = usable_of(data)
    cells = _Cells(population, usable)
    paths = [_Path(data, kind, usable, cells) for kind in kinds_of(data)]
    factors, errors = _fit(cells, paths)
    now = cells.with_factors(factors)
    known, point = cells.granularity(np.ones_like(factors))
    size, shifted = cells.granularity(factors)
    residual = {p.kind: p.residual(now) for p in paths}
    return Change(factors, errors, size / known, shifted - point, known, residual)


class _Cells:
    """Usable cells, flat, whose steps and scale can be changed."""

    def __init__(self, population: Population, usable: Mask) -> None:
        kind = type(population.response)
        values = (np.asarray(v, np.float64)[usable] for v in population.response.parameters())
        self.response: ResponseFunction = kind(*values)
        self.step_std = np.asarray(population.dg_std, np.float64)[usable]
        self.add_std = np.asarray(population.dg_add, np.float64)[usable]
        self.add_slope = np.asarray(population.dg_slope, np.float64)[usable]
        self.rest = np.asarray(population.dg_rest, np.float64)[usable]
        self.read_std = np.asarray(population.read_std, np.float64)[usable]

    def with_factors(self, factors: Array) -> _Changed:
        return _Changed(self.response, *factors)

    def granularity(self, factors: Array) -> tuple[Array, Array]:
        """Mean step at the symmetric point, and that point, S; at mid-range where there is none."""
        changed = self.with_factors(factors)
        low, high = np.array(self.response.g_min), np.array(self.response.g_max)
        there = (changed.excess(low) > 0) & (changed.excess(high) < 0)
        for _ in range(50):
            middle = (low + high) / 2
            above = changed.excess(middle) > 0
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        point = np.where(there, (low + high) / 2, np.asarray(self.response.middle))
        size = changed.scale * changed.mean_step(point)
        return size, np.where(there, changed.scale * point, np.nan)


class _Changed:
    """A response function with factors."""

    def __init__(self, response: ResponseFunction, up: Array, down: Array, scale: Array) -> None:
        self.response, self.up, self.down, self.scale = response, up, down, scale

    def excess(self, h: Array) -> Array:
        excess: Array = self.up * self.response.q_up(h) - self.down * self.response.q_down(h)
        return excess

    def mean_step(self, h: Array) -> Array:
        both = self.up * self.response.q_up(h) + self.down * self.response.q_down(h)
        mean: Array = both / 2
        return mean

    def path(self, start: Array, ups: NDArray[np.int32], downs: NDArray[np.int32]) -> Array:
        """Mean readings ``(repeats, positions + 1, cells)`` from ``start`` ``(repeats, cells)``."""
        low, high = self.response.g_min, self.response.g_max
        h = np.clip(start / self.scale, low, high)
        found = [start]
        for up, down in zip(ups, downs, strict=True):
            for k in range(int(up.max(initial=0))):
                moved = np.minimum(h + self.up * self.response.q_up(h), high)
                h = np.where(up > k, moved, h)
            for k in range(int(down.max(initial=0))):
                moved = np.maximum(h - self.down * self.response.q_down(h), low)
                h = np.where(down > k, moved, h)
            found.append(h * self.scale)
        return np.stack(found, axis=1)


class _Path:
    """The repeats of one kind: changes between readings, and their weights."""

    def __init__(self, data: xr.Dataset, kind: Kind, usable: Mask, cells: _Cells) -> None:
        self.kind = kind
        self.measured = of_kind(data, kind, "measured")[:, :, usable]
        self.ups, self.downs = (
            of_kind(data, kind, n)[0, 1:, usable].T.astype(np.int32) for n in ("ups", "downs")
        )
        self.changes = np.diff(self.measured, axis=1)
        state = np.clip(self.measured[:, 1:], cells.response.g_min, cells.response.g_max)
        size = np.asarray(cells.response.symmetric(state))
        count = (self.ups + self.downs)[None]
        added = cells.add_std + cells.add_slope * abs(state - cells.rest)
        variance = count * ((size * cells.step_std) ** 2 + added**2)
        variance = variance + 2 * (cells.read_std * self.measured[:, 1:]) ** 2
        self.weight = 1 / np.sqrt(np.maximum(variance, (1e-6 * np.abs(state) + 1e-15) ** 2))

    def wanted(self) -> Array:
        """Changes in units of their noise, ``(numbers, cells)``."""
        return (self.changes * self.weight).reshape(-1, self.changes.shape[-1])

    def given(self, changed: _Changed) -> Array:
        """The same as the factors have it."""
        path = changed.path(self.measured[:, 0], self.ups, self.downs)
        return (np.diff(path, axis=1) * self.weight).reshape(-1, self.changes.shape[-1])

    def residual(self, changed: _Changed) -> float:
        """``rmse_over_noise`` of the path that the factors give."""
        from ohmloop.calibration.prediction import Prediction

        path = changed.path(self.measured[:, 0], self.ups, self.downs)
        every = np.ones((1, path.shape[-1]), bool)
        return Prediction(self.measured[:, :, None], path[:, :, None], every).rmse_over_noise


def _fit(cells: _Cells, paths: list[_Path]) -> tuple[Array, Array]:
    """Factors and their standard errors, ``(3, cells)``."""
    moving = [p for p in paths if p.ups.any() or p.downs.any()]
    count = cells.read_std.size
    factors, errors = np.ones((len(NAMES), count)), np.tile(_PRIOR[:, None], (1, count))
    if not moving:
        return factors, errors
    wanted = np.concatenate([p.wanted() for p in moving])

    def given(values: Array) -> Array:
        changed = cells.with_factors(values)
        return np.concatenate([p.given(changed) for p in moving])

    best, lost = factors, np.full(count, np.inf)
    for _ in range(_ROUNDS):
        here = given(factors)
        slopes = np.stack(
            [(given(factors + _STEP * unit[:, None]) - here) / _STEP for unit in np.eye(len(NAMES))]
        )
        rest = wanted - here
        loss = (rest**2).sum(axis=0) + (((factors - 1) / _PRIOR[:, None]) ** 2).sum(axis=0)
        better = loss < lost
        best, lost = np.where(better, factors, best), np.where(better, loss, lost)
        normal = np.einsum("itc,jtc->cij", slopes, slopes) + np.diag(_PRIOR**-2)
        pull = np.einsum("itc,tc->ci", slopes, rest) - ((factors - 1) / _PRIOR[:, None] ** 2).T
        move = np.linalg.solve(normal, pull[..., None])[..., 0].T
        freedom = max(1, wanted.shape[0] - len(NAMES))
        noise = np.maximum((rest**2).sum(axis=0) / freedom, 1.0)
        errors = np.sqrt(np.einsum("cii->ic", np.linalg.inv(normal)) * noise)
        if np.quantile(np.abs(move), 0.99) < _CLOSE and better.mean() > 0.99:
            break
        factors = np.clip(best + np.where(better, move, move / 4), _LOWEST, 1 / _LOWEST)
    return best, errors


def _spread(values: Array) -> float:
    return float(robust_std(values)) if values.size else 0.0


def _ranks_together(x: Array, y: Array) -> float:
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    first, second = (np.argsort(np.argsort(v)).astype(float) for v in (x, y))
    return float(np.corrcoef(first, second)[0, 1])
