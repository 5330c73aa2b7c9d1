"""The training loop, for analog and for ordinary models alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ohmloop.drivers import BadInputError, OhmloopError
from ohmloop.training.algorithms.analog_optimizer import AnalogOptimizer
from ohmloop.training.data.data_set import DataSet, Split
from ohmloop.training.layers.linear import analog_tiles

from .run_state import RunState, join_state, split_state

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What one epoch came to.

    Attributes:
        epoch: from 1.
        loss: mean over the samples, while training.
        accuracy: on the held-out split, 0 to 1.
        samples: trained on in this epoch.
        pulses: applied in this epoch, over all tiles.
        seconds: on the host's clock.
        doubts: programs left in doubt in this epoch, over all tiles.
    """

    epoch: int
    loss: float
    accuracy: float
    samples: int
    pulses: int
    seconds: float
    doubts: int = 0


class Callback(Protocol):
    """Is told how training goes. Raising from it stops the run between two steps."""

    def on_batch(self, trainer: Trainer, batch: int, loss: float) -> None:
        """After the step of batch number ``batch`` (from 1) of the running epoch."""

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """After an epoch and its evaluation; ``trainer.state()`` is good here."""


class Trainer:
    """Batches, loss, step, evaluation.

    Attributes:
        epoch: epochs done.
        history: a record for each.

    Args:
        model: analog, digital or mixed.
        optimizer: any torch optimizer.
        data: what to learn from and to judge by.
        rng: shuffles the batches.
        batch_size: samples a step; the last batch of an epoch may be smaller.
        loss: mean loss of ``(outputs, classes)``; cross entropy by default.
        callbacks: told after every batch and epoch, in order.

    Raises:
        BadInputError: the batch size is below 1.
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
    ) -> None:
        if batch_size < 1:
            raise BadInputError(f"batch_size must be 1 or more, not {batch_size}")
        self.model, self.optimizer, self.data = model, optimizer, data
        self.rng, self.batch_size, self.loss = rng, batch_size, loss
        self.callbacks = list(callbacks)
        self.epoch = 0
        self.history: list[EpochRecord] = []

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
            OhmloopError: the loss is not finite; no pulse was sent for that batch.
            InstrumentError: a chip failed.
        """
        while self.epoch < epochs:
            record = self._run_epoch()
            self.history.append(record)
            if isinstance(self.optimizer, AnalogOptimizer):
                self.optimizer.epoch_ended(record.loss)
            for callback in self.callbacks:
                callback.on_epoch(self, record)
        return self.history

    def _run_epoch(self) -> EpochRecord:
        started, total = time.perf_counter(), 0.0
        pulses, doubts = count_pulses(self.model), count_doubts(self.model)
        refresh(self.model)
        self.model.train()
        for number, batch in enumerate(self._batches(), start=1):
            loss = self._step(batch, number)
            total += loss * len(batch)
            for callback in self.callbacks:
                callback.on_batch(self, number, loss)
        self.epoch += 1
        accuracy = evaluate(self.model, self.data.held_out)
        return EpochRecord(
            epoch=self.epoch,
            loss=total / len(self.data.train),
            accuracy=accuracy,
            samples=len(self.data.train),
            pulses=count_pulses(self.model) - pulses,
            seconds=time.perf_counter() - started,
            doubts=count_doubts(self.model) - doubts,
        )

    def _step(self, batch: Split, number: int) -> float:
        self.optimizer.zero_grad()
        loss = self.loss(self.model(batch.x), batch.y)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise OhmloopError(
                f"the loss is {value} in epoch {self.epoch + 1}, batch {number};"
                " no pulse was sent for it; a lower learning rate may help"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return value

    def _batches(self) -> Iterator[Split]:
        train = self.data.train
        order = torch.from_numpy(self.rng.permutation(len(train)))
        for picked in torch.split(order, self.batch_size):
            yield Split(train.x[picked], train.y[picked])

    def state(self) -> RunState:
        """All that is digital, between two epochs: tensors, and plain values fit for JSON.

        The weights of analog layers are not in it: they are on the chip.
        """
        tensors, values = split_state(self.optimizer.state_dict(), "optimizer")
        tensors |= {f"model/{k}": v.detach().clone() for k, v in self.model.state_dict().items()}
        return tensors, {
            "epoch": self.epoch,
            "rng": self.rng.bit_generator.state,
            "optimizer": values,
            "history": [asdict(record) for record in self.history],
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
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            problem = " ".join(str(error).split())
            raise BadInputError(f"the saved state does not fit this run: {problem}") from error


@torch.no_grad()
def evaluate(model: nn.Module, split: Split) -> float:
    """Share of samples that the model classifies rightly, 0 to 1; leaves its mode as it was."""
    training = model.training
    model.eval()
    try:
        right = model(split.x).argmax(dim=1) == split.y
    finally:
        model.train(training)
    return float(right.double().mean())


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
