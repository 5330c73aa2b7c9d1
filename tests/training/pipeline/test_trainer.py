"""The loop: rates, evaluation, early stopping, portions and energy, as without a pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from ohmloop.drivers import BadInputError, OhmloopError
from ohmloop.training import (
    AnalogSGD,
    CosineSchedule,
    DataSet,
    EarlyStopping,
    Trainer,
    WarmUp,
    convert_to_analog,
    mlp,
)
from ohmloop.training.pipeline.exact import ExactExecutor
from ohmloop.training.pipeline.execution import PipelineError
from ohmloop.training.pipeline.micro_batches import MicroBatches
from ohmloop.training.pipeline.schedules import SCHEDULES, clocks
from ohmloop.training.pipeline.stage import Stage
from ohmloop.training.pipeline.threads import ThreadExecutor
from ohmloop.training.pipeline.trainer import PipelineTrainer

Pipelines = Callable[..., list[Stage]]
Works = Callable[..., MicroBatches]
Same = Callable[[list[Stage], list[Stage]], bool]
RATES = WarmUp(1.5, CosineSchedule(3))


def trainer_of(stages: list[Stage], cut: MicroBatches, how: type = ExactExecutor, **options):
    data = DataSet("few", cut.split, cut.split, 4)
    options = {"schedule": "asynchronous", "batch_size": 8, "micro_batches": 4} | options
    return PipelineTrainer(how(stages), data, rng=np.random.default_rng(7), **options)


def test_one_stage_is_training_without_a_pipeline(pipeline: Pipelines, work: Works, twin) -> None:
    """Bit for bit: shuffling, rates of every batch, evaluation, stopping, what it cost."""
    cut = work(30)
    options = {"evaluate_every": 2, "stopping": EarlyStopping(2, 1.0)}
    (stage,) = pipeline(2, stages=1)
    trainer = trainer_of([stage], cut, micro_batches=1, rates=RATES, **options)
    trainer.run(9)

    model = convert_to_analog(mlp([12, 8, 4], seed=0), twin(10))
    model.register_forward_hook(lambda *_: None)  # so that gradients are torch's, too
    optimizer = AnalogSGD(model.parameters(), 0.05, rng=np.random.default_rng(3).spawn(1)[0])
    plain = Trainer(
        model,
        optimizer,
        trainer.data,
        rng=np.random.default_rng(7),
        batch_size=8,
        schedule=RATES,
        **options,
    )
    plain.run(9)
    assert trainer.stopped
    assert len(trainer.history) == len(plain.history) == 6
    for ours, theirs in zip(trainer.history, plain.history, strict=True):
        for field in ours.__slots__:
            if field != "seconds":
                assert getattr(ours, field) == pytest.approx(
                    getattr(theirs, field), rel=1e-12, nan_ok=True
                ), field
    (chip,) = stage.crossbars()
    assert np.array_equal(chip.conductance, model.linear1.weight.main.crossbar.parent.conductance)


@pytest.mark.parametrize("name", SCHEDULES)
def test_all_stages_use_the_same_rate_for_the_same_samples(
    pipeline: Pipelines, work: Works, name: str
) -> None:
    stages = pipeline(3)
    seen: list[list[float]] = [[] for _ in stages]
    for m, stage in enumerate(stages):
        real = stage.optimizer.step

        def step(real=real, stage=stage, rates=seen[m]):
            rates.append(stage.optimizer.param_groups[0]["lr"])
            return real()

        stage.optimizer.step = step
    trainer_of(stages, work(32), schedule=name, rates=RATES).run(2)
    updates = 16 if name == "asynchronous" else 4
    wanted = [0.05 * RATES.factor(epoch + k / updates) for epoch in (0, 1) for k in range(updates)]
    for rates in seen:
        assert rates == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("how", [ExactExecutor, ThreadExecutor])
def test_resuming_within_an_epoch_equals_going_on(
    pipeline: Pipelines, work: Works, same: Same, how: type
) -> None:
    cut, kept = work(40), []
    options = {"checkpoint_every": 2, "rates": RATES}
    first, second = pipeline(3), pipeline(3, seed=99)

    def keep(trainer: PipelineTrainer) -> None:
        tensors, values = trainer.state()
        kept.append((tensors, json.dumps(values), [s.crossbars()[0].state() for s in first]))

    whole = trainer_of(first, cut, how, on_checkpoint=[keep], **options)
    whole.run(2)
    assert len(kept) == 4  # of five mini-batches an epoch: after two and after four
    tensors, values, chips = kept[2]
    resumed = trainer_of(second, cut, how, **options)
    for stage, state in zip(second, chips, strict=True):
        stage.crossbars()[0].restore(state)
    resumed.restore(tensors, json.loads(values))
    assert (resumed.epoch, resumed.position) == (1, 16)
    resumed.run(2)
    assert same(first, second)
    ours, theirs = resumed.history[-1], whole.history[-1]
    for field in ours.__slots__:
        if field != "seconds":
            assert getattr(ours, field) == pytest.approx(getattr(theirs, field), rel=1e-12), field
    assert [a.clocks for a in resumed.accounts] == [a.clocks for a in whole.accounts]


def test_portions_add_up_to_the_epoch(pipeline: Pipelines, work: Works) -> None:
    trainer = trainer_of(pipeline(3), work(40), checkpoint_every=2)
    trainer.run(1)
    (found,) = trainer.accounts
    assert (
        found.clocks
        == found.predicted_clocks
        == 2 * clocks("asynchronous", 3, [8]) + clocks("asynchronous", 3, [4])
    )
    assert [s.updates for s in found.stages] == [20] * 3
    assert [s.forward_vectors for s in found.stages] == [40] * 3
    assert [s.staleness for s in found.stages] == [2, 1, 0]
    assert 0 < found.bubble < 1
    assert all(0 < s.utilisation <= 1 for s in found.stages)
    assert type(found).from_json(json.loads(json.dumps(found.to_json()))) == found


def test_energy_of_the_stages_is_that_of_their_tiles(pipeline: Pipelines, work: Works) -> None:
    """By hand: V^2 g t of every cell at every product, and of every pulse."""
    stages = pipeline(3)
    trainer = trainer_of(stages, work(32), evaluate_every=1)
    (record,) = trainer.run(1)
    (found,) = trainer.accounts
    for m, (stage, part) in enumerate(zip(stages, found.stages, strict=True)):
        (tile,) = [t for p in stage.module.parameters() for t in getattr(p, "tiles", ())]
        crossbar = tile.crossbar
        siemens = tile.mapping.reference.mean()
        products = 32 * (2 if m else 1) + 32  # forward, backward but for the first, held out
        cells = tile.shape[0] * tile.shape[1]
        reads = products * cells * crossbar.reading.voltage**2 * siemens * 40e-9
        up, down = (c.amplitude**2 for c in (crossbar.conditions.up, crossbar.conditions.down))
        pulses = part.pulses * (up + down) / 2 * siemens * 5e-9
        assert part.pulses > 0
        assert part.chip_joules == pytest.approx(reads + pulses)
    assert record.chip_joules == pytest.approx(sum(s.chip_joules for s in found.stages))
    assert record.pulses == sum(s.pulses for s in found.stages)


def test_a_stop_within_a_portion_goes_on_in_the_same_epoch(
    pipeline: Pipelines, work: Works
) -> None:
    def ear(k: int, loss: float) -> None:
        if trainer.position == 16 and k == 3:
            raise OhmloopError("enough")

    trainer = trainer_of(pipeline(3), work(40), checkpoint_every=2, heard=[ear])
    with pytest.raises(PipelineError, match="enough"):
        trainer.run(1)
    assert 16 < trainer.position < 32
    lost = trainer.position - 16
    trainer.heard.clear()
    (record,) = trainer.run(1)
    assert record.samples == 40 - lost


class Furthest(ExactExecutor):
    """Beside a process that is in the third epoch, behind two mini-batches."""

    def gather(self, values):
        return [*super().gather(values), [2, 16]]


def test_one_that_knows_less_goes_on_where_the_others_are(pipeline: Pipelines, work: Works) -> None:
    """A process that was killed before it had written that an epoch was done."""
    cut = work(40)
    ahead, behind = (trainer_of(pipeline(2), cut) for _ in range(2))
    ahead.run(2)
    behind.run(1)
    tensors, values = behind.state()
    late = trainer_of(pipeline(2), cut, Furthest)
    late.restore(tensors, json.loads(json.dumps(values)))
    assert (late.epoch, late.position) == (2, 16)
    assert late.rng.bit_generator.state == ahead.rng.bit_generator.state


def test_numbers_below_one(pipeline: Pipelines, work: Works) -> None:
    for name in ("evaluate_every", "checkpoint_every"):
        with pytest.raises(BadInputError, match=name):
            trainer_of(pipeline(2), work(8), **{name: 0})
