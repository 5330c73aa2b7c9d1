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
    return 0.5 * (y - target).square().sum(dim=(1, 2)).mean()


class Side(nn.Module):
    """One layer of many chains at once, side by side: ``(batch, chains, inputs)``."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(weights))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("sij,bsj->bsi", self.weight, x)


class Chains:
    """``W_M ... W_1 x`` fitted to noisy targets; every stage's weights at every version."""

    def __init__(self, rate: float, count: int) -> None:
        rng = np.random.default_rng(1)
        self.stages: list[Stage] = []
        self.versions: list[list[torch.Tensor]] = []
        for m in range(STAGES):
            weights = np.eye(SIZE) + 0.1 * rng.normal(size=(count, SIZE, SIZE))
            layer = Side(weights)
            optimizer = torch.optim.SGD(layer.parameters(), lr=rate)
            stage = Stage(layer, optimizer, m, STAGES, loss=half_squares)
            self.stages.append(stage)
            self.versions.append([layer.weight.detach().clone()])
            self._follow(stage, layer, self.versions[-1])

    @staticmethod
    def _follow(stage: Stage, layer: Side, history: list[torch.Tensor]) -> None:
        plain = stage.update

        def update() -> None:
            plain()
            history.append(layer.weight.detach().clone())

        stage.update = update

    def run(self, schedule: str, samples: int) -> MicroBatches:
        rng = np.random.default_rng(2)
        x = rng.normal(size=(samples, len(self.versions[0][0]), SIZE))
        y = 0.6 * x + NOISE * rng.normal(size=x.shape)
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
            value = torch.einsum("sij,bsj->bsi", weight, value)
        return list(torch.autograd.grad(half_squares(value, y), weights))

    def mean_squared_gradient(self, first: int) -> float:
        """Of the expected loss, in closed form, from a version on, over all chains."""
        w = [torch.stack(history[first:-1]) for history in self.versions]
        before = [torch.eye(SIZE, dtype=torch.float64).expand_as(w[0])]
        for part in w[:-1]:
            before.append(part @ before[-1])
        after = [before[0]]
        for part in reversed(w[1:]):
            after.append(after[-1] @ part)
        error = w[-1] @ before[-1] - 0.6 * before[0]  # inputs are white
        pairs = zip(reversed(after), before, strict=True)
        parts = [(a.mT @ error @ b.mT).square().sum(dim=(-2, -1)).mean() for a, b in pairs]
        return float(sum(parts))


def slope(rates: list[float], values: list[float]) -> float:
    return float(np.polyfit(np.log(rates), np.log(values), 1)[0])


def test_what_staleness_adds_to_the_direction_is_of_order_two() -> None:
    """H0: log mean squared deviation against log step size has slope 2; tolerance 0.1.

    Same samples at all step sizes, so what is left is the next order in the step, below 0.03 here,
    and nothing random. Without staleness there is no deviation at all.
    """
    rates, found = [1e-5, 2e-5, 4e-5, 8e-5], []
    for rate in rates:
        chains = Chains(rate, 4)
        work = chains.run("asynchronous", 30)
        off = 0.0
        for k in range(30):
            exact = chains.gradient(k, work.x(k), work.y(k))
            for history, gradient in zip(chains.versions, exact, strict=True):
                used = (history[k] - history[k + 1]) / rate
                off += float((used - gradient).square().sum())
        found.append(off)
    assert slope(rates, found) == pytest.approx(2.0, abs=0.1)

    plain = Chains(0.008, 4)
    work = plain.run("sequential", 10)
    for k in range(10):
        exact = plain.gradient(k, work.x(k), work.y(k))
        for history, gradient in zip(plain.versions, exact, strict=True):
            assert torch.allclose(history[k] - history[k + 1], 0.008 * gradient, atol=1e-14)


@pytest.mark.campaign
def test_the_floor_is_of_order_one_and_what_staleness_adds_of_order_two() -> None:
    """H0: at a fixed r K, the floor without a pipeline has slope 1 in r, what the asynchronous
    pipeline adds to it slope 2.

    48 chains, paired: same samples for both. Both slopes are steeper by the next order in r,
    about 0.05 and 0.3 at these step sizes (a plain simulation of the recursion with 24 chains gave
    1.00 and 2.20 from 0.01 to 0.02), and a chain's excess varies by 17 %, which is 0.03 in its
    slope: tolerances of 0.2 and 0.5 leave more than six standard errors, a false alarm below 1e-6.
    An excess of the order of the floor, slope 1, would be far outside.
    """
    rates, floors, excesses = [0.0075, 0.015, 0.03], [], []
    for rate in rates:
        means = []
        for schedule in ("sequential", "asynchronous"):
            chains, samples = Chains(rate, 48), round(45 / rate)
            chains.run(schedule, samples)
            means.append(chains.mean_squared_gradient(samples // 4))
        floors.append(means[0])
        excesses.append(means[1] - means[0])
    assert min(excesses) > 0
    assert slope(rates, floors) == pytest.approx(1.0, abs=0.2)
    assert slope(rates, excesses) == pytest.approx(2.0, abs=0.5)
