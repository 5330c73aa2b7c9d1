"""Many runs of one problem side by side, on exact tiles, by the very optimizers that pulse chips.

The general analog update acts on every weight by itself, so the weights of all runs can stand in
one column of a tile, and one sample (input 1, errors = gradients) updates them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ohmloop.training.algorithms.analog_optimizer import AnalogOptimizer
from ohmloop.training.data.synthetic import Problem
from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.tiles.exact_tile import ExactTile

from .response_pair import ResponsePair

Array = NDArray[np.float64]
Noise = Callable[[Array], Array]
"""Noise of the gradients at weights ``(runs, dimensions)``."""


@dataclass(frozen=True)
class Trace:
    """What a run came to.

    Attributes:
        steps: at which losses were noted, ``(points,)``.
        losses: ``(points, runs)``.
        mean_weights: over the tail ``(runs, dimensions)``.
        loss: mean over the tail ``(runs,)``.
        squared_gradient: squared size of the true gradient, mean over the tail ``(runs,)``.
    """

    steps: NDArray[np.int64]
    losses: Array
    mean_weights: Array
    loss: Array
    squared_gradient: Array


class Ensemble:
    """Runs of one problem, each with its own noise.

    Attributes:
        parameter: give ``[parameter]`` to the optimizer.

    Args:
        problem: what is minimised.
        runs: how many.
        responses: of the arrays, from the fastest to the main one.
        start: of every weight of the main array; faster arrays start at 0.
        gamma: share of the faster arrays in the weights, see ``AnalogParameter``.
        dw_min: granularity; see ``ExactTile``.
        rng: draws the noise of updates; None for none.
    """

    def __init__(
        self,
        problem: Problem,
        runs: int,
        responses: Sequence[ResponsePair],
        *,
        start: float = 0.0,
        gamma: float = 0.0,
        dw_min: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.problem, self._shape = problem, (runs, problem.minimiser.size)
        at = [0.0] * (len(responses) - 1) + [start]
        size = (runs * problem.minimiser.size, 1)
        self.tiles = [
            ExactTile(np.full(size, w), r.q_up, r.q_down, dw_min=dw_min, rng=rng)
            for w, r in zip(at, responses, strict=True)
        ]
        self.parameter = AnalogParameter(self.tiles, gamma)

    @property
    def weights(self) -> Array:
        """Of forward and backward passes ``(runs, dimensions)``."""
        column = self.parameter.forward(torch.ones(1, 1, dtype=torch.float64))
        return column.numpy().reshape(self._shape)

    def run(
        self,
        optimizer: AnalogOptimizer,
        steps: int,
        noise: Noise,
        *,
        tail: float = 0.5,
        every: int = 0,
    ) -> Trace:
        """Step on.

        Args:
            optimizer: of ``[self.parameter]``.
            steps: how many.
            noise: added to the gradients.
            tail: share of the steps, at the end, that means are taken over.
            every: note the losses every so many steps; 0 for never.
        """
        one = torch.ones(1, 1, dtype=torch.float64)
        first, at, losses = steps - max(1, int(tail * steps)), [], []
        weights, (loss, squared) = np.zeros(self._shape), np.zeros((2, self._shape[0]))
        for step in range(steps):
            now = self.weights
            gradient = self.problem.gradient(now)
            if every and step % every == 0:
                at.append(step)
                losses.append(self.problem.loss(now))
            if step >= first:
                weights += now
                loss += self.problem.loss(now)
                squared += (gradient**2).sum(axis=1)
            noisy = gradient + noise(now)
            self.parameter.record(one, torch.from_numpy(noisy.reshape(1, -1)))
            optimizer.step()
        count = steps - first
        noted = np.array(losses) if losses else np.empty((0, self._shape[0]))
        return Trace(np.array(at, np.int64), noted, weights / count, loss / count, squared / count)


def normal_noise(sigma: float, rng: np.random.Generator) -> Noise:
    """Normal, alike everywhere."""
    return lambda weights: sigma * rng.standard_normal(weights.shape)
