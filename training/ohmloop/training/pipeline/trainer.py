"""The training loop of a pipeline: an epoch is a schedule from empty to empty, or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ohmloop.drivers import BadInputError
from ohmloop.training.data.data_set import DataSet
from ohmloop.training.layers.linear import analog_tiles
from ohmloop.training.trainer.accounting import Account
from ohmloop.training.trainer.evaluation import Evaluation, judge_answers
from ohmloop.training.trainer.progress import EpochProgress
from ohmloop.training.trainer.records import EpochRecord
from ohmloop.training.trainer.run_state import RunState
from ohmloop.training.trainer.schedules import Schedule as Rates
from ohmloop.training.trainer.stopping import EarlyStopping
from ohmloop.training.trainer.trainer import refresh

from .account import PipelineAccount, account, joined, with_use
from .execution import Execution, Executor, Heard
from .micro_batches import MicroBatches, micro_size
from .schedule import Schedule
from .schedules import SCHEDULES
from .stage import Stage
from .stage_use import StageUse, stage_name, stage_uses

OnEpoch = Callable[["PipelineTrainer", EpochRecord], None]
OnCheckpoint = Callable[["PipelineTrainer"], None]


class PipelineTrainer:
    """Epochs through a pipeline, evaluation, accounts, and what is needed to go on.

    Where an executor stops because a stage failed, ``state()`` is good: the epoch goes on behind
    the last micro-batch that any chip has an update of, and what was in flight is lost.

    Attributes:
        model: the stages of this process, ``stage1`` and so on.
        epoch: epochs done.
        history: a record for each.
        accounts: what the pipeline did in each.
        position: samples of the running epoch that are done with.
        account: what the tiles of this process have been used for while training.
        evaluation: the last one; None before the first, and after a run was taken up again.
        stopped: whether training stopped early.

    Args:
        executor: with its stages.
        data: what to learn from and to judge by.
        rng: shuffles the samples.
        schedule: a name in ``SCHEDULES``.
        batch_size: samples a mini-batch.
        micro_batches: a mini-batch is cut into so many; an asynchronous pipeline updates after
            each.
        rates: what learning rates are multiplied by, by epochs done: for every update anew.
        evaluate_every: epochs from one evaluation to the next; the last one is always evaluated.
        stopping: when to stop early; never by default.
        checkpoint_every: mini-batches after which the pipeline runs empty within an epoch, as
            nothing that is in flight can be kept. None goes through an epoch at once.
        on_epoch: told after every epoch and its evaluation.
        on_checkpoint: told within an epoch wherever the pipeline ran empty; ``state()`` is good.
        heard: told every micro-batch and its loss; micro-batches are counted from ``position``.

    Raises:
        BadInputError: an unknown schedule, a mini-batch that cannot be cut so, or a number of
            epochs or batches below 1.
    """

    def __init__(
        self,
        executor: Executor,
        data: DataSet,
        *,
        rng: np.random.Generator,
        schedule: str = "asynchronous",
        batch_size: int = 10,
        micro_batches: int = 1,
        rates: Rates | None = None,
        evaluate_every: int = 1,
        stopping: EarlyStopping | None = None,
        checkpoint_every: int | None = None,
        on_epoch: Sequence[OnEpoch] = (),
        on_checkpoint: Sequence[OnCheckpoint] = (),
        heard: Sequence[Heard] = (),
    ) -> None:
        if schedule not in SCHEDULES:
            raise BadInputError(f"no schedule {schedule!r}; known are {', '.join(SCHEDULES)}")
        if evaluate_every < 1 or (checkpoint_every is not None and checkpoint_every < 1):
            raise BadInputError("evaluate_every and checkpoint_every must be 1 or more")
        micro_size(batch_size, micro_batches)
        self.executor, self.data, self.rng = executor, data, rng
        self.schedule, self.batch_size, self.micro_batches = schedule, batch_size, micro_batches
        self.rates, self.evaluate_every, self.stopping = rates, evaluate_every, stopping
        self.checkpoint_every = checkpoint_every
        self.on_epoch, self.on_checkpoint = list(on_epoch), list(on_checkpoint)
        self.heard = list(heard)
        self.epoch = self.position = 0
        self.history: list[EpochRecord] = []
        self.accounts: list[PipelineAccount] = []
        self.model = nn.ModuleDict({stage_name(s.number): s.module for s in self.stages})
        self.account = Account(self.model)
        self.evaluation: Evaluation | None = None
        self.stopped = False
        self.running: EpochProgress | None = None
        self.portions: list[PipelineAccount] = []

    @property
    def stages(self) -> Sequence[Stage]:
        """Those of this process."""
        return self.executor.stages

    @property
    def batches(self) -> int:
        """Mini-batches of an epoch."""
        return -(-len(self.data.train) // self.batch_size)

    @property
    def learning_rate(self) -> float:
        """Of the first parameter group here, in the last update; nan where there is none."""
        groups = [g for s in self.stages if s.optimizer for g in s.optimizer.param_groups]
        return float(groups[0]["lr"]) if groups else float("nan")

    @property
    def samples(self) -> int:
        """Samples trained on so far."""
        return sum(record.samples for record in self.history)

    @property
    def pulses(self) -> int:
        """Pulses applied so far while training."""
        return sum(record.pulses for record in self.history)

    @property
    def best(self) -> EpochRecord | None:
        """The epoch that was best on what is held out: by ``stopping``, or by accuracy."""
        return (self.stopping or EarlyStopping(1)).best(self.history)

    def on_chips(self) -> bool:
        """Whether any weight of any process is on a crossbar; all processes ask together."""
        return any(row[0] for row in self.executor.gather([len(analog_tiles(self.model))]))

    def run(self, epochs: int) -> list[EpochRecord]:
        """Train until ``epochs`` epochs are done in all, or stopping early; return the history.

        Raises:
            PipelineError: a stage failed; all stopped in order, and ``state()`` is good.
        """
        try:
            self._look_whether_to_stop()
            while self.epoch < epochs and not self.stopped:
                self._train_epoch()
                record = self._record(last=self.epoch == epochs)
                self.history.append(record)
                self._look_whether_to_stop()
                for told in self.on_epoch:
                    told(self, record)
        except BaseException:
            for stage in self.stages:
                stage.make_safe()
            raise
        return self.history

    def plan(self, samples: int) -> Schedule:
        """The schedule of so many samples."""
        return self._plan(self._work(torch.arange(samples)))

    def state(self) -> RunState:
        """All that is digital here: tensors, and plain values fit for JSON.

        The weights of analog layers are not in it: they are on the chips.
        """
        from .saving import state_of

        return state_of(self)

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Go back to a ``state``, of a trainer made alike, on chips that are as they were then.

        Raises:
            BadInputError: the state is of another model, optimizer or partition.
        """
        from .saving import restore

        restore(self, tensors, values)

    def _look_whether_to_stop(self) -> None:
        """As rank 0 finds: one that went on alone would wait for ever."""
        reached = self.stopping is not None and self.stopping.reached(self.history)
        self.stopped = self.stopping is not None and bool(self.executor.gather([reached])[0][0])

    def _train_epoch(self) -> None:
        if self.running is None:
            state = dict(self.rng.bit_generator.state)
            self.running, self.portions = EpochProgress(state, self.account.usage()), []
        self.rng.bit_generator.state = self.running.rng_state
        order = torch.from_numpy(self.rng.permutation(len(self.data.train)))
        while self.position < len(order):
            self._train_portion(order[self.position : self._next_stop()], self.running)
            if self.position < len(order):
                for told in self.on_checkpoint:
                    told(self)
        self.epoch, self.position = self.epoch + 1, 0

    def _next_stop(self) -> int:
        """Samples of the epoch after which the pipeline runs empty."""
        if self.checkpoint_every is None:
            return len(self.data.train)
        step = self.checkpoint_every * self.batch_size
        return min(len(self.data.train), (self.position // step + 1) * step)

    def _train_portion(self, order: Tensor, running: EpochProgress) -> None:
        work = self._work(order)
        schedule = self._plan(work)
        schedule.check()
        before = [(stage.begun, stage.version) for stage in self.stages]
        for stage in self.stages:
            refresh(stage.module)
            stage.module.train()
        try:
            execution = self.executor.run(schedule, work, self._hear)
        except BaseException:
            self._keep_place(self._done_with(work, schedule, before))
            raise
        self.portions.append(self._accounted(schedule, work, execution))
        for k, size in enumerate(work.sizes()):
            running.note(execution.losses[k], size)
        self.position += len(order)

    def _accounted(
        self, schedule: Schedule, work: MicroBatches, execution: Execution
    ) -> PipelineAccount:
        return account(self.epoch + 1, schedule, work, execution, *self._described())

    def _record(self, last: bool) -> EpochRecord:
        running = self.running
        assert running is not None
        figures = {"accuracy": float("nan")}
        if last or self.epoch % self.evaluate_every == 0:
            self.evaluation = self._judged()
            figures = {
                "accuracy": self.evaluation.accuracy,
                "held_out_loss": self.evaluation.loss,
            }
        used = stage_uses(self.executor, self.account, running.used_before)
        whole = sum(used, StageUse())
        self.accounts.append(with_use(joined(self.portions), used))
        own = running.figures(self.account)
        self.running, self.portions = None, []
        for stage in self.stages:
            if told := getattr(stage.optimizer, "epoch_ended", None):
                told(own["loss"])
        return EpochRecord(
            epoch=self.epoch,
            loss=own["loss"],
            samples=own["samples"],
            seconds=own["seconds"],
            learning_rate=self.learning_rate,
            pulses=whole.pulses,
            doubts=whole.doubts,
            clipped=whole.clipped_share,
            products=whole.products,
            cells_read=whole.cells_read,
            chip_seconds=whole.chip_seconds,
            chip_joules=whole.chip_joules,
            bench_seconds=whole.bench_seconds,
            bench_joules=whole.bench_joules,
            **figures,
        )

    def _judged(self) -> Evaluation:
        """Of what is held out; the last process's figures, so that all have the same."""
        found = judge_answers(self.executor.infer, self.data.held_out, self.stages[-1].loss)
        accuracy, loss = self.executor.gather([found.accuracy, found.loss])[-1]
        return replace(found, accuracy=accuracy, loss=loss)

    def _keep_place(self, samples: int) -> None:
        """Where to go on: in the same epoch, in the same order; in the next where none is left."""
        self.position += samples
        if self.position >= len(self.data.train):
            self.epoch, self.position = self.epoch + 1, 0
            self.running, self.portions = None, []

    def _plan(self, work: MicroBatches) -> Schedule:
        return SCHEDULES[self.schedule](self.executor.count, work.batches)

    def _work(self, order: Tensor) -> MicroBatches:
        whole = self.schedule != "asynchronous"
        work = MicroBatches.of(self.data.train, order, self.batch_size, self.micro_batches, whole)
        if self.rates is None:
            return work
        done = [(self.position + first) / self.batch_size for first in work.begins()]
        factors = (self.rates.factor(self.epoch + batch / self.batches) for batch in done)
        return replace(work, factors=tuple(factors))

    def _hear(self, micro_batch: int, loss: float) -> None:
        for told in self.heard:
            told(micro_batch, loss)

    def _done_with(
        self, work: MicroBatches, schedule: Schedule, before: Sequence[tuple[int, int]]
    ) -> int:
        """Samples not to be used again: a chip has their update, or was about to get it."""
        begun = max(s.begun - b for s, (b, _) in zip(self.stages, before, strict=True))
        updates = max(s.version - v for s, (_, v) in zip(self.stages, before, strict=True))
        ends = [0, *accumulate(work.batches)]
        return sum(list(work.sizes())[: ends[updates] if schedule.flush else begun])

    def _described(self) -> tuple[list[str], list[list[str]]]:
        own = {stage.number: stage for stage in self.stages}
        numbers = range(self.executor.count)
        names = [own[m].name if m in own else f"stage {m + 1}" for m in numbers]
        layers = [
            [name for name, _ in own[m].module.named_children()] if m in own else []
            for m in numbers
        ]
        return names, layers
