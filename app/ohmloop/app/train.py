"""``ohmloop train``: an experiment on a chip or on its twin, in a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from ohmloop.drivers import BadInputError, ConfigError, Crossbar

from .bookkeeper import Bookkeeper, outcome, restore_best, save, tell_outcome
from .console import Report, Screen
from .crossbars import check_room, open_crossbars
from .experiments import Experiment, load_experiment
from .experiments.experiment import relocated
from .run_folder import RunFolder
from .signals import orderly_interrupts
from .symmetric_point import figures_of, tell_shifts
from .theory.study_file import is_study, run_study
from .twin_state import restore_twins

if TYPE_CHECKING:
    from torch import nn

    from ohmloop.training import DataSet, Trainer

_LARGE_LAYER = 100_000  # weights


class Material(NamedTuple):
    """What an experiment learns from, and what learns: digital as yet."""

    data: DataSet
    model: nn.Module


def train(
    file: Path | None,
    screen: Screen,
    crossbar: Sequence[str] | None,
    calibration: Sequence[Path] | None,
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
            "crossbar": _one_or_all(crossbar) or experiment.crossbar,
            "calibration": _one_or_all(calibration) or experiment.calibration,
        }
    )
    _check_zero_shift(experiment, file or resume)
    if experiment.pipeline is not None:
        from .pipelines.run import train_pipeline

        return train_pipeline(_absolute(experiment), screen, resume, runs, record)
    _check(experiment, file or resume)
    with orderly_interrupts(), ExitStack() as stack:
        # All that may be wrong is found before a chip is opened, or anything is kept of a run.
        material = load(experiment)
        crossbars = open_crossbars(experiment, stack, record)
        check_room(experiment, material.model, crossbars)
        run = (
            RunFolder(resume)
            if resume
            else RunFolder.create(runs, experiment.name, frozen(_absolute(experiment)))
        )
        stack.callback(run.close)
        screen.say(f"run folder: {run.path}")
        try:
            figures = run_experiment(
                experiment, crossbars, run, screen, resumed=resume is not None, material=material
            )
        except BaseException:
            screen.trouble(f"kept: {run.path}; go on with: ohmloop train --resume {run.path}")
            raise
    return {"run": str(run.path)} | figures


def run_experiment(
    experiment: Experiment,
    crossbars: Sequence[Crossbar],
    run: RunFolder,
    screen: Screen,
    resumed: bool,
    material: Material | None = None,
) -> dict[str, Any]:
    """Train, with checkpoints, metrics, journal and report.

    Args:
        experiment: what to do.
        crossbars: where, opened; none for a digital run.
        run: where to keep it.
        screen: who is told.
        resumed: go on from the last checkpoint; weights are on the chip.
        material: data and model; loaded where they are not given.
    """
    from .report import write_run_report

    for crossbar in crossbars:
        crossbar.journal = run.journal
    checkpoint = run.load() if resumed else None
    trainer = make_trainer(experiment, crossbars, checkpoint is not None, material)
    if checkpoint is not None:
        # After all that making the trainer may have read.
        restore_twins(crossbars, checkpoint[0])
        trainer.restore(*_trainer_part(checkpoint))
        run.keep_until(trainer.epoch)
    else:
        zero_shift(experiment, trainer.model, run, screen)
        save(run, trainer, crossbars)
    with screen.progress(experiment.name) as progress:
        trainer.callbacks.append(Bookkeeper(run, crossbars, experiment, progress, screen))
        trainer.run(experiment.training.epochs)
    figures = outcome(trainer, run) | restore_best(trainer, experiment, run, screen)
    page = write_run_report(run.path)
    tell_outcome(experiment.name, trainer, figures, screen)
    screen.say(f"report: {page}")
    return figures | {"report": str(page)}


def load(experiment: Experiment) -> Material:
    """Data, and a model that fits them.

    Raises:
        BadInputError: files of data are missing or damaged, or the model does not fit them.
    """
    data = experiment.dataset()
    return Material(data, make_model(experiment, data))


def make_trainer(
    experiment: Experiment,
    crossbars: Sequence[Crossbar],
    programmed: bool,
    material: Material | None = None,
) -> Trainer:
    """Model, optimizer and data of an experiment.

    Args:
        experiment: what to do.
        crossbars: where the weights go; none keeps them digital.
        programmed: the weights are on the crossbars already.
        material: data and model, which is converted in place; loaded where they are not given.

    Raises:
        BadInputError: the model does not fit the data or the crossbars.
    """
    from ohmloop.training import Trainer, convert_to_analog

    data, model = material or load(experiment)
    _calm_threads(model)
    if crossbars:
        model = convert_to_analog(
            model,
            crossbars,
            arrays=experiment.algorithm.arrays,
            initialise="as is" if programmed else "program",
            **experiment.mapping.options(experiment.omega),
        )
    shuffle, trains = experiment.generators()
    optimizer = experiment.algorithm.optimizer(model.parameters(), trains)
    training = experiment.training
    return Trainer(
        model,
        optimizer,
        data,
        rng=shuffle,
        batch_size=training.batch,
        schedule=training.rates(experiment.algorithm.learning_rate),
        evaluate_every=training.evaluate_every,
        stopping=training.stopping(),
    )


def make_model(experiment: Experiment, data: DataSet) -> Any:
    """The model of an experiment, digital as yet.

    Raises:
        BadInputError: it does not fit the data.
    """
    try:
        return experiment.model.build(data.features, data.classes, experiment.seed, data.name)
    except BadInputError as error:
        raise BadInputError(f"{experiment.name}: {error}") from error


def zero_shift(experiment: Experiment, model: Any, run: RunFolder, screen: Screen) -> None:
    """Measure the symmetric points of the fast arrays, where that is asked for."""
    if experiment.zero_shift is None:
        return
    from ohmloop.training import zero_shift_fast

    how = experiment.zero_shift
    with screen.progress("zero-shifting") as progress:

        def tell(name: str) -> Report:
            return lambda done, total, text: progress(done, total, f"{name}, {text}")

        found = zero_shift_fast(model, how.error, how.budget, tell)
    tell_shifts(found, screen)
    run.write_json("zero_shift.json", {name: figures_of(shift) for name, shift in found.items()})


def _calm_threads(model: Any) -> None:
    """One thread for small layers: handing their products around costs more than making them."""
    import torch

    if max(parameter.numel() for parameter in model.parameters()) < _LARGE_LAYER:
        torch.set_num_threads(1)


def _check(experiment: Experiment, where: Path | None) -> None:
    if experiment.algorithm.arrays and experiment.crossbar is None:
        raise ConfigError(
            where, "crossbar", "is missing: name a bench file or a chip file, here or by --crossbar"
        )


def _check_zero_shift(experiment: Experiment, where: Path | None) -> None:
    if experiment.zero_shift and experiment.algorithm.arrays < 2:
        raise ConfigError(
            where,
            "zero_shift",
            f"is for algorithms with fast arrays; {experiment.algorithm.name} has none",
        )


def _one_or_all(given: Sequence[str | Path] | None) -> str | list[str] | None:
    """Of the command line, as an experiment file would say it."""
    names = [str(one) for one in given or []]
    return names[0] if len(names) == 1 else names or None


def frozen(experiment: Experiment) -> str:
    """An experiment as a run folder keeps it."""
    return yaml.safe_dump(experiment.model_dump(exclude_none=True), sort_keys=False)


def _absolute(experiment: Experiment) -> Experiment:
    """Paths that stay right when the run is resumed from elsewhere."""

    def fixed(name: str | None) -> str | None:
        if name is None or name.startswith("sim:"):
            return name
        file, mark, part = name.partition("#")
        return f"{Path(file).resolve()}{mark}{part}"

    return relocated(experiment, fixed)


def _trainer_part(checkpoint: Any) -> Any:
    tensors, values = checkpoint
    return {k: v for k, v in tensors.items() if not k.startswith("twin/")}, values
