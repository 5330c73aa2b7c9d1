"""The training loop of a pipeline: an epoch is one schedule, from empty to empty."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ohmloop.drivers import BadInputError
from ohmloop.training.data.data_set import DataSet
from ohmloop.training.trainer.records import EpochRecord
from ohmloop.training.trainer.run_state import RunState, join_state, split_state
from ohmloop.training.trainer.trainer import count_doubts, count_pulses, refresh

from .account import PipelineAccount, account
from .execution import Executor, Heard
from .micro_batches import MicroBatches, micro_size
from .schedule import Schedule
from .schedules import SCHEDULES
from .stage import Stage

OnEpoch = Callable[["PipelineTrainer", EpochRecord], None]


class PipelineTrainer:
    """Epochs through a pipeline, evaluation, accounts, and what is needed to go on.

    Where an executor stops because a stage failed, ``state()`` is good: the epoch goes on behind
    the last micro-batch that any chip has an update of, and what was in flight is lost.

    Attributes:
        epoch: epochs done.
        history: a record for each.
        accounts: what the pipeline did in each.
        position: samples of the running epoch that are done with.

    Args:
        executor: with its stages.
        data: what to learn from and to judge by.
        rng: shuffles the samples.
        schedule: a name in ``SCHEDULES``.
        batch_size: samples a mini-batch.
        micro_batches: a mini-batch is cut into so many; an asynchronous pipeline updates after
            each.
        on_epoch: told after every epoch and its evaluation.
        heard: told every micro-batch and its loss.

    Raises:
        BadInputError: an unknown schedule, or a mini-batch that cannot be cut so.
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
        on_epoch: Sequence[OnEpoch] = (),
        heard: Sequence[Heard] = (),
    ) -> None:
        if schedule not in SCHEDULES:
            raise BadInputError(f"no schedule {schedule!r}; known are {', '.join(SCHEDULES)}")
        micro_size(batch_size, micro_batches)
        self.executor, self.data, self.rng = executor, data, rng
        self.schedule, self.batch_size, self.micro_batches = schedule, batch_size, micro_batches
        self.on_epoch, self.heard = list(on_epoch), list(heard)
        self.epoch = self.position = 0
        self.history: list[EpochRecord] = []
        self.accounts: list[PipelineAccount] = []
        self._rng_before = rng.bit_generator.state

    @property
    def stages(self) -> Sequence[Stage]:
        """Those of this process."""
        return self.executor.stages

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Of all optimizers here: where learning rates are set."""
        return [
            group
            for stage in self.stages
            if stage.optimizer is not None
            for group in stage.optimizer.param_groups
        ]

    @property
    def samples(self) -> int:
        """Samples trained on so far."""
        return sum(record.samples for record in self.history)

    @property
    def pulses(self) -> int:
        """Pulses applied so far while training."""
        return sum(record.pulses for record in self.history)

    def run(self, epochs: int) -> list[EpochRecord]:
        """Train until ``epochs`` epochs are done in all; return the history.

        Raises:
            PipelineError: a stage failed; all stopped in order, and ``state()`` is good.
        """
        try:
            while self.epoch < epochs:
                record = self._run_epoch()
                self.history.append(record)
                for told in self.on_epoch:
                    told(self, record)
        except BaseException:
            for stage in self.stages:
                stage.make_safe()
            raise
        return self.history

    def plan(self, samples: int) -> Schedule:
        """The schedule of so many samples."""
        work = self._work(torch.arange(samples))
        return SCHEDULES[self.schedule](self.executor.count, work.batches)

    def _run_epoch(self) -> EpochRecord:
        started = time.perf_counter()
        self._rng_before = self.rng.bit_generator.state
        order = torch.from_numpy(self.rng.permutation(len(self.data.train)))
        work = self._work(order[self.position :])
        schedule = SCHEDULES[self.schedule](self.executor.count, work.batches)
        schedule.check()
        before = [(stage.begun, stage.version) for stage in self.stages]
        pulses, doubts = self._counted(count_pulses), self._counted(count_doubts)
        for stage in self.stages:
            refresh(stage.module)
            stage.module.train()
        try:
            execution = self.executor.run(schedule, work, self._hear)
        except BaseException:
            self._keep_place(self._done_with(work, schedule, before))
            raise
        self.position = 0
        self.epoch += 1
        held_out = self.data.held_out
        right = self.executor.infer(held_out.x).argmax(dim=1) == held_out.y
        applied = self._since(count_pulses, pulses)
        self.accounts.append(
            account(self.epoch, schedule, work, execution, *self._described(), applied)
        )
        sizes = list(work.sizes())
        return EpochRecord(
            epoch=self.epoch,
            loss=sum(execution.losses[k] * size for k, size in enumerate(sizes)) / sum(sizes),
            accuracy=float(right.double().mean()),
            samples=sum(sizes),
            pulses=sum(applied),
            seconds=time.perf_counter() - started,
            doubts=sum(self._since(count_doubts, doubts)),
        )

    def _keep_place(self, samples: int) -> None:
        """Where to go on: in the same epoch, in the same order; in the next where none is left."""
        self.position += samples
        if self.position < len(self.data.train):
            self.rng.bit_generator.state = self._rng_before
        else:
            self.epoch, self.position = self.epoch + 1, 0

    def _work(self, order: Tensor) -> MicroBatches:
        whole = self.schedule != "asynchronous"
        return MicroBatches.of(self.data.train, order, self.batch_size, self.micro_batches, whole)

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

    def _counted(self, count: Callable[[torch.nn.Module], int]) -> list[int]:
        return [count(stage.module) for stage in self.stages]

    def _since(self, count: Callable[[torch.nn.Module], int], before: Sequence[int]) -> list[int]:
        """For each stage of all processes."""
        own = [a - b for a, b in zip(self._counted(count), before, strict=True)]
        return [int(value) for row in self.executor.gather(own) for value in row]

    def _described(self) -> tuple[list[str], list[list[str]]]:
        own = {stage.number: stage for stage in self.stages}
        numbers = range(self.executor.count)
        names = [own[m].name if m in own else f"stage {m + 1}" for m in numbers]
        layers = [
            [name for name, _ in own[m].module.named_children()] if m in own else []
            for m in numbers
        ]
        return names, layers

    def state(self) -> RunState:
        """All that is digital here: tensors, and plain values fit for JSON.

        The weights of analog layers are not in it: they are on the chips.
        """
        tensors: dict[str, Tensor] = {}
        optimizers: dict[str, Any] = {}
        for stage in self.stages:
            root = f"stage{stage.number + 1}"
            own = stage.module.state_dict()
            tensors |= {f"{root}/model/{k}": v.detach().clone() for k, v in own.items()}
            if stage.optimizer is not None:
                parts, values = split_state(stage.optimizer.state_dict(), f"{root}/optimizer")
                tensors |= parts
                optimizers[root] = values
        return tensors, {
            "epoch": self.epoch,
            "position": self.position,
            "rng": self.rng.bit_generator.state,
            "optimizers": optimizers,
            "history": [asdict(record) for record in self.history],
            "accounts": [one.to_json() for one in self.accounts],
        }

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Go back to a ``state``, of a trainer made alike, on chips that are as they were then.

        Raises:
            BadInputError: the state is of another model, optimizer or partition.
        """
        try:
            for stage in self.stages:
                root = f"stage{stage.number + 1}"
                model = f"{root}/model/"
                own = {k.removeprefix(model): v for k, v in tensors.items() if k.startswith(model)}
                stage.module.load_state_dict(own)
                if stage.optimizer is not None:
                    state = join_state(tensors, values["optimizers"][root], f"{root}/optimizer")
                    stage.optimizer.load_state_dict(state)
            self.rng.bit_generator.state = values["rng"]
            self.epoch = int(values["epoch"])
            # A stage that failed may know less than the others of how far they came.
            self.position = int(max(row[0] for row in self.executor.gather([values["position"]])))
            self.history = [EpochRecord(**record) for record in values["history"]]
            self.accounts = [PipelineAccount.from_json(one) for one in values["accounts"]]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            problem = " ".join(str(error).split())
            raise BadInputError(f"the saved state does not fit this run: {problem}") from error
