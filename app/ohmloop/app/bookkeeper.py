"""What ``ohmloop train`` writes down: metrics, checkpoints, what it cost, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import isnan
from typing import TYPE_CHECKING, Any

from ohmloop.drivers import Crossbar
from ohmloop.drivers.instrument import traffic
from ohmloop.drivers.units import with_unit

from .console import Report, Screen
from .experiments import Experiment
from .experiments.training import TrainingConfig
from .run_folder import RunFolder
from .twin_state import twins_tensors

if TYPE_CHECKING:
    from ohmloop.training import Account, EpochRecord, Trainer
    from ohmloop.training.pipeline.trainer import PipelineTrainer

CLIPPED = 0.01
"""Mean share of a tile's updates that may be clipped before somebody is told."""


class Bookkeeper:
    """Tells the screen how it goes, and keeps what a run that goes on, or a reader, will need.

    Args:
        run: where to.
        crossbars: that are trained; none for a digital run.
        experiment: what is done.
        progress: told of every batch.
        screen: told of updates that are clipped.
    """

    def __init__(
        self,
        run: RunFolder,
        crossbars: Sequence[Crossbar],
        experiment: Experiment,
        progress: Report,
        screen: Screen,
    ) -> None:
        self._run, self._crossbars = run, crossbars
        self._training, self._progress = experiment.training, progress
        self._wire = _bytes_on_the_wire()
        self._book = EpochBook(run, self._training, screen)

    def on_batch(self, trainer: Trainer, batch: int, loss: float) -> None:
        """Progress; a checkpoint, where it is time for one."""
        of, every = trainer.batches, self._training.checkpoint_every
        done, total = trainer.epoch * of + batch, self._training.epochs * of
        self._progress(done, total, f"epoch {trainer.epoch + 1}, loss {loss:.3f}")
        if every and batch % every == 0 and batch < of:
            save(self._run, trainer, self._crossbars)

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """Metrics, warnings, what it cost, checkpoint."""
        wire, self._wire = self._wire, _bytes_on_the_wire()
        self._book.write(trainer, record, {"wire_bytes": self._wire - wire})
        save(self._run, trainer, self._crossbars)


class EpochBook:
    """What is kept of every epoch, of whatever kind of training.

    Args:
        run: where to.
        training: what is asked for.
        screen: told, once a tile, of updates that are clipped.
    """

    def __init__(self, run: RunFolder, training: TrainingConfig, screen: Screen) -> None:
        self._run, self._training, self._screen = run, training, screen
        self._warned: set[str] = set()

    def write(
        self, trainer: Trainer | PipelineTrainer, record: EpochRecord, more: dict[str, float]
    ) -> None:
        """Metrics with ``more`` of them, usage, confusion, warnings, and the best model so far."""
        self._run.metrics(record.epoch, metrics_of(record) | more)
        self._run.write_json("usage.json", usage_of(trainer.account))
        if self._training.confusion and record.evaluated and trainer.evaluation:
            self._run.write_json("confusion.json", trainer.evaluation.confusion.tolist())
        for name, line in trainer.account.clipping(CLIPPED).items():
            if name not in self._warned:
                self._screen.trouble(f"warning: {line}")
                self._warned.add(name)
        if trainer.best is record:
            tensors = {k: v.detach().clone() for k, v in trainer.model.state_dict().items()}
            self._run.save(tensors, {"epoch": record.epoch}, "best")


def save(run: RunFolder, trainer: Trainer, crossbars: Sequence[Crossbar]) -> None:
    """A checkpoint. A chip keeps its own state; a twin's goes along."""
    tensors, values = trainer.state()
    run.save(tensors | twins_tensors(crossbars), values)


def metrics_of(record: EpochRecord) -> dict[str, float]:
    """The line of ``metrics.csv`` of an epoch, without what the links tell."""
    first = ("loss", "accuracy", "pulses", "seconds")
    values = asdict(record)
    rest = {k: v for k, v in values.items() if k not in (*first, "epoch", "samples", "doubts")}
    return {name: values[name] for name in first} | {"in_doubt": record.doubts} | rest


def usage_of(account: Account) -> dict[str, Any]:
    """What each tile was used for and what that cost, and lines on updates that were clipped."""
    used, cost = account.usage(), account.costs()
    tiles = {name: asdict(used[name]) | asdict(cost[name]) for name in used}
    return {"tiles": tiles, "clipped": list(account.clipping().values())}


