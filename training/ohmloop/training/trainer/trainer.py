"""The training loop, for analog and for ordinary models alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ohmloop.drivers import BadInputError, OhmloopError
from ohmloop.training.data.data_set import DataSet, Split
from ohmloop.training.layers.linear import analog_tiles

from .accounting import Account
from .evaluation import Evaluation, judge
from .pass_choice import passes
from .passes import Passes
from .progress import EpochProgress
from .records import EpochRecord
from .run_state import RunState, join_state, split_state
from .schedules import Schedule
from .stopping import EarlyStopping

Loss = Callable[[Tensor, Tensor], Tensor]


class Callback(Protocol):
    """Is told how training goes. Raising from it stops the run between two steps."""

    def on_batch(self, trainer: Trainer, batch: int, loss: float) -> None:
        """After the step of batch number ``batch`` (from 1); ``trainer.state()`` is good here."""

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """After an epoch and its evaluation; ``trainer.state()`` is good here."""


class Trainer:
    """Batches, loss, step, evaluation.

    Attributes:
        epoch: epochs done.
        batch: batches done of the epoch that runs.
        history: a record for each epoch done.
        account: what the tiles have been used for while training.
        evaluation: the last one; None before the first, and after a run was taken up again.
        stopped: whether training stopped early.

    Args:
        model: analog, digital or mixed.
        optimizer: any torch optimizer; one with ``epoch_ended(loss)`` is told mean losses.
        data: what to learn from and to judge by.
        rng: shuffles the batches.
        batch_size: samples a step; the last batch of an epoch may be smaller.
        loss: mean loss of ``(outputs, classes)``; cross entropy by default.
        callbacks: told after every batch and epoch, in order.
        schedule: what the learning rates of the optimizer's groups are multiplied by.
        evaluate_every: epochs from one evaluation to the next; the last one is always evaluated.
        stopping: when to stop early; never by default.

    Raises:
        BadInputError: the batch size, or ``evaluate_every``, is below 1.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        data: DataSet,
        *,
        rng: np.random.Generator,
        batch_size: int = 10,
        loss: Loss = nn.functional.cross_entropy,
        callbacks: Sequence[Callback] = (),
        schedule: Schedule | None = None,
        evaluate_every: int = 1,
        stopping: EarlyStopping | None = None,
    ) -> None:
        if batch_size < 1:
            raise BadInputError(f"batch_size must be 1 or more, not {batch_size}")
        if evaluate_every < 1:
            raise BadInputError(f"evaluate_every must be 1 or more, not {evaluate_every}")
        self.model, self.optimizer, self.data = model, optimizer, data
        self.rng, self.batch_size, self.loss = rng, batch_size, loss
        self.callbacks = list(callbacks)
        self.schedule, self.evaluate_every, self.stopping = schedule, evaluate_every, stopping
        self.epoch = 0
        self.history: list[EpochRecord] = []
        self.account = Account(model)
        self.evaluation: Evaluation | None = None
        self.stopped = False
        self._rates = [group["lr"] for group in optimizer.param_groups]
        self._running: EpochProgress | None = None

    @property
    def batch(self) -> int:
        """Batches done of the epoch that runs."""
        return self._running.batches if self._running else 0

    @property
    def batches(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.data.train) // self.batch_size)

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
        """Whether any weight is on a crossbar."""
        return bool(analog_tiles(self.model))

    def run(self, epochs: int) -> list[EpochRecord]:
        """Train until ``epochs`` epochs are done in all, or it is time to stop early.

        Returns:
            The history.

        Raises:
            OhmloopError: the loss is not finite; no pulse was sent for that batch.
            InstrumentError: a chip failed.
        """
        self._look_whether_to_stop()
        while self.epoch < epochs and not self.stopped:
            self._train_epoch()
            self.epoch += 1
            record = self._record(last=self.epoch == epochs)
            self.history.append(record)
            if told := getattr(self.optimizer, "epoch_ended", None):
                told(record.loss)
            self._look_whether_to_stop()
            for callback in self.callbacks:
                callback.on_epoch(self, record)
        return self.history

    def _look_whether_to_stop(self) -> None:
        self.stopped = self.stopping is not None and self.stopping.reached(self.history)

    def _train_epoch(self) -> None:
        if self._running is None:
            state = dict(self.rng.bit_generator.state)
            self._running = EpochProgress(state, self.account.usage())
        running = self._running
        self.rng.bit_generator.state = running.rng_state
        refresh(self.model)
        self.model.train()
        through = passes(self.model, self.loss, self.optimizer)
        for batch in self._batches(running.batches):
            self._set_rates()
            loss = self._step(through, batch, running.batches + 1)
            running.note(loss, len(batch))
            for callback in self.callbacks:
                callback.on_batch(self, running.batches, loss)

    def _record(self, last: bool) -> EpochRecord:
        running = self._running
        assert running is not None
        figures: dict[str, Any] = {"accuracy": float("nan")}
        if last or self.epoch % self.evaluate_every == 0:
            self.evaluation = judge(self.model, self.data.held_out, self.loss)
            figures = {
                "accuracy": self.evaluation.accuracy,
                "held_out_loss": self.evaluation.loss,
            }
        self._running = None
        return EpochRecord(
            epoch=self.epoch,
            learning_rate=float(self.optimizer.param_groups[0]["lr"]),
            **running.figures(self.account),
            **figures,
        )

    def _set_rates(self) -> None:
        if self.schedule is None:
            return
        factor = self.schedule.factor(self.epoch + self.batch / self.batches)
        for rate, group in zip(self._rates, self.optimizer.param_groups, strict=True):
            group["lr"] = rate * factor

    def _step(self, through: Passes, batch: Split, number: int) -> float:
        value = through.loss(batch.x, batch.y)
        if not np.isfinite(value):
            raise OhmloopError(
                f"the loss is {value} in epoch {self.epoch + 1}, batch {number};"
                " no pulse was sent for it; a lower learning rate may help"
            )
        through.backward()
        self.optimizer.step()
        return value

    def _batches(self, done: int) -> Iterator[Split]:
        """Those of an epoch that are not done yet."""
        train = self.data.train
        order = torch.from_numpy(self.rng.permutation(len(train)))
        for picked in torch.split(order, self.batch_size)[done:]:
            yield Split(train.x[picked], train.y[picked])

    def state(self) -> RunState:
        """All that is digital, between two batches: tensors, and plain values fit for JSON.

        The weights of analog layers are not in it: they are on the chip. A map of the chip that
        products are made of is dropped, as whoever goes on from here has none.
        """
        refresh(self.model)
        tensors, values = split_state(self.optimizer.state_dict(), "optimizer")
        tensors |= {f"model/{k}": v.detach().clone() for k, v in self.model.state_dict().items()}
        tensors["torch_rng"] = torch.get_rng_state()  # dropout draws from it
        running = self._running
        return tensors, {
            "epoch": self.epoch,
            # Within an epoch, as it was before the batches were shuffled: they are shuffled again.
            "rng": running.rng_state if running else self.rng.bit_generator.state,
            "optimizer": values,
            "history": [asdict(record) for record in self.history],
            "usage": self.account.state(),
            "running": running.state() if running else None,
        }

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Go back to a ``state``, of a trainer made alike, on a chip that is as it was then.

        Raises:
            BadInputError: the state is of another model or optimizer.
        """
        own = {k.removeprefix("model/"): v for k, v in tensors.items() if k.startswith("model/")}
        try:
            self.model.load_state_dict(own)
            optimizer = join_state(tensors, values["optimizer"], "optimizer")
            self.optimizer.load_state_dict(optimizer)
            self.rng.bit_generator.state = values["rng"]
            self.epoch = int(values["epoch"])
            self.history = [EpochRecord(**record) for record in values["history"]]
            self.account.restore(values.get("usage", {}))
            running = values.get("running")
            self._running = EpochProgress.restored(running, values["rng"]) if running else None
            if "torch_rng" in tensors:
                torch.set_rng_state(tensors["torch_rng"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            problem = " ".join(str(error).split())
            raise BadInputError(f"the saved state does not fit this run: {problem}") from error


def count_pulses(model: nn.Module) -> int:
    """Pulses applied through the model's tiles since they were made."""
    return sum(tile.pulses for tile in analog_tiles(model))


def count_doubts(model: nn.Module) -> int:
    """Programs left in doubt through the model's tiles since they were made."""
    return sum(tile.doubts for tile in analog_tiles(model))


def refresh(model: nn.Module) -> None:
    """Base all products from now on on new readings, see ``AnalogTile.refresh``."""
    for tile in analog_tiles(model):
        tile.refresh()
