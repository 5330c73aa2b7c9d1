"""What executors do: clocks, weights of which age, and the same numbers from each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.drivers import BadInputError, Crossbar, OhmloopError
from ohmloop.training import AnalogSGD, DataSet, TikiTaka, Trainer, convert_to_analog, mlp
from ohmloop.training.pipeline.exact import ExactExecutor
from ohmloop.training.pipeline.execution import Execution, Executor, PipelineError
from ohmloop.training.pipeline.micro_batches import MicroBatches
from ohmloop.training.pipeline.schedules import SCHEDULES, asynchronous, clocks
from ohmloop.training.pipeline.stage import Stage
from ohmloop.training.pipeline.threads import ThreadExecutor

Pipelines = Callable[..., list[Stage]]
Works = Callable[..., MicroBatches]
Same = Callable[[list[Stage], list[Stage]], bool]
METHODS = [AnalogSGD, TikiTaka, torch.optim.SGD]


def run(stages: list[Stage], name: str, work: MicroBatches, how: type = ExactExecutor) -> Execution:
    executor: Executor = how(stages)
    schedule = SCHEDULES[name](len(stages), work.batches)
    schedule.check()
    return executor.run(schedule, work)


def unpipelined(stages: Sequence[Stage], work: MicroBatches) -> list[float]:
    """Mini-batches as one machine trains them: gradients gathered, then one update."""
    losses, first = [], 0
    for count in work.batches:
        for k in range(first, first + count):
            value = work.x(k)
            for stage in stages:
                value = stage.module(value)
            loss = stages[-1].loss(value, work.y(k))
            losses.append(float(loss.detach()))
            (loss * work.shares[k]).backward()
        for stage in stages:
            assert stage.optimizer is not None
            stage.optimizer.step()
            stage.optimizer.zero_grad()
        first += count
    return losses


@pytest.mark.parametrize("name", SCHEDULES)
def test_executed_clocks_are_the_formula(
    idle: Callable[[int], list[Stage]], work: Works, name: str
) -> None:
    """M from 1 to 8, B from 1 to 32: what the executor counted."""
    cut = work(32, 32, 32)
    for stages, count in product(range(1, 9), range(1, 33)):
        some = MicroBatches(cut.split, cut.parts[:count], (count,), cut.shares[:count])
        found = run(idle(stages), name, some)
        assert found.clocks == clocks(name, stages, [count])
        assert sum(done.kind != "update" for done in found.log) == 2 * stages * count


@pytest.mark.parametrize("how", [ExactExecutor, ThreadExecutor])
@pytest.mark.parametrize("stages", [1, 2, 4])
def test_forward_passes_use_weights_that_are_so_many_updates_old(
    pipeline: Pipelines, work: Works, stages: int, how: type
) -> None:
    """Stage m of M: M - m, once the pipeline is full; read off the execution."""
    found = run(pipeline(stages), "asynchronous", work(12, 1, 1, whole=False), how)
    for m, lags in enumerate(found.staleness(), start=1):
        assert lags == [min(k, stages - m) for k in range(12)]
    for done in found.log:
        if done.kind != "forward":
            assert done.version == done.micro_batch


@pytest.mark.parametrize("name", ["sequential", "synchronous", "1f1b"])
def test_no_staleness_where_updates_wait(pipeline: Pipelines, work: Works, name: str) -> None:
    found = run(pipeline(3), name, work(24, 8, 4))
    assert found.staleness() == [[0] * 12] * 3
    for done in found.log:
        assert done.version == done.micro_batch // 4


@pytest.mark.parametrize("method", [AnalogSGD, TikiTaka])
def test_one_asynchronous_stage_is_plain_training(
    pipeline: Pipelines, work: Works, twin: Callable[..., Crossbar], method: type
) -> None:
    """Bit for bit, with all noise on: against ``Trainer`` with the stage's generator."""
    cut = work(30, 1, 1, whole=False)
    (stage,) = pipeline(2, method, stages=1)
    run([stage], "asynchronous", cut)

    arrays = 2 if method is TikiTaka else 1
    model = convert_to_analog(mlp([12, 8, 4], seed=0), twin(10), arrays=arrays)
    optimizer = method(model.parameters(), 0.05, rng=np.random.default_rng(3).spawn(1)[0])
    trainer = Trainer(
        model,
        optimizer,
        DataSet("few", cut.split, cut.split, 4),
        rng=np.random.default_rng(0),
        batch_size=1,
    )
    trainer._batches = lambda _done: (type(cut.split)(cut.x(k), cut.y(k)) for k in range(30))
    model.register_forward_hook(lambda *_: None)  # so that gradients are torch's, too
    trainer.run(1)
    (ours,), theirs = stage.crossbars(), model.linear1.weight.main.crossbar.parent
    assert np.array_equal(ours.conductance, theirs.conductance)
    for name, value in model.state_dict().items():
        assert torch.equal(value, stage.module.state_dict()[name])


