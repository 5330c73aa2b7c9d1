"""A bench fails in the middle: the others stop in order, and the run can go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ohmloop.drivers import LinkError
from ohmloop.training import AnalogSGD, DataSet, TikiTaka
from ohmloop.training.pipeline.exact import ExactExecutor
from ohmloop.training.pipeline.execution import PipelineError
from ohmloop.training.pipeline.micro_batches import MicroBatches
from ohmloop.training.pipeline.stage import Stage
from ohmloop.training.pipeline.threads import ThreadExecutor
from ohmloop.training.pipeline.trainer import PipelineTrainer

Pipelines = Callable[..., list[Stage]]
Works = Callable[..., MicroBatches]
HOW = [ExactExecutor, ThreadExecutor]


def trainer_of(stages: list[Stage], cut: MicroBatches, how: type, schedule: str) -> PipelineTrainer:
    data = DataSet("few", cut.split, cut.split, 4)
    rng = np.random.default_rng(7)
    return PipelineTrainer(
        how(stages), data, rng=rng, schedule=schedule, batch_size=8, micro_batches=4
    )


def break_at(stage: Stage, program: int) -> list[str]:
    """Have the stage's chip fail at its nth program from now; return what is made safe."""
    (chip,) = stage.crossbars()
    left, real = [program], chip._pulse

    def pulse(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise LinkError("board", "socket://nowhere", "the link broke")
        return real(*arguments)

    chip._pulse = pulse
    return []


def listen(stages: list[Stage]) -> list[str]:
    safe: list[str] = []
    for stage in stages:
        for chip in stage.crossbars():
            chip._make_safe = lambda name=chip.name: safe.append(name)
    return safe


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("schedule", ["synchronous", "1f1b", "asynchronous"])
@pytest.mark.parametrize("method", [AnalogSGD, TikiTaka])
def test_a_failure_stops_all_in_order_and_the_run_goes_on(
    pipeline: Pipelines, work: Works, how: type, schedule: str, method: type
) -> None:
    stages, cut = pipeline(3, method), work(64)
    trainer = trainer_of(stages, cut, how, schedule)
    safe = listen(stages)
    break_at(stages[1], 6 if schedule == "asynchronous" else 3)
    programs = [[tile.programs for tile in _tiles(stage)] for stage in stages]
    with pytest.raises(PipelineError, match=r"stage 2 of 3 \(bench 2\): .*the link broke") as said:
        trainer.run(1)
    assert said.value.stage == 1
    assert sorted(set(safe)) == ["chip 10", "chip 11", "chip 12"]
    for stage, before in zip(stages, programs, strict=True):
        assert not stage._kept
        assert not any(p.records for p in _analog(stage))
        if stage.number != 1:  # every update that was begun is whole: each tile got as many
            done = [t.programs - b for t, b in zip(_tiles(stage), before, strict=True)]
            assert set(done) == {stage.version}
    assert trainer.epoch == 0
    assert 0 < trainer.position < 64
    assert trainer.position % (2 if schedule == "asynchronous" else 8) == 0

    tensors, values = trainer.state()
    values = json.loads(json.dumps(values))
    again = trainer_of(stages, cut, how, schedule)
    again.restore(tensors, values)
    assert again.position == trainer.position
    again.run(2)
    first, second = again.history
    assert first.samples == 64 - trainer.position
    assert second.samples == 64


@pytest.mark.parametrize("how", HOW)
def test_what_is_left_of_the_epoch_is_what_was_left(
    pipeline: Pipelines, work: Works, how: type
) -> None:
    """No sample is used twice for one update, none is left out but those in flight."""
    stages, cut = pipeline(3), work(64)
    trainer = trainer_of(stages, cut, how, "asynchronous")
    order = np.random.default_rng(7).permutation(64)
    seen: list[int] = []
    real = stages[0].forward

    def forward(k: int, x: Any) -> Any:
        seen.extend(int((cut.split.x == row).all(dim=1).nonzero()[0]) for row in x)
        return real(k, x)

    stages[0].forward = forward
    break_at(stages[2], 9)
    with pytest.raises(PipelineError):
        trainer.run(1)
    assert len(seen) == trainer.position
    trainer.run(1)
    assert seen == order.tolist()


def test_a_failure_at_the_very_end_goes_on_with_the_next_epoch(
    pipeline: Pipelines, work: Works
) -> None:
    stages = pipeline(2)
    trainer = trainer_of(stages, work(16), ExactExecutor, "asynchronous")
    break_at(stages[0], 8)  # the update of the last micro-batch
    with pytest.raises(PipelineError, match="the link broke"):
        trainer.run(1)
    assert (trainer.epoch, trainer.position) == (1, 0)
    assert [record.samples for record in trainer.run(2)] == [16]


@pytest.mark.parametrize("how", HOW)
def test_resuming_between_epochs_equals_going_on(
    pipeline: Pipelines, work: Works, same: Callable[..., bool], how: type
) -> None:
    cut = work(32)
    whole, other = pipeline(3, TikiTaka), pipeline(3, TikiTaka, seed=99)
    trainer = trainer_of(whole, cut, how, "asynchronous")
    trainer.run(1)
    tensors, values = trainer.state()
    chips = [stage.crossbars()[0].state() for stage in whole]
    trainer.run(2)
    resumed = trainer_of(other, cut, how, "asynchronous")
    for stage, state in zip(other, chips, strict=True):
        stage.crossbars()[0].restore(state)
    resumed.restore(tensors, json.loads(json.dumps(values)))
    resumed.run(2)
    assert same(whole, other)
    assert [r.loss for r in resumed.history] == [r.loss for r in trainer.history]
    assert [a.clocks for a in resumed.accounts] == [a.predicted_clocks for a in trainer.accounts]


def _tiles(stage: Stage) -> list[Any]:
    return [tile for parameter in _analog(stage) for tile in parameter.tiles]


def _analog(stage: Stage) -> list[Any]:
    return [p for p in stage.module.parameters() if hasattr(p, "tiles")]