def costs_of(history: Sequence[EpochRecord]) -> dict[str, float]:
    """Estimated time, s, and energy, J, over all epochs."""
    names = ("chip_seconds", "chip_joules", "bench_seconds", "bench_joules")
    return {name: sum(getattr(record, name) for record in history) for name in names}


def restore_best(
    trainer: Trainer | PipelineTrainer, experiment: Experiment, run: RunFolder, screen: Screen
) -> dict[str, Any]:
    """After an early stop, go back to the best epoch, if nothing of the model is on a chip.

    Weights on a chip cannot be taken back, and what is digital fits the weights that it was learned
    with; so a model with both stays as it is.

    Returns:
        Figures that this changes.
    """
    stopping, best = experiment.training.early_stopping, trainer.best
    if not (stopping and trainer.stopped and best):
        return {}
    screen.say(
        f"stopped early after epoch {trainer.epoch}: nothing better since epoch {best.epoch}"
        f" ({100 * best.accuracy:.1f} %)"
    )
    found = run.load("best")
    if not stopping.restore_best or found is None or best.epoch == trainer.epoch:
        return {}
    if trainer.on_chips():
        screen.say(
            f"the weights on the chip stay those of epoch {trainer.epoch}: they cannot be taken"
            " back, and biases of another epoch would not fit them"
        )
        return {}
    trainer.model.load_state_dict(found[0])
    screen.say(f"the model is that of epoch {best.epoch} again: {run.path / 'best'}")
    return {"accuracy": best.accuracy, "restored_epoch": best.epoch}


def outcome(trainer: Trainer, run: RunFolder) -> dict[str, Any]:
    """What a run came to."""
    history, used = trainer.history, trainer.account.usage()
    evaluated = [record for record in history if record.evaluated]
    return {
        "accuracy": evaluated[-1].accuracy if evaluated else None,
        "loss": history[-1].loss,
        "epochs": trainer.epoch,
        "pulses": trainer.pulses,
        "products": sum(record.products for record in history),
        "cells_read": sum(record.cells_read for record in history),
        "clipped": max((use.clipped_share for use in used.values()), default=0.0),
        "stopped_early": trainer.stopped,
        "seconds": sum(record.seconds for record in history),
        "journal": run.journal.totals(),
        **costs_of(history),
    }


def tell_outcome(name: str, trainer: Trainer, figures: dict[str, Any], screen: Screen) -> None:
    """Two tables for a person: how good, and what it cost."""
    screen.table(
        name,
        ("epochs", "accuracy, held out", "loss", "pulses while training", "time"),
        [
            (
                str(trainer.epoch),
                percent(figures["accuracy"]),
                f"{figures['loss']:.3f}",
                str(trainer.pulses),
                f"{figures['seconds']:.1f} s",
            )
        ],
    )
    tiles = usage_of(trainer.account)["tiles"]
    if tiles:
        screen.table("what it cost, estimated", COST_HEADER, cost_rows(tiles))


COST_HEADER = (
    "tile",
    "pulses",
    "products",
    "cells read",
    "clipped",
    "on a chip",
    "on this bench",
)


def cost_rows(tiles: dict[str, Any]) -> list[tuple[str, ...]]:
    """Of each tile, and of all of them together, as ``usage.json`` has them."""
    sums = {key: sum(tile[key] for tile in tiles.values()) for key in next(iter(tiles.values()))}
    given = tiles if len(tiles) == 1 else tiles | {"all": sums}
    return [
        (
            name,
            f"{used['pulses']}",
            f"{used['forward'] + used['backward']}",
            f"{used['cells_read']}",
            f"{100 * used['clipped'] / max(1, used['updates']):.2g} %",
            f"{with_unit(used['chip_seconds'], 's')}, {with_unit(used['chip_joules'], 'J')}",
            f"{with_unit(used['bench_seconds'], 's')}, {with_unit(used['bench_joules'], 'J')}",
        )
        for name, used in given.items()
    ]


def percent(share: float | None) -> str:
    """A share that may not be known."""
    return "not evaluated" if share is None or isnan(share) else f"{100 * share:.1f} %"


def _bytes_on_the_wire() -> int:
    """To and from all instruments so far; nothing goes to a twin."""
    now = traffic()
    return now.bytes_sent + now.bytes_received
