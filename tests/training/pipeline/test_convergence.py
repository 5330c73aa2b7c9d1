"""Convergence of an asynchronous pipeline on a least-squares chain: the order of its error terms.

Theory (Wu et al., arXiv:2410.15155: ``O(eps^-2 + eps^-1)`` steps to a mean squared gradient of
eps): with step size r over K steps the mean squared gradient is at most

    A / (r K)  +  B r  +  C r^2,

where A and B are those of plain stochastic gradient descent, and only C comes from staleness: stale
weights are wrong by about r times a few gradients, so the direction is wrong in proportion to r,
and its square to r^2. ``r ~ eps`` makes the noise small enough, which takes ``K ~ eps^-2``; for the
staleness alone ``r ~ eps^(1/2)`` and ``K ~ eps^-1 ... eps^-3/2`` would do: it does not dominate.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.training import Split
from ohmloop.training.pipeline.exact import ExactExecutor
from ohmloop.training.pipeline.micro_batches import MicroBatches
from ohmloop.training.pipeline.schedules import SCHEDULES
from ohmloop.training.pipeline.stage import Stage

SIZE, STAGES, NOISE = 3, 4, 0.5


def half_squares(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return 0.5 * (y - target).square().sum(dim=1).mean()


class Chain:
    """``W_M ... W_1 x`` fitted to noisy targets; every stage's weights at every version."""

    def __init__(self, rate: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.rate, self.versions = rate, []
        self.stages = []
        for m in range(STAGES):
            layer = nn.Linear(SIZE, SIZE, bias=False, dtype=torch.float64)
            with torch.no_grad():
                layer.weight.copy_(
                    torch.from_numpy(np.eye(SIZE) + 0.1 * rng.normal(size=(SIZE, SIZE)))
                )
            optimizer = torch.optim.SGD(layer.parameters(), lr=rate)
            self.stages.append(Stage(nn.Sequential(layer), optimizer, m, STAGES, loss=half_squares))
            history = [layer.weight.detach().clone()]
            self.versions.append(history)
            self._follow(self.stages[-1], layer, history)

    @staticmethod
    def _follow(stage: Stage, layer: nn.Linear, history: list[torch.Tensor]) -> None:
        plain = stage.update

        def update() -> None:
            plain()
            history.append(layer.weight.detach().clone())

        stage.update = update

    def run(self, schedule: str, samples: int, seed: int) -> MicroBatches:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(samples, SIZE))
        y = 0.6 * x + NOISE * rng.normal(size=(samples, SIZE))
        split = Split(torch.from_numpy(x), torch.from_numpy(y))
        work = MicroBatches.of(split, torch.arange(samples), 1, 1, whole=False)
        planned = SCHEDULES[schedule](STAGES, work.batches)
        ExactExecutor(self.stages).run(planned, work)
        return work

    def gradient(self, k: int, x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
        """Of one sample's loss at version k of all weights."""
        weights = [history[k].clone().requires_grad_() for history in self.versions]
        value = x
        for weight in weights:
            value = value @ weight.T
        return list(torch.autograd.grad(half_squares(value, y), weights))

    def mean_squared_gradient(self, first: int, last: int) -> float:
        """Of the expected loss, whose gradient is known in closed form, over some versions."""
        w = [torch.stack(history[first:last]) for history in self.versions]
        before = [torch.eye(SIZE, dtype=torch.float64).expand_as(w[0])]
        for part in w[:-1]:
            before.append(part @ before[-1])
        after = [before[0]]
        for part in reversed(w[1:]):
            after.append(after[-1] @ part)
        error = w[-1] @ before[-1] - 0.6 * before[0]  # inputs are white
        return float(
            sum(
                (a.mT @ error @ b.mT).square().sum(dim=(1, 2)).mean()
                for a, b in zip(reversed(after), before, strict=True)
            )
        )


def slope(rates: list[float], values: list[float]) -> float:
    return float(np.polyfit(np.log(rates), np.log(values), 1)[0])


def test_what_staleness_adds_to_the_direction_is_of_order_two() -> None:
    """H0: log mean squared deviation against log step size has slope 2; tolerance 0.1.

    Same samples at all step sizes, so what is left is the next order in the step: 0.03 here, and
    nothing random. Without staleness there is no deviation at all.
    """
    rates, found = [0.001, 0.002, 0.004, 0.008], []
    for rate in rates:
        chain = Chain(rate, seed=1)
        work = chain.run("asynchronous", 150, seed=2)
        off = 0.0
        for k in range(150):
            exact = chain.gradient(k, work.x(k), work.y(k))
            for history, gradient in zip(chain.versions, exact, strict=True):
                used = (history[k] - history[k + 1]) / rate
                off += float((used - gradient).square().sum())
        found.append(off / 150)
    assert slope(rates, found) == pytest.approx(2.0, abs=0.1)

    plain = Chain(0.008, seed=1)
    work = plain.run("sequential", 20, seed=2)
    for k in range(20):
        exact = plain.gradient(k, work.x(k), work.y(k))
        for history, gradient in zip(plain.versions, exact, strict=True):
            assert torch.allclose(history[k] - history[k + 1], 0.008 * gradient, atol=1e-14)


@pytest.mark.campaign
def test_the_floor_is_of_order_one_and_what_staleness_adds_of_order_two() -> None:
    """H0: at a fixed r K, the floor without a pipeline has slope 1 in r, the excess of the
    asynchronous pipeline over it slope 2.

    Runs are paired: same samples for both. Tolerances 0.15 and 0.4 are six standard errors over
    seeds (measured: 0.02 and 0.06 with these seeds' spread), a false alarm below 1e-6.
    """
    rates, floors, excesses = [0.01, 0.02, 0.04], [], []
    for rate in rates:
        pairs = []
        for seed in range(4):
            means = []
            for schedule in ("sequential", "asynchronous"):
                chain, samples = Chain(rate, seed=seed), round(60 / rate)
                chain.run(schedule, samples, seed=seed)
                means.append(chain.mean_squared_gradient(samples // 4, samples))
            pairs.append(means)
        plain, stale = np.mean(pairs, axis=0)
        floors.append(float(plain))
        excesses.append(float(stale - plain))
    assert min(excesses) > 0
    assert slope(rates, floors) == pytest.approx(1.0, abs=0.15)
    assert slope(rates, excesses) == pytest.approx(2.0, abs=0.4)