@pytest.mark.parametrize("name", ["sequential", "synchronous", "1f1b"])
@pytest.mark.parametrize("method", METHODS)
def test_synchronous_is_the_unpipelined_mini_batch(
    pipeline: Pipelines, work: Works, same: Same, name: str, method: type
) -> None:
    """Bit for bit; read noise is off, for readings come in another order."""
    cut = work(32, 8, 4)
    ours, theirs = (pipeline(3, method, read_std=0.0) for _ in range(2))
    found = run(ours, name, cut)
    assert [found.losses[k] for k in range(16)] == unpipelined(theirs, cut)
    assert same(ours, theirs)


def test_synchronous_is_the_whole_mini_batch_at_once(pipeline: Pipelines, work: Works) -> None:
    """What ``Trainer`` does: one product of eight samples, not four of two.

    The sums of digital biases are of another order, so the last bits may differ and, with them,
    a rare pulse: 1e-6 of the range of conductance would be far less than one pulse.
    """
    ours, theirs = (pipeline(3, read_std=0.0) for _ in range(2))
    run(ours, "synchronous", work(32, 8, 4))
    unpipelined(theirs, work(32, 8, 1))
    for a, b in zip(ours, theirs, strict=True):
        (one,), (other,) = a.crossbars(), b.crossbars()
        assert np.allclose(one.conductance, other.conductance, rtol=0, atol=1e-12)


def test_asynchronous_is_the_recursion(pipeline: Pipelines, work: Works) -> None:
    """Against the recursion written out: forward with old weights, backward with new ones.

    ``x_(m+1) = W_m[k - (M - m)] x_m`` and ``d_(m-1) = W_m[k]^T d_m``, by hand in numpy.
    """
    cut, rate, stages = work(10, 1, 1, whole=False), 0.1, 3
    found = pipeline(stages, torch.optim.SGD, lr=rate)
    start = [
        (
            s.module[0].weight.detach().double().numpy().copy(),
            s.module[0].bias.detach().double().numpy().copy(),
        )
        for s in found
    ]
    run(found, "asynchronous", cut)
    history = [[pair] for pair in start]
    for k in range(10):
        value, kept = cut.x(k).double().numpy(), []
        for m in range(stages):
            w, b = history[m][max(0, k - (stages - 1 - m))]
            y = value @ w.T + b
            kept.append((value, y))
            value = np.tanh(y) if m < stages - 1 else y
        p = np.exp(value - value.max())
        d = p / p.sum()
        d[0, int(cut.y(k))] -= 1
        for m in reversed(range(stages)):
            w, b = history[m][k]
            x, y = kept[m]
            if m < stages - 1:
                d = d * (1 - np.tanh(y) ** 2)
            history[m].append((w - rate * d.T @ x, b - rate * d[0]))
            d = d @ w
    for m, stage in enumerate(found):
        assert np.allclose(stage.module[0].weight.detach().numpy(), history[m][-1][0], atol=1e-5)
        assert np.allclose(stage.module[0].bias.detach().numpy(), history[m][-1][1], atol=1e-5)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("method", METHODS)
def test_threads_give_the_same_numbers(
    pipeline: Pipelines, work: Works, same: Same, name: str, method: type
) -> None:
    cut = work(32, 8, 4, whole=name != "asynchronous")
    exact, threads, other = (pipeline(4, method, seed=seed) for seed in (3, 3, 4))
    first, second = run(exact, name, cut), run(threads, name, cut, ThreadExecutor)
    assert same(exact, threads)
    assert first.losses == second.losses
    assert first.clocks == second.clocks
    assert [d[:5] for d in first.log] == [d[:5] for d in second.log]
    if method is not torch.optim.SGD:
        run(other, name, cut)
        assert not same(exact, other)


