"""What is written down of a pipelined run, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ohmloop.app.bookkeeper import EpochBook, costs_of, percent
from ohmloop.app.console import Report, Screen
from ohmloop.app.experiments import Experiment
from ohmloop.app.pipeline_report import ACCOUNTS
from ohmloop.app.run_folder import RunFolder
from ohmloop.app.twin_state import twin_tensors
from ohmloop.drivers import Crossbar
from ohmloop.drivers.units import with_unit

if TYPE_CHECKING:
    from ohmloop.training import EpochRecord
    from ohmloop.training.pipeline.trainer import PipelineTrainer


class Keeper:
    """Between epochs: metrics, usage, checkpoints, the pipeline's account."""

    def __init__(
        self,
        experiment: Experiment,
        run: RunFolder,
        chips: Mapping[int, Crossbar],
        screen: Screen,
    ) -> None:
        self._experiment, self._run = experiment, run
        self._chips = chips
        self._book = EpochBook(run, experiment.training, screen)

    def on_epoch(self, trainer: PipelineTrainer, record: EpochRecord) -> None:
        """After an epoch."""
        account = trainer.accounts[-1]
        shares = {"clocks": account.clocks, "bubble": account.bubble}
        self._book.write(trainer, record, shares)
        self._run.write_json(ACCOUNTS, [one.to_json() for one in trainer.accounts])
        self.save(trainer)

    def save(self, trainer: PipelineTrainer) -> None:
        """A checkpoint. A chip keeps its own state; a twin's goes along."""
        tensors, values = trainer.state()
        for number, chip in self._chips.items():
            tensors |= twin_tensors(chip, f"twin{number + 1}")
        self._run.save(tensors, values)

    def progress(self, trainer: PipelineTrainer, report: Report) -> Any:
        """A listener that tells how it goes."""
        size = self._experiment.training.batch // trainer.micro_batches
        each = -(-len(trainer.data.train) // size)
        total = self._experiment.training.epochs * each

        def heard(micro_batch: int, loss: float) -> None:
            done = trainer.epoch * each + trainer.position // size + micro_batch + 1
            report(done, total, f"epoch {trainer.epoch + 1}, loss {loss:.3f}")

        return heard


def outcome(trainer: PipelineTrainer) -> dict[str, Any]:
    """What a run came to."""
    history, account = trainer.history, trainer.accounts[-1]
    evaluated = [record for record in history if record.evaluated]
    return {
        "accuracy": evaluated[-1].accuracy if evaluated else None,
        "loss": history[-1].loss,
        "epochs": trainer.epoch,
        "pulses": trainer.pulses,
        "stopped_early": trainer.stopped,
        "seconds": sum(record.seconds for record in history),
        "clocks": sum(one.clocks for one in trainer.accounts),
        "predicted_clocks": sum(one.predicted_clocks for one in trainer.accounts),
        "utilisation": [stage.utilisation for stage in account.stages],
        "staleness": [stage.staleness for stage in account.stages],
        **costs_of(history),
    }


def tell_outcome(
    experiment: Experiment, trainer: PipelineTrainer, figures: dict[str, Any], screen: Screen
) -> None:
    """The figures of ``outcome`` for a person, and where the report is."""
    busy = ", ".join(f"{100 * share:.0f} %" for share in figures["utilisation"])
    screen.table(
        experiment.name,
        (
            "epochs",
            "accuracy, held out",
            "loss",
            "clocks",
            "stages at work",
            "energy of cells, on a chip",
            "time",
        ),
        [
            (
                str(trainer.epoch),
                percent(figures["accuracy"]),
                f"{figures['loss']:.3f}",
                f"{figures['clocks']} (formula: {figures['predicted_clocks']})",
                busy,
                with_unit(figures["chip_joules"], "J"),
                f"{figures['seconds']:.1f} s",
            )
        ],
    )
    screen.say(f"report: {figures['report']}")
