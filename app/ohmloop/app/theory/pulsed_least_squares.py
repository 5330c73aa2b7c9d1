"""Least squares on twins of generic linear cells, by pulses: one run of one algorithm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ohmloop.sim_backend import Population, SoftBounds, TwinCrossbar
from ohmloop.training import (
    AnalogParameter,
    AnalogSGD,
    AnalogTile,
    PulseSettings,
    TikiTaka,
    Tile,
)

if TYPE_CHECKING:
    from ohmloop.training.data.synthetic import LeastSquares

    from .symmetric_point import SymmetricPoint

_MIDDLE, _HALF = 40e-6, 30e-6  # S: the range of all cells


class PulsedLeastSquares:
    """Arrays of one row, an optimizer, and the loss ``sum_i r_i^2 / (2 samples dimensions)``.

    The gradient is that of the mean squared error over all samples, each of which is one rank-one
    update with the weights at the start of the pass, as a mini-batch is.
    """

    def __init__(
        self, how: SymmetricPoint, problem: LeastSquares, algorithm: str, c: float, seed: int
    ) -> None:
        self._problem = problem
        self._x = torch.from_numpy(problem.features)
        self._targets = torch.from_numpy(problem.targets)
        rng = np.random.default_rng([seed, 2])
        size, shifted = problem.minimiser.size, algorithm.startswith("zero-shifted")
        main = _tile(how, size, c, how.start, shifted=False, seed=1)
        if algorithm == "analog-sgd":
            self._parameter = AnalogParameter([main])
            self._optimizer: AnalogSGD | TikiTaka = AnalogSGD(
                [self._parameter], how.learning_rate, rng=rng, desired_bl=how.desired_bl
            )
        else:
            fast = _tile(how, size, c, 0.0, shifted=shifted, seed=2)
            gamma = how.gamma if algorithm.endswith("residual-learning") else 0.0
            self._parameter = AnalogParameter([fast, main], gamma)
            self._optimizer = _TwoLengths(
                [self._parameter],
                how.learning_rate,
                rng=rng,
                fast_lr=how.fast_learning_rate,
                transfer_lr=1.0,
                transfer_columns=size,
                desired_bl=how.desired_bl,
            )
            self._optimizer.transfer_rule = PulseSettings(how.transfer_bl)

    def loss(self) -> float:
        """At the weights of forward passes."""
        return float((self._residuals() ** 2).mean()) / 2 / self._problem.minimiser.size

    def step(self) -> None:
        """One pass."""
        errors = 2 * self._residuals() / len(self._targets)
        self._parameter.record(self._x, errors[:, None])
        self._optimizer.step()

    def _residuals(self) -> torch.Tensor:
        return self._parameter.forward(self._x)[:, 0] - self._targets


class _TwoLengths(TikiTaka):
    """Tiki-Taka whose transfers may take longer trains than its gradients."""

    transfer_rule: PulseSettings

    def pulse_outer(
        self, tile: Tile, x: NDArray[np.floating], d: NDArray[np.floating], lr: float
    ) -> int:
        """Into the fast array as usual, into the main one by ``transfer_rule``."""
        usual = self.rule
        if any(tile is parameter.main for _, parameter in self.analog()):
            self.rule = self.transfer_rule
        try:
            return super().pulse_outer(tile, x, d, lr)
        finally:
            self.rule = usual


def _tile(
    how: SymmetricPoint, size: int, c: float, start: float, shifted: bool, seed: int
) -> AnalogTile:
    """Cells without noise or spread; weight 0 is mid-range, or the symmetric point."""
    scale = _HALF / how.tau  # S a unit of weight
    share = how.dw_min / how.tau
    low, high = np.float32(_MIDDLE - _HALF), np.float32(_MIDDLE + _HALF)
    cells = SoftBounds(low, high, np.float32(share * (1 + c)), np.float32(share * (1 - c)))
    reference = np.full((1, size), _MIDDLE + (c * how.tau * scale if shifted else 0.0))
    none, states = np.zeros((), np.float32), reference + start * scale
    population = Population(cells, none, none, states.astype(np.float32))
    tile = AnalogTile(TwinCrossbar(population, seed=seed), w_max=how.tau)
    tile.rescale(reference, scale)
    return tile
