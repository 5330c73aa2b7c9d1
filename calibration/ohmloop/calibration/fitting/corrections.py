"""Corrections of a maximum: for the means that were fitted, and for errors that are not normal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .cores import share
from .likelihood import Problem, blocks, slopes
from .robust import CONSISTENCY, weight
from .scoring import Optimum
from .trajectories import Array

_NUDGE = 1e-2
"""Of the logarithm of a noise, for differences."""
_MOST_EXCESS = 9.0


def excess(problem: Problem, best: Optimum) -> Array:
    """By how much the scores of a cell vary more than its information says, ``(cells, x)``.

    Errors that are not quite normal, as near a hard bound, tell less than the expected information
    says; then the sum of squared scores is larger than it. At least 1: a cell whose scores happen
    to vary less is not better known for it (variance by both: White, Econometrica 50:1, 1982).

    Args:
        problem: what was maximised.
        best: its maximum.
    """
    found = np.ones(best.x.T.shape)

    def of(cells: NDArray[np.intp]) -> None:
        s = slopes(problem, best.x[:, cells], cells)
        w = weight(s.z)[:, None]
        z = s.z[:, None]
        score = 0.5 * s.spread * (w * z**2 - CONSISTENCY) - s.mean * w * z
        told = (w * (s.mean**2 + 0.5 * s.spread**2)).sum(axis=2)
        ratio = np.nan_to_num((score**2).sum(axis=2) / np.maximum(told, 1e-300), nan=1.0)
        found[cells] = np.clip(ratio, 1.0, _MOST_EXCESS)

    share(of, blocks(problem))
    return found


def restriction(problem: Problem, best: Optimum, means: int) -> Array:
    """Gradient of the term by which the restricted likelihood differs, ``(parameters, cells)``.

    Likelihood finds noise too small, as it divides by n and not by n - p; ``-log det(I_means) / 2``
    mends that (Patterson and Thompson, Biometrika 58:545, 1971; with all information on the means,
    that in the variances too: Cox and Reid, J. R. Stat. Soc. B 49:1, 1987). Its gradient is found
    by differences, as noises decide how much the filter learns, hence what errors say of means.

    Args:
        problem: what was maximised.
        best: its maximum.
        means: the first so many parameters are means; the others are of the variance.
    """
    extra = np.zeros_like(best.x)

    def of(cells: NDArray[np.intp]) -> None:
        x = best.x[:, cells]
        for k in range(means, len(x)):
            moved = np.zeros((len(x), 1))
            moved[k] = _NUDGE
            more, less = (_volume(problem, x + way * moved, cells, means) for way in (1, -1))
            gradient = np.nan_to_num(-0.25 * (more - less) / _NUDGE)
            extra[k, cells] = np.clip(gradient, -means, means)

    share(of, blocks(problem))
    return extra


def _volume(problem: Problem, x: Array, cells: NDArray[np.intp], means: int) -> Array:
    """``log det`` of the information on the means."""
    s = slopes(problem, x, cells)
    w = np.sqrt(weight(s.z))[:, None]
    mean, spread = s.mean[:, :means] * w, s.spread[:, :means] * (w / np.sqrt(2))
    information = mean @ mean.transpose(0, 2, 1) + spread @ spread.transpose(0, 2, 1)
    information += problem.precision[:means, :means] + 1e-9 * np.eye(means)
    volume: Array = np.linalg.slogdet(np.nan_to_num(information))[1]
    return volume
