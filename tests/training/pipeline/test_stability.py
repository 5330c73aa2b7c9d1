"""How large a rate stale weights stand, and what is said when it was too large."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.training import DataSet, Split, digits, mlp
from ohmloop.training.pipeline.exact import ExactExecutor
from ohmloop.training.pipeline.execution import PipelineError
from ohmloop.training.pipeline.partition import balanced
from ohmloop.training.pipeline.stability import (
    DivergenceError,
    Watch,
    curvature,
    largest_step,
    safe_rate,
)
from ohmloop.training.pipeline.stage import Stage
from ohmloop.training.pipeline.trainer import PipelineTrainer


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


def test_the_curvature_of_a_quadratic() -> None:
    layer = nn.Linear(3, 1, bias=False, dtype=torch.float64)
    x = torch.diag(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    # mean squares: the Hessian is 2/3 x^T x, its largest value 2/3 * 9
    found = curvature(layer, nn.functional.mse_loss, x, torch.zeros(3, 1, dtype=torch.float64))
    assert found == pytest.approx(6.0, rel=1e-6)


def deep(stages: int, rate: float, watch: bool = True) -> tuple[PipelineTrainer, float]:
    data = digits(0)
    few = DataSet(
        "few",
        Split(data.train.x[:400], data.train.y[:400]),
        Split(data.held_out.x[:200], data.held_out.y[:200]),
        10,
    )
    model = mlp([64, *[32] * (stages - 1), 10], "relu", seed=1)
    some = [(few.train.x[k : k + 4], few.train.y[k : k + 4]) for k in range(0, 32, 4)]
    safe = safe_rate(model, nn.functional.cross_entropy, some, stages - 1)
    parts = balanced(model, stages)
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


def test_a_safe_rate_falls_with_depth() -> None:
    rates = [largest_step(m - 1) for m in (1, 2, 4, 8)]
    assert rates == sorted(rates, reverse=True)
    assert rates[3] == pytest.approx(math.pi / 15, rel=0.01)
