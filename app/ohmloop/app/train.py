"""``ohmloop train``: an experiment on a chip or on its twin, in a run folder."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ohmloop.drivers import BadInputError, ConfigError, Crossbar, open_crossbar

from .console import Report, Screen
from .experiments import Experiment, load_experiment
from .run_folder import RunFolder
from .signals import orderly_interrupts
from .theory.study_file import is_study, run_study

if TYPE_CHECKING:
    from ohmloop.training import EpochRecord, Trainer

_LARGE_LAYER = 100_000  # weights


def train(
    file: Path | None,
    screen: Screen,
    crossbar: str | None,
    calibration: Path | None,
    resume: Path | None,
    runs: Path,
    record: Path | None = None,
) -> dict[str, Any]:
    """Run an experiment file, or go on with a run folder.

    Raises:
        BadInputError: the files are wrong, or neither or both of them are given.
        InstrumentError: the bench failed; the run folder is kept.
    """
    if (file is None) == (resume is None):
        raise BadInputError("give an experiment file, or --resume with a run folder")
    if is_study(file or (resume or Path()) / "experiment.yaml"):
        if file is None or crossbar or calibration or record:
            raise BadInputError(
                f"{file or resume}: a study takes no --resume, --crossbar, --calibration or"
                " --record; it is run as its file says, and run anew"
            )
        return run_study(file, screen, runs)
    experiment = load_experiment(file or (resume or Path()) / "experiment.yaml")
    experiment = experiment.model_copy(
        update={
            "crossbar": crossbar or experiment.crossbar,
            "calibration": str(calibration) if calibration else experiment.calibration,
        }
    )
    _check(experiment, file or resume)
    with orderly_interrupts(), ExitStack() as stack:
        chip = stack.enter_context(_open(experiment, record))
        frozen = yaml.safe_dump(_absolute(experiment).model_dump(), sort_keys=False)
        run = RunFolder(resume) if resume else RunFolder.create(runs, experiment.name, frozen)
        stack.callback(run.close)
        screen.say(f"run folder: {run.path}")
        try:
            figures = run_experiment(experiment, chip, run, screen, resumed=resume is not None)
        except BaseException:
            screen.trouble(f"kept: {run.path}; go on with: ohmloop train --resume {run.path}")
            raise
    return {"run": str(run.path)} | figures


def run_experiment(
    experiment: Experiment, chip: Crossbar | None, run: RunFolder, screen: Screen, resumed: bool
) -> dict[str, Any]:
    """Train, with checkpoints, metrics, journal and report.

    Args:
        experiment: what to do.
        chip: where, opened; None for a digital run.
        run: where to keep it.
        screen: who is told.
        resumed: go on from the last checkpoint; weights are on the chip.
    """
    from .report import write_run_report

    if chip is not None:
        chip.journal = run.journal
    checkpoint = run.load() if resumed else None
    trainer = make_trainer(experiment, chip, programmed=checkpoint is not None)
    if checkpoint is not None:
        _restore_twin(chip, checkpoint)  # after all that making the trainer may have read
        trainer.restore(*_trainer_part(checkpoint))
    else:
        _save(run, trainer, chip)
    with screen.progress(experiment.name) as progress:
        trainer.callbacks.append(Bookkeeper(run, chip, experiment, progress))
        trainer.run(experiment.training.epochs)
    figures = outcome(trainer, run)
    page = write_run_report(run.path)
    screen.table(
        experiment.name,
        ("epochs", "accuracy, held out", "loss", "pulses while training", "time"),
        [
            (
                str(trainer.epoch),
                f"{100 * figures['accuracy']:.1f} %",
                f"{figures['loss']:.3f}",
                str(trainer.pulses),
                f"{figures['seconds']:.1f} s",
            )
        ],
    )
    screen.say(f"report: {page}")
    return figures | {"report": str(page)}


def make_trainer(experiment: Experiment, chip: Crossbar | None, programmed: bool) -> Trainer:
    """Model, optimizer and data of an experiment.

    Args:
        experiment: what to do.
        chip: where the weights go; None keeps them digital.
        programmed: the weights are on the chip already.

    Raises:
        BadInputError: the model does not fit the data or the crossbar.
    """
    from ohmloop.training import Trainer, convert_to_analog, mlp

    data, config = experiment.dataset(), experiment.model
    if (config.layers[0], config.layers[-1]) != (data.features, data.classes):
        raise BadInputError(
            f"{experiment.name}: model.layers must go from {data.features} to {data.classes}"
            f" for {data.name}, not from {config.layers[0]} to {config.layers[-1]}"
        )
    model: Any = mlp(config.layers, config.activation, seed=experiment.seed)
    if chip is not None:
        model = convert_to_analog(
            model,
            chip,
            arrays=experiment.algorithm.arrays,
            omega=experiment.omega,
            initialise="as is" if programmed else "program",
        )
    _calm_threads(config.layers)
    shuffle, trains = experiment.generators()
    optimizer = experiment.algorithm.optimizer(model.parameters(), trains)
    return Trainer(model, optimizer, data, rng=shuffle, batch_size=experiment.training.batch)


class Bookkeeper:
    """Tells the screen how it goes; between epochs writes metrics, sets the rate, checkpoints."""

    def __init__(
        self, run: RunFolder, chip: Crossbar | None, experiment: Experiment, progress: Report
    ) -> None:
        self._run, self._chip = run, chip
        self._experiment, self._progress = experiment, progress

    def on_batch(self, trainer: Trainer, batch: int, loss: float) -> None:
        """Progress."""
        of = -(-len(trainer.data.train) // trainer.batch_size)
        done = trainer.epoch * of + batch
        total = self._experiment.training.epochs * of
        self._progress(done, total, f"epoch {trainer.epoch + 1}, loss {loss:.3f}")

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """Metrics, learning rate, checkpoint."""
        self._run.metrics(
            record.epoch,
            {
                "loss": record.loss,
                "accuracy": record.accuracy,
                "pulses": record.pulses,
                "seconds": record.seconds,
                "in_doubt": record.doubts,
            },
        )
        rate = self._experiment.algorithm.learning_rate
        for group in trainer.optimizer.param_groups:
            group["lr"] = rate * self._experiment.training.factor(trainer.epoch)
        _save(self._run, trainer, self._chip)


def outcome(trainer: Trainer, run: RunFolder) -> dict[str, Any]:
    """What a run came to."""
    last = trainer.history[-1]
    return {
        "accuracy": last.accuracy,
        "loss": last.loss,
        "epochs": trainer.epoch,
        "pulses": trainer.pulses,
        "seconds": sum(record.seconds for record in trainer.history),
        "journal": run.journal.totals(),
    }


def _calm_threads(layers: list[int]) -> None:
    """One thread for small layers: handing their products around costs more than making them."""
    import torch

    if max(a * b for a, b in pairwise(layers)) < _LARGE_LAYER:
        torch.set_num_threads(1)


def _check(experiment: Experiment, where: Path | None) -> None:
    if experiment.algorithm.arrays and experiment.crossbar is None:
        raise ConfigError(
            where, "crossbar", "is missing: name a bench file or a chip file, here or by --crossbar"
        )


def _open(experiment: Experiment, record: Path | None) -> Any:
    if experiment.crossbar is None or not experiment.algorithm.arrays:
        if record is not None:
            raise BadInputError(f"{experiment.name}: a digital run has no wires to record")
        return nullcontext(None)
    return open_crossbar(
        experiment.crossbar,
        calibration=experiment.calibration,
        seed=experiment.seed,
        record=record,
        periphery=experiment.periphery,
    )


def _absolute(experiment: Experiment) -> Experiment:
    """Paths that stay right when the run is resumed from elsewhere."""

    def fixed(name: str | None) -> str | None:
        if name is None or name.startswith("sim:"):
            return name
        file, mark, part = name.partition("#")
        return f"{Path(file).resolve()}{mark}{part}"

    return experiment.model_copy(
        update={
            "crossbar": fixed(experiment.crossbar),
            "calibration": fixed(experiment.calibration),
        }
    )


def _save(run: RunFolder, trainer: Trainer, chip: Crossbar | None) -> None:
    """A checkpoint. A chip keeps its own state; a twin's goes along."""
    import torch

    from ohmloop.sim_backend import TwinCrossbar

    tensors, values = trainer.state()
    if isinstance(chip, TwinCrossbar):
        state = chip.state()
        tensors |= {f"twin/{name}": torch.from_numpy(array) for name, array in state.items()}
    run.save(tensors, values)


def _restore_twin(chip: Crossbar | None, checkpoint: Any) -> None:
    from ohmloop.sim_backend import TwinCrossbar

    if isinstance(chip, TwinCrossbar):
        state = {
            name.removeprefix("twin/"): tensor.numpy()
            for name, tensor in checkpoint[0].items()
            if name.startswith("twin/")
        }
        if not state:
            raise BadInputError(
                "the run was on a chip, whose weights are on the chip; it cannot go on on a twin"
            )
        chip.restore(state)


def _trainer_part(checkpoint: Any) -> Any:
    tensors, values = checkpoint
    return {k: v for k, v in tensors.items() if not k.startswith("twin/")}, values
