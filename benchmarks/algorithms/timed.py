"""Training for as long as there is time: what was reached is kept on the way, and at the end."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from ohmloop.drivers import OhmloopError
from ohmloop.training import EpochRecord, Trainer, evaluate

from . import mnist
from .budget import Budget
from .results import Results, Run

LOOK = 120.0
"""Seconds from one look at the held-out images to the next, within an epoch."""


class _TimeIsUpError(Exception):
    """Ends an epoch between two batches."""


class _Watch:
    """Looks at the held-out images now and then, keeps what it sees, and stops in time."""

    def __init__(self, case: Run, results: Results, end: float, epochs: int) -> None:
        self._case, self._results, self._epochs = case, results, epochs
        self._end, self._started = end, time.monotonic()
        self._looked = self._started
        self._curve: list[tuple[float, float]] = []

    def on_batch(self, trainer: Trainer, batch: int, loss: float) -> None:  # noqa: ARG002
        """Look, if it is time to, and stop, if there is none left."""
        now = time.monotonic()
        ends = now >= self._end
        if batch < trainer.batches and (ends or now >= self._looked + LOOK):
            self.keep(trainer, trainer.epoch + batch / trainer.batches, _accuracy(trainer), ends)
        if ends and batch < trainer.batches:
            raise _TimeIsUpError

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """The trainer has just looked."""
        ends = trainer.epoch >= self._epochs or time.monotonic() >= self._end
        self.keep(trainer, float(trainer.epoch), record.accuracy, ends)
        if ends and trainer.epoch < self._epochs:
            raise _TimeIsUpError

    def keep(self, trainer: Trainer, epochs: float, accuracy: float, finished: bool) -> None:
        """Write down where the run stands."""
        self._looked = time.monotonic()
        self._curve.append((round(epochs, 4), round(100 * accuracy, 3)))
        case = self._case
        known = case.got(
            epochs * len(trainer.data.train),
            finished,
            epochs=round(epochs, 4),
            accuracy=100 * accuracy,
            seconds=self._looked - self._started,
            curve=self._curve,
        )
        self._results.put(known)
        name = f"{case.part}, {case.setting['images']} images: {case.algorithm}, tau {case.at:g}"
        print(f"{name}, seed {case.seed}: epoch {epochs:.3g}, {100 * accuracy:.2f} %", flush=True)

    def failed(self, trainer: Trainer, error: OhmloopError) -> None:
        """Write down that the loss went to infinity."""
        print(f"{self._case.algorithm}, tau {self._case.at:g}: {error}", flush=True)
        self.keep(trainer, float(trainer.epoch), _accuracy(trainer), True)


def _accuracy(trainer: Trainer) -> float:
    return evaluate(trainer.model, trainer.data.held_out)


def run(cases: list[Run], folder: Path, results: Results, epochs: int, minutes: float) -> None:
    """Make runs; each gets an equal share of the minutes that are left when it begins.

    Args:
        cases: the runs.
        folder: of MNIST's files.
        results: where to keep them.
        epochs: at most.
        minutes: for all of them together, each one at least a mini-batch.
    """
    torch.set_num_threads(1)
    budget = Budget(minutes, len(cases))
    for case in cases:
        data = mnist.load(folder, case.setting["images"], case.seed)
        trainer = mnist.trainer(case, data)
        watch = _Watch(case, results, budget.next_end(), epochs)
        trainer.callbacks.append(watch)
        try:
            trainer.run(epochs)
        except _TimeIsUpError:
            continue
        except OhmloopError as error:
            watch.failed(trainer, error)
