"""Cells whose climb ended nowhere are tried again, from where others are.

A climb may be caught between two kinks of the robust likelihood, or start on the wrong side of a
plain. A cell is given up only where it finds no maximum from anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .likelihood import Problem
from .scoring import Optimum, maximise
from .trajectories import Array

_LONGER = 3
"""Times the iterations of a first try: these cells are few."""


def retried(problem: Problem, best: Optimum, start: Array, iterations: int) -> Optimum:
    """The same optimum, with cells that had not converged where another start let them.

    Args:
        problem: what is maximised.
        best: where its cells are.
        start: where they began, ``(parameters, cells)``.
        iterations: of a first try.
    """
    for first in _starts(best, start):
        lost = np.flatnonzero(~best.converged)
        if not lost.size:
            break
        found = maximise(part_of(problem, lost), first[:, lost], _LONGER * iterations)
        good = np.flatnonzero(found.converged)
        best = best.put(lost[good], found.of(good))
    return best


def part_of(problem: Problem, cells: NDArray[np.intp]) -> Problem:
    """The problem of some cells."""
    low, high, prior, tilt = (
        v[:, cells] for v in (problem.low, problem.high, problem.prior, problem.tilt)
    )
    return Problem(
        lambda x, some: problem.model(x, cells[some]),
        problem.steps,
        low,
        high,
        prior,
        problem.precision,
        tilt,
    )


def _starts(best: Optimum, start: Array) -> Iterator[Array]:
    """Where the cell was left, the middle of all that converged, its own start, half way."""
    yield best.x
    sound = best.converged
    middle = np.median(best.x[:, sound] if sound.any() else start, axis=1)
    among = np.repeat(middle[:, None], start.shape[1], axis=1)
    yield among
    yield start
    yield (start + among) / 2
