"""Several settings in one ensemble, with their noise in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from ohmloop.training import AnalogSGD
from ohmloop.training.data.synthetic import Problem
from ohmloop.training.theory.ensemble import Ensemble
from ohmloop.training.theory.response_pair import ResponsePair, ideal

Array = NDArray[np.float64]
Rest = Callable[..., Array]


def side_by_side(pairs: Sequence[ResponsePair]) -> ResponsePair:
    """Cells of several kinds, in blocks of equal size."""

    def of(name: str) -> Callable[[Array], Array]:
        def step(w: Array) -> Array:
            blocks = np.split(w, len(pairs))
            parts = [getattr(p, name)(b) for p, b in zip(pairs, blocks, strict=True)]
            return np.concatenate(parts)

        return step

    return ResponsePair(of("q_up"), of("q_down"))


@pytest.fixture
def blocks() -> Callable[[Sequence[ResponsePair]], ResponsePair]:
    return side_by_side


@pytest.fixture
def mean_rest(rng: np.random.Generator) -> Rest:
    """Mean weights of Analog SGD under normal noise, a row for each pair and its sigma.

    Digital SGD runs beside it with the same noise, in units of sigma; what that moves the mean of
    a linear recursion by is known exactly, and is taken off: a few runs are enough.
    """

    def run(
        problem: Problem, pairs: Sequence[ResponsePair], sigmas: Sequence[float], lr: float,
        time: float, runs: int = 50, start: float = 0.0,
    ) -> Array:  # fmt: skip
        count, size = len(pairs), problem.minimiser.size
        cells = side_by_side([*pairs, ideal()])
        ensemble = Ensemble(problem, (count + 1) * runs, [cells], start=start)
        optimizer = AnalogSGD([ensemble.parameter], lr, rng=rng)

        def noise(weights: Array) -> Array:
            shared = rng.standard_normal((runs, size))
            return np.concatenate([sigma * shared for sigma in [*sigmas, 1.0]])

        trace = ensemble.run(optimizer, round(time / lr), noise)
        means = trace.mean_weights.reshape(count + 1, runs, size).mean(axis=1)
        return means[:-1] - np.outer(sigmas, means[-1] - problem.minimiser)

    return run