@pytest.mark.parametrize("name", ["synchronous", "asynchronous"])
def test_residual_learning_in_a_pipeline(
    pipeline: Pipelines, work: Works, same: Same, name: str
) -> None:
    """Forward and backward passes through both arrays, ``W = C + gamma A``; gradients into A."""
    cut = work(32, 8, 4, whole=name != "asynchronous")
    exact, threads, plain = (pipeline(3, TikiTaka, gamma=g, read_std=0.0) for g in (0.4, 0.4, 0.0))
    run(exact, name, cut)
    run(threads, name, cut, ThreadExecutor)
    run(plain, name, cut)
    assert same(exact, threads)
    assert not same(exact, plain)


@pytest.mark.parametrize("how", [ExactExecutor, ThreadExecutor])
def test_a_loss_that_is_not_finite_pulses_nothing(
    pipeline: Pipelines, work: Works, how: type
) -> None:
    stages = pipeline(3)
    stages[-1].loss = lambda y, t: nn.functional.cross_entropy(y, t) * torch.nan
    before = [stage.crossbars()[0].conductance for stage in stages]
    for name in SCHEDULES:
        with pytest.raises(PipelineError, match=r"stage 3 of 3 \(bench 3\): the loss is nan"):
            run(stages, name, work(16, 8, 4), how)
    for stage, conductance in zip(stages, before, strict=True):
        assert np.array_equal(stage.crossbars()[0].conductance, conductance)
        assert stage.version == 0


@pytest.mark.parametrize("how", [ExactExecutor, ThreadExecutor])
def test_one_bad_gradient_stops_all_updates_of_a_mini_batch(
    pipeline: Pipelines, work: Works, how: type
) -> None:
    stages = pipeline(3)
    back = stages[1].backward

    def poisoned(k: int, d: torch.Tensor) -> torch.Tensor | None:
        out = back(k, d)
        return None if out is None else out * torch.inf

    stages[1].backward = poisoned
    before = [stage.crossbars()[0].conductance for stage in stages]
    with pytest.raises(PipelineError, match="not finite"):
        run(stages, "synchronous", work(16, 8, 4), how)
    for stage, conductance in zip(stages, before, strict=True):
        assert np.array_equal(stage.crossbars()[0].conductance, conductance)


@pytest.mark.parametrize("how", [ExactExecutor, ThreadExecutor])
def test_whoever_listens_may_stop_it(pipeline: Pipelines, work: Works, how: type) -> None:
    heard: list[int] = []

    def ear(k: int, loss: float) -> None:
        heard.append(k)
        if k == 5:
            raise OhmloopError("enough")

    stages, cut = pipeline(3), work(24, 1, 1, whole=False)
    with pytest.raises(PipelineError, match="enough"):
        how(stages).run(asynchronous(3, cut.batches), cut, ear)
    assert heard == list(range(6))


def test_stages_that_work_at_the_same_time_share_nothing(
    pipeline: Pipelines, twin: Callable[..., Crossbar]
) -> None:
    parts = [mlp([4, 4], seed=0), mlp([4, 4], seed=1)]
    chip, rngs = twin(1), np.random.default_rng(0).spawn(2)
    stages = [
        Stage(convert_to_analog(p, chip), AnalogSGD(p.parameters(), rng=r), m, 2)
        for m, (p, r) in enumerate(zip(parts, rngs, strict=True))
    ]
    with pytest.raises(BadInputError, match=r"stage 1 of 2 and stage 2 of 2 share crossbar"):
        ThreadExecutor(stages)
    apart = pipeline(2)
    apart[1].optimizer.rng = apart[0].optimizer.rng
    with pytest.raises(BadInputError, match="share generator"):
        ThreadExecutor(apart)


def test_dropout_is_refused() -> None:
    with pytest.raises(BadInputError, match="dropout"):
        Stage(nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.1)), None, 0, 1)
