"""How large a rate stale weights stand, and what is said when it was too large."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.training import DataSet, Split, digits, mlp
from ohmloop.training.pipeline.exact import ExactExecutor
from ohmloop.training.pipeline.execution import PipelineError
from ohmloop.training.pipeline.micro_batches import MicroBatches
from ohmloop.training.pipeline.partition import balanced
from ohmloop.training.pipeline.schedules import SCHEDULES
from ohmloop.training.pipeline.stability import (
    curvature,
    growth_of,
    largest_step,
    largest_step_of,
    rehearsed_rate,
    safe_rate,
    step_of_growth,
)
from ohmloop.training.pipeline.stage import Stage
from ohmloop.training.pipeline.trainer import PipelineTrainer
from ohmloop.training.pipeline.watch import DivergenceError, Watch


@pytest.mark.parametrize("staleness", [0, 1, 2, 7])
def test_the_bound_is_where_the_recursion_turns(staleness: int) -> None:
    """Just below it ``w - r L w_old`` dies out, just above it grows."""
    ends = []
    for share in (0.98, 1.02):
        step, history = share * largest_step(staleness), [1.0] * (staleness + 1)
        for _ in range(6000):
            history.append(history[-1] - step * history[-1 - staleness])
            history = history[-staleness - 2 :]
        ends.append(max(map(abs, history)))
    assert ends[0] < 1e-3
    assert ends[1] > 1e3


@pytest.mark.parametrize(
    "shares", [[0.25] * 4, [0.4, 0.2, 0.4], [0.6, 0.3, 0.1], [1.0, 0.0, 0.0], [1.0], [0.125] * 8]
)
def test_the_bound_by_shares_is_where_their_recursion_turns(shares: list[float]) -> None:
    bound = largest_step_of(shares)
    assert largest_step(len(shares) - 1) <= bound + 1e-9
    ends = []
    for share in (0.98, 1.02):
        history = [1.0] * len(shares)
        for _ in range(6000):
            old = sum(s * w for s, w in zip(shares, history[-len(shares) :], strict=True))
            history.append(history[-1] - share * bound * old)
            history = history[-len(shares) - 1 :]
        ends.append(max(map(abs, history)))
    assert ends[0] < 1e-3
    assert ends[1] > 1e3
    assert largest_step_of([0.1, 0.2, 0.7]) == pytest.approx(2.0)
    step = step_of_growth(1.3, shares)
    assert growth_of(step, shares) == pytest.approx(1.3)
    assert growth_of(0.99 * step, shares) < 1.3


def test_the_curvature_of_a_quadratic_and_where_it_lies() -> None:
    first = nn.Linear(3, 3, bias=False, dtype=torch.float64)
    last = nn.Linear(3, 1, bias=False, dtype=torch.float64)
    x = torch.diag(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    y = torch.zeros(3, 1, dtype=torch.float64)
    # mean squares: the Hessian is 2/3 x^T x, its largest value 2/3 * 9
    assert curvature([last], nn.functional.mse_loss, x, y)[0] == pytest.approx(6.0, rel=1e-6)
    for layer in (first, last):
        layer.weight.requires_grad_(layer is last)
    found, shares = curvature([first, last], nn.functional.mse_loss, x, y)
    assert found > 0
    assert shares == [0.0, 1.0]


def half_squares(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return 0.5 * (y - target).square().sum(dim=-1).mean()


class Chain:
    """``W_M ... W_1 x`` fitted to ``x``, layers around ``scale`` times one."""

    def __init__(self, stages: int, scale: float) -> None:
        rng = np.random.default_rng(1)
        self.x = torch.from_numpy(rng.normal(size=(8, 3)))
        self.layers = [nn.Linear(3, 3, bias=False, dtype=torch.float64) for _ in range(stages)]
        for layer in self.layers:
            weights = scale * np.eye(3) + 0.1 * scale * rng.normal(size=(3, 3))
            layer.weight.data = torch.from_numpy(weights)
        self.parts = [(self.x, self.x)] * 100

    def train(self, rate: float, updates: int, ear: Callable[[int, float], None]) -> None:
        count = len(self.layers)
        stages = [
            Stage(w, torch.optim.SGD(w.parameters(), lr=rate), m, count, loss=half_squares)
            for m, w in enumerate(self.layers)
        ]
        order = torch.arange(8).repeat(updates)
        work = MicroBatches.of(Split(self.x, self.x), order, 8, 1, whole=False)
        ExactExecutor(stages).run(SCHEDULES["asynchronous"](count, work.batches), work, ear)

    def losses(self, rate: float, updates: int) -> list[float]:
        heard: list[float] = []
        self.train(rate, updates, lambda _, loss: heard.append(loss))
        return heard


@pytest.mark.parametrize("stages", [1, 2, pytest.param(4, marks=pytest.mark.campaign), 8])
def test_the_safe_rate_of_a_chain_converges_and_a_multiple_diverges(stages: int) -> None:
    """Where the curvature stays what it is half the bound is stated, so 8 times it is far above."""
    safe = rehearsed_rate(Chain(stages, 1.0).layers, half_squares, Chain(stages, 1.0).parts)
    heard = Chain(stages, 1.0).losses(safe, 600)
    assert heard[-1] < 1e-3 * heard[0]
    watch = Watch(lambda: 8 * safe, stages - 1, safe)
    with pytest.raises(PipelineError, match=r"training diverges: .*would be safe") as said:
        Chain(stages, 1.0).train(8 * safe, 300, watch)
    cause = said.value.__cause__
    assert isinstance(cause, DivergenceError)
    assert cause.safe == pytest.approx(safe)


@pytest.mark.parametrize(
    ("stages", "scale"),
    [(3, 0.4), pytest.param(4, 0.4, marks=pytest.mark.campaign), (6, 0.6)],
)
def test_a_rehearsal_finds_curvature_that_is_not_there_to_begin_with(
    stages: int, scale: float
) -> None:
    """Small layers hide the curvature: what looks safe at first diverges, what is stated does not.

    Without a rehearsal the run itself tells, by how fast it diverges, a rate that converges.
    """
    tame = Chain(stages, scale)
    at_first = safe_rate(tame.layers, half_squares, tame.parts[:1])
    watch = Watch(lambda: at_first, stages - 1, at_first)
    with pytest.raises(PipelineError, match="training diverges") as said:
        Chain(stages, scale).train(at_first, 300, watch)
    safe = rehearsed_rate(tame.layers, half_squares, tame.parts)
    cause = said.value.__cause__
    assert isinstance(cause, DivergenceError)
    assert safe < at_first / 2
    assert 0 < cause.safe < at_first / 2
    for rate in (safe, cause.safe):
        heard = Chain(stages, scale).losses(rate, 1000)
        assert heard[-1] < 0.1 * heard[0]
    # the layers were only looked at
    for layer, fresh in zip(tame.layers, Chain(stages, scale).layers, strict=True):
        assert torch.equal(layer.weight, fresh.weight)


def test_losses_that_are_not_finite_have_no_safe_rate() -> None:
    chain = Chain(2, 1.0)
    x = chain.x * torch.inf
    assert rehearsed_rate(chain.layers, half_squares, [(x, x)] * 8) == 0


def deep(stages: int, rate: float, watch: bool = True) -> tuple[PipelineTrainer, float]:
    data = digits(0)
    few = DataSet(
        "few",
        Split(data.train.x[:400], data.train.y[:400]),
        Split(data.held_out.x[:200], data.held_out.y[:200]),
        10,
    )
    model = mlp([64, *[32] * (stages - 1), 10], "relu", seed=1)
    some = [(few.train.x[k : k + 4], few.train.y[k : k + 4]) for k in range(0, 400, 4)]
    parts = balanced(model, stages)
    safe = rehearsed_rate(parts, nn.functional.cross_entropy, some)
    made = [
        Stage(part, torch.optim.SGD(part.parameters(), lr=rate), m, stages)
        for m, part in enumerate(parts)
    ]
    heard = [Watch(lambda: rate, stages - 1, safe, patience=150)] if watch else []
    rng = np.random.default_rng(0)
    trainer = PipelineTrainer(ExactExecutor(made), few, rng=rng, batch_size=4, heard=heard)
    return trainer, safe


def test_divergence_is_said_with_a_rate_that_is_safe() -> None:
    """The same model at the rate that the message advises learns."""
    trainer, _ = deep(4, 1.0)
    with pytest.raises(
        PipelineError, match=r"training (diverges|does not learn): .* 3 updates old; a rate of"
    ) as e:
        trainer.run(2)
    cause = e.value.__cause__
    assert isinstance(cause, DivergenceError)
    assert 0 < cause.safe < 1.0
    sound, _ = deep(4, cause.safe)
    history = sound.run(2)
    assert history[-1].loss < history[0].loss


def test_the_watch_lets_a_sound_run_pass() -> None:
    watch = Watch(lambda: 0.1, 3, window=10)
    for k in range(500):
        watch(k, 2.3 * math.exp(-k / 100) + 0.5 * (k % 7 == 0))
    rising = [2.3 * math.exp(k / 50) for k in range(500)]
    with pytest.raises(DivergenceError, match=r"at learning rate 0\.1 with weights up to 3"):
        any(watch(k, loss) for k, loss in enumerate(rising))
    assert watch.advice() == pytest.approx(0.1 * largest_step(3) / 2)
    assert 0 < watch.advice_by_growth() < 0.05


def test_a_few_losses_without_bounds_are_enough() -> None:
    """They would be infinite before the window is full."""
    watch = Watch(lambda: 0.1, 0)
    for k in range(13):
        watch(k, 1.0 if k < 9 else 1e3**k)
    with pytest.raises(DivergenceError, match="within 14 micro-batches"):
        watch(13, math.inf)


def test_a_safe_rate_falls_with_depth() -> None:
    rates = [largest_step(m - 1) for m in (1, 2, 4, 8)]
    assert rates == sorted(rates, reverse=True)
    assert rates[3] == pytest.approx(math.pi / 15, rel=0.01)
