"""How far a twin is from its chip, and whether it knows: error over noise, coverage, cells.

Errors of one cell belong together: the same wrong parameter is in all of them. So every uncertainty
here takes cells as the units that were drawn (cluster-robust; Liang and Zeger, Biometrika 73:13,
1986): a mean over cells has the standard error of the cells' own means.

``rmse_over_noise`` is that of ``prediction``: 1 for a perfect twin, whatever the noise. Of
intervals that should hold a share p of readings, ``coverage`` is the share that they hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.prediction import Prediction

from .outcome import Array, Mask, of_kind, predictions, usable_of
from .plan import Kind
from .predictive import CUTS, LEVELS

if TYPE_CHECKING:
    import xarray as xr

FAILING = 2.0
"""A cell fails where its errors are so many times as large as the twin expects, root mean square.
With noise alone, over some dozens of readings, that happens to fewer than 1 cell in 1,000."""


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error."""

    value: float
    stderr: float

    def above(self, limit: float, sigmas: float) -> bool:
        """Whether it lies beyond ``limit`` by more than so many standard errors."""
        return bool(self.value - sigmas * self.stderr > limit)

    def apart(self, from_: float, by: float, sigmas: float) -> bool:
        """Whether it is more than ``by`` and so many standard errors away."""
        return bool(abs(self.value - from_) > by + sigmas * self.stderr)


@dataclass(frozen=True)
class KindScore:
    """Scores of one kind of sequence.

    Attributes:
        kind: which.
        prediction: what was measured and predicted.
        ratio: ``rmse_over_noise``.
        coverage: by level, share of readings within the interval.
        spread: root mean square of errors over the spread that the twin expects; 1 where it knows.
    """

    kind: Kind
    prediction: Prediction
    ratio: Estimate
    coverage: dict[float, Estimate]
    spread: Estimate

    def by_position(self) -> tuple[Array, Array]:
        """``rmse`` and ``repeatability`` of each position, ``(positions,)``, S."""
        return self.prediction.by_position()


@dataclass(frozen=True)
class Scores:
    """Scores of all kinds.

    Attributes:
        kinds: in order.
        coverage: over all kinds.
        classes: share of readings in each of the classes that ``CUTS`` makes, ``(cuts + 1,)``.
        z: root mean square of errors over expected spread of each cell, ``(rows, columns)``; NaN
            where a cell does not count.
        usable: cells that count.
    """

    kinds: tuple[KindScore, ...]
    coverage: dict[float, Estimate]
    classes: Array
    z: Array
    usable: Mask

    @property
    def failing(self) -> list[tuple[int, int]]:
        """Cells that the twin does not describe, (row, column), the worst first."""
        bad = np.argwhere(self.usable & (np.nan_to_num(self.z) > FAILING))
        order = np.argsort(-self.z[bad[:, 0], bad[:, 1]])
        return [(int(r), int(c)) for r, c in bad[order]]

    @property
    def worst(self) -> KindScore:
        """The kind with the largest ratio."""
        return max(self.kinds, key=lambda k: k.ratio.value)


def score(data: xr.Dataset) -> Scores:
    """Score an outcome."""
    usable = usable_of(data)
    kinds, inside, squares, classes = [], [], [], []
    for kind, prediction in predictions(data):
        classed = of_kind(data, kind, "class")[:, 1:, usable]
        z = _z(prediction, of_kind(data, kind, "spread")[:, 1:, usable])
        shares = _inside(classed)
        spread = _rms((z**2).mean(axis=(0, 1)))
        kinds.append(KindScore(kind, prediction, _ratio(prediction), _coverage([shares]), spread))
        inside.append(shares)
        squares.append((z**2).mean(axis=(0, 1)))
        classes.append(classed.reshape(-1))
    found = np.bincount(np.concatenate(classes).astype(int), minlength=len(CUTS) + 1)
    cells = np.full(usable.shape, np.nan)
    cells[usable] = np.sqrt(np.mean(squares, axis=0))
    return Scores(tuple(kinds), _coverage(inside), found / found.sum(), cells, usable)


def _z(prediction: Prediction, spread: Array) -> Array:
    """Errors over expected spread; 0 where neither is anything."""
    errors = prediction.errors
    floor = 1e-9 * np.abs(prediction.measured[:, 1:, prediction.usable]) + 1e-30
    z: Array = errors / np.maximum(spread, floor)
    return z


def _ratio(prediction: Prediction) -> Estimate:
    """Ratio of two root mean squares over the same cells, by the delta method."""
    errors, own = ((x**2).mean(axis=(0, 1)) for x in (prediction.errors, prediction.deviations))
    top, bottom = errors.mean(), own.mean()
    if not bottom > 0:
        value = 1.0 if top == 0 else float("inf")
        return Estimate(value, 0.0)
    ratio = float(np.sqrt(top / bottom))
    relative = _stderr(errors / top - own / bottom) if top > 0 else 0.0
    return Estimate(ratio, ratio * relative / 2)


def _rms(squares: Array) -> Estimate:
    """Root of the mean over cells."""
    root = float(np.sqrt(squares.mean()))
    return Estimate(root, _stderr(squares) / (2 * root) if root > 0 else 0.0)


def _inside(classed: NDArray[np.float64]) -> dict[float, Array]:
    """Share of each cell's readings in each interval, ``(cells,)``."""
    return {
        level: ((classed >= low) & (classed < high)).mean(axis=(0, 1))
        for level, (low, high) in LEVELS.items()
    }


def _coverage(shares: list[dict[float, Array]]) -> dict[float, Estimate]:
    """Mean over cells, kinds counting alike."""
    found = {}
    for level in LEVELS:
        cells = np.mean([kind[level] for kind in shares], axis=0)
        found[level] = Estimate(float(cells.mean()), _stderr(cells))
    return found


def _stderr(values: Array) -> float:
    """Standard error of a mean over cells."""
    return float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else float("inf")
