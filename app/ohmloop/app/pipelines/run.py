"""``ohmloop train`` with a ``pipeline``: stages on their benches, one run folder, one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohmloop.app.bookkeeper import restore_best
from ohmloop.app.console import Screen
from ohmloop.app.experiments import Experiment
from ohmloop.app.run_folder import RunFolder
from ohmloop.app.signals import orderly_interrupts
from ohmloop.app.train import frozen, make_model
from ohmloop.app.twin_state import restore_twin
from ohmloop.drivers import BadInputError, Crossbar

from .keeper import Keeper, outcome, tell_outcome
from .processes import below, joined_group, own_folder, what_all_share
from .rates import probed_rate, warn, watch
from .shifting import zero_shift_stages
from .stages import check_stages, config_of, make_parts, make_stages, measured_costs, open_chips

if TYPE_CHECKING:
    from torch import nn

    from ohmloop.training import DataSet
    from ohmloop.training.pipeline.execution import Executor
    from ohmloop.training.pipeline.group import Group
    from ohmloop.training.pipeline.stage import Stage
    from ohmloop.training.pipeline.trainer import PipelineTrainer


def train_pipeline(
    experiment: Experiment,
    screen: Screen,
    resume: Path | None,
    runs: Path,
    record: Path | None,
) -> dict[str, Any]:
    """Train over several benches, in one process or as one of several.

    Args:
        experiment: with a section ``pipeline``, and paths that are right from everywhere.
        screen: who is told.
        resume: run folder to go on with.
        runs: where run folders are made.
        record: must be None: a transcript is of one bench.

    Raises:
        BadInputError: the files are wrong, or processes disagree; nothing was pulsed.
        OhmloopError: a stage failed; all stopped in order, and the run folder is kept.
    """
    from ohmloop.training.pipeline.micro_batches import micro_size

    if record is not None:
        raise BadInputError("--record is for one bench; a pipeline has several")
    check_names(experiment)
    kept = frozen(experiment)
    micro_size(experiment.training.batch, config_of(experiment).micro_batches)
    with orderly_interrupts(), ExitStack() as stack:
        group = joined_group(experiment, stack)
        if group is not None and group.rank:
            screen.as_json = False  # rank 0 speaks for all
            screen = Screen(as_json=True)
        data = experiment.dataset()
        model = make_model(experiment, data)
        if group is not None:
            group.agree(what_all_share(experiment, model, data))
        rank = group.rank if group is not None else None
        chips = open_chips(experiment, rank, stack)
        parts = make_parts(experiment, data, measured_costs(experiment, model, chips, group))
        check_stages(experiment, parts, chips)
        if group is not None:
            group.gather([1.0])  # nobody pulses before every stage is known to fit
        folder = own_folder(resume, runs, experiment.name, kept, group)
        run = RunFolder(folder)
        stack.callback(run.close)
        for number, chip in chips.items():
            journal = RunFolder(below(folder, f"stage-{number + 1}", kept))
            stack.callback(journal.close)
            chip.journal = journal.journal
        screen.say(f"run folder: {folder}")
        try:
            return _train(experiment, data, parts, chips, group, run, screen, resume is not None)
        except BaseException:
            screen.trouble(f"kept: {folder}; go on with: ohmloop train --resume {folder}")
            raise


def check_names(experiment: Experiment) -> None:
    """A key that nothing here heeds must not look as if it were."""
    if len(experiment.crossbars) > 1 or isinstance(experiment.calibration, list):
        raise BadInputError(
            f"{experiment.name}: a pipeline has several crossbars in pipeline.benches, and their"
            " calibrations in pipeline.calibrations, one each; crossbar and calibration name one"
        )


def _train(
    experiment: Experiment,
    data: DataSet,
    parts: Sequence[nn.Sequential],
    chips: Mapping[int, Crossbar],
    group: Group | None,
    run: RunFolder,
    screen: Screen,
    resumed: bool,
) -> dict[str, Any]:
    from ohmloop.app.report import write_run_report

    checkpoint = run.load() if resumed else None
    safe = probed_rate(experiment, data, parts)
    stages = make_stages(experiment, parts, chips, group, programmed=checkpoint is not None)
    trainer = make_trainer(experiment, data, stages, group)
    keeper = Keeper(experiment, run, chips, screen)
    if checkpoint is not None:
        for number, chip in chips.items():
            restore_twin(chip, checkpoint[0], f"twin{number + 1}", f"stage {number + 1}")
        trainer.restore(*checkpoint)
        run.keep_until(trainer.epoch)
    else:
        zero_shift_stages(experiment, trainer, run, screen)
        keeper.save(trainer)
    warn(experiment, safe, screen)
    trainer.heard.append(watch(experiment, trainer, safe))
    trainer.on_epoch.append(keeper.on_epoch)
    trainer.on_checkpoint.append(keeper.save)
    with screen.progress(experiment.name) as progress:
        trainer.heard.append(keeper.progress(trainer, progress))
        try:
            trainer.run(experiment.training.epochs)
        except BaseException:
            keeper.save(trainer)
            raise
    figures = outcome(trainer) | restore_best(trainer, experiment, run, screen)
    if group is None or group.rank == 0:
        figures["report"] = str(write_run_report(run.path))
        tell_outcome(experiment, trainer, figures, screen)
    return {"run": str(run.path)} | figures


def make_trainer(
    experiment: Experiment, data: DataSet, stages: Sequence[Stage], group: Group | None
) -> PipelineTrainer:
    """The loop around them."""
    from ohmloop.training.pipeline.exact import ExactExecutor
    from ohmloop.training.pipeline.processes import ProcessExecutor
    from ohmloop.training.pipeline.threads import ThreadExecutor
    from ohmloop.training.pipeline.trainer import PipelineTrainer

    config, training = config_of(experiment), experiment.training
    executor: Executor
    if group is not None:
        executor = ProcessExecutor(stages[0], group)
    elif config.executor == "threads" or (config.executor is None and config.benches):
        executor = ThreadExecutor(stages)
    else:
        executor = ExactExecutor(stages)
    shuffle, _ = experiment.generators()
    return PipelineTrainer(
        executor,
        data,
        rng=shuffle,
        schedule=config.schedule,
        batch_size=training.batch,
        micro_batches=config.micro_batches,
        rates=training.rates(experiment.algorithm.learning_rate),
        evaluate_every=training.evaluate_every,
        stopping=training.stopping(),
        checkpoint_every=training.checkpoint_every,
    )
