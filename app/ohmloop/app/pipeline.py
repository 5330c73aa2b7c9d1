"""``ohmloop train`` with a ``pipeline``: stages on their benches, one run folder, one report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.drivers import BadInputError, ConfigError, Crossbar, Region, open_crossbar

from .console import Report, Screen
from .experiments import Experiment
from .experiments.pipeline import PipelineConfig
from .pipeline_report import ACCOUNTS
from .run_folder import RunFolder
from .signals import orderly_interrupts
from .train import frozen, make_model
from .twin_state import restore_twin, twin_tensors

if TYPE_CHECKING:
    from torch import nn

    from ohmloop.training import DataSet, EpochRecord
    from ohmloop.training.pipeline.execution import Executor
    from ohmloop.training.pipeline.group import Group
    from ohmloop.training.pipeline.stage import Stage
    from ohmloop.training.pipeline.trainer import PipelineTrainer

_PROBED = 8  # micro-batches whose curvature is looked at


def config_of(experiment: Experiment) -> PipelineConfig:
    """The section, where there is one.

    Raises:
        BadInputError: there is none.
    """
    if experiment.pipeline is None:
        raise BadInputError(f"{experiment.name}: the experiment has no section pipeline")
    return experiment.pipeline


def preview(experiment: Experiment, screen: Screen, clocks: int) -> dict[str, Any]:
    """Draw the schedule of a mini-batch or two, and say what the model of time expects.

    Args:
        experiment: with a section ``pipeline``; no bench is touched.
        screen: who is told.
        clocks: of the chart, at most.
    """
    from ohmloop.training.pipeline.chart import duration, text
    from ohmloop.training.pipeline.micro_batches import micro_size
    from ohmloop.training.pipeline.schedules import SCHEDULES, sequential
    from ohmloop.training.pipeline.timeline import predict, speed_up

    config = config_of(experiment)
    parts = make_parts(experiment, experiment.dataset(), None)
    micro_size(experiment.training.batch, config.micro_batches)
    schedule = SCHEDULES[config.schedule](config.count, [config.micro_batches] * 2)
    schedule.check()
    screen.say(text(schedule, clocks))
    times = [chip_times(experiment)] * config.count
    expected = predict(schedule, times)
    one_by_one = predict(sequential(config.count, [config.micro_batches] * 2), times)
    screen.table(
        f"{config.schedule}: {config.count} stages, {config.micro_batches} micro-batches",
        ("stage", "layers", "weights up to", "keeps at most"),
        [
            (str(m + 1), ", ".join(names), f"{lag} updates old", f"{kept} micro-batches")
            for m, (names, lag, kept) in enumerate(
                zip(map(layer_names, parts), schedule.staleness, schedule.in_flight, strict=True)
            )
        ],
    )
    screen.say(
        f"two mini-batches: {schedule.clocks} clocks, stages busy {100 * schedule.density:.0f} %;"
        f" on chips {duration(expected.duration)},"
        f" {speed_up(one_by_one, expected):.2f} times as fast as one stage at a time"
    )
    return {
        "clocks": schedule.clocks,
        "density": schedule.density,
        "staleness": list(schedule.staleness),
        "seconds": expected.duration,
        "stages": [layer_names(part) for part in parts],
    }


def chip_times(experiment: Experiment) -> Any:
    """What a stage takes on a chip: reads, and as many pulses as the longest train has slots."""
    from ohmloop.training.pipeline.timeline import StageTimes

    config = config_of(experiment)
    per_batch = experiment.training.batch // config.micro_batches
    slots = getattr(experiment.algorithm, "desired_bl", 1)
    one_update = per_batch if config.schedule == "asynchronous" else experiment.training.batch
    times = config.times
    return StageTimes(
        times.forward * per_batch, times.backward * per_batch, times.pulse * slots * one_update
    )


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
    _refuse_unheard(experiment)
    kept = frozen(experiment)
    micro_size(experiment.training.batch, config_of(experiment).micro_batches)
    with orderly_interrupts(), ExitStack() as stack:
        group = _group(experiment, stack)
        if group is not None and group.rank:
            screen.as_json = False  # rank 0 speaks for all
            screen = Screen(as_json=True)
        data = experiment.dataset()
        model = make_model(experiment, data)
        if group is not None:
            group.agree(_what_all_share(experiment, model, data))
        rank = group.rank if group is not None else None
        chips = _open(experiment, rank, stack)
        parts = make_parts(experiment, data, _costs(experiment, model, chips, group))
        _check_room(experiment, parts, chips)
        if group is not None:
            group.gather([1.0])  # nobody pulses before every stage is known to fit
        folder = _folder(resume, runs, experiment.name, kept, group)
        run = RunFolder(folder)
        stack.callback(run.close)
        for number, chip in chips.items():
            journal = RunFolder(_below(folder, f"stage-{number + 1}", kept))
            stack.callback(journal.close)
            chip.journal = journal.journal
        screen.say(f"run folder: {folder}")
        try:
            return _train(experiment, data, parts, chips, group, run, screen, resume is not None)
        except BaseException:
            screen.trouble(f"kept: {folder}; go on with: ohmloop train --resume {folder}")
            raise


def _refuse_unheard(experiment: Experiment) -> None:
    """A key that nothing here heeds must not look as if it were."""
    training, mapping = experiment.training, experiment.mapping
    given = {
        "mapping": mapping != type(mapping)(omega=mapping.omega),
        "zero_shift": experiment.zero_shift is not None,
        "training.warm_up": training.warm_up > 0,
        "training.evaluate_every": training.evaluate_every > 1,
        "training.early_stopping": training.early_stopping is not None,
        "training.checkpoint_every": training.checkpoint_every is not None,
        "training.confusion": training.confusion,
    }
    unheard = [key for key, is_given in given.items() if is_given]
    if unheard:
        raise BadInputError(
            f"{experiment.name}: a pipeline does not know {', '.join(unheard)} yet: leave out"
            " (of mapping only omega is known)"
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
    from .report import write_run_report

    checkpoint = run.load() if resumed else None
    safe = _safe_rate(experiment, data, parts)
    stages = make_stages(experiment, parts, chips, group, programmed=checkpoint is not None)
    trainer = make_trainer(experiment, data, stages, group)
    keeper = Keeper(experiment, run, chips, screen)
    if checkpoint is not None:
        for number, chip in chips.items():
            restore_twin(chip, checkpoint[0], f"twin{number + 1}", f"stage {number + 1}")
        trainer.restore(*checkpoint)
    else:
        keeper.save(trainer)
    _warn(experiment, safe, screen)
    trainer.heard.append(_watch(experiment, trainer, safe))
    trainer.on_epoch.append(keeper.on_epoch)
    with screen.progress(experiment.name) as progress:
        trainer.heard.append(keeper.progress(trainer, progress))
        try:
            trainer.run(experiment.training.epochs)
        except BaseException:
            keeper.save(trainer)
            raise
    figures = _outcome(trainer)
    if group is None or group.rank == 0:
        figures["report"] = str(write_run_report(run.path))
        _tell(experiment, trainer, figures, screen)
    return {"run": str(run.path)} | figures


def make_parts(
    experiment: Experiment, data: DataSet, costs: Mapping[str, float] | None
) -> list[nn.Sequential]:
    """The model's layers, stage by stage, digital as yet.

    Args:
        experiment: with a section ``pipeline``.
        data: that the model must fit.
        costs: of layers, where they were measured.
    """
    from ohmloop.training.pipeline.partition import balanced, by_hand

    config, model = config_of(experiment), make_model(experiment, data)
    if not isinstance(config.stages, int):
        return by_hand(model, config.stages)
    given = costs if isinstance(config.costs, str) else config.costs
    return balanced(model, config.stages, given)


def _costs(
    experiment: Experiment,
    model: nn.Sequential,
    chips: Mapping[int, Crossbar],
    group: Group | None,
) -> dict[str, float] | None:
    """Measured on the first chip, for all processes; None where nobody asked for it."""
    if config_of(experiment).costs != "measured" or not chips:
        return None
    costs = read_costs(model, next(iter(chips.values())))
    first = list(costs.values()) if group is None else group.gather(list(costs.values()))[0]
    return dict(zip(costs, first, strict=True))


def read_costs(model: nn.Sequential, chip: Crossbar, repeats: int = 3) -> dict[str, float]:
    """Seconds that a chip takes to read as many cells as each layer has; it is not pulsed."""
    import time

    found: dict[str, float] = {}
    for name, layer in model.named_children():
        weight = getattr(layer, "weight", None)
        if weight is None or weight.dim() != 2:
            continue
        rows, columns = weight.shape
        room = Region(chip, (0, 0), (min(rows, chip.shape[0]), min(columns, chip.shape[1])))
        share = rows * columns / (room.shape[0] * room.shape[1])
        taken = []
        for _ in range(repeats):
            begin = time.perf_counter()
            room.read()
            taken.append(time.perf_counter() - begin)
        found[name] = share * float(np.median(taken))
    return found


def layer_names(part: nn.Sequential) -> list[str]:
    """Of a stage's layers."""
    return [name for name, _ in part.named_children()]


def make_stages(
    experiment: Experiment,
    parts: Sequence[nn.Sequential],
    chips: Mapping[int, Crossbar],
    group: Group | None,
    programmed: bool,
) -> list[Stage]:
    """Put layers on chips; the stages of this process.

    Args:
        experiment: what to do.
        parts: layers of all stages.
        chips: by stage; without benches all stages are on the one chip, or on none.
        group: the processes; None where there is one.
        programmed: the weights are on the chips already.

    Raises:
        BadInputError: a stage does not fit its chip.
    """
    from ohmloop.training import CrossbarPool, convert_to_analog
    from ohmloop.training.pipeline.stage import Stage

    _, trains = experiment.generators()
    rngs = trains.spawn(len(parts))
    shared = None if config_of(experiment).benches else next(iter(chips.values()), None)
    pool = CrossbarPool(shared) if shared is not None else None
    made = []
    for m, (part, rng) in enumerate(zip(parts, rngs, strict=True)):
        if group is not None and m != group.rank:
            continue
        module: Any = part
        if experiment.algorithm.arrays:
            module = convert_to_analog(
                part,
                pool or chips[m],
                arrays=experiment.algorithm.arrays,
                omega=experiment.mapping.omega or experiment.omega,
                initialise="as is" if programmed else "program",
            )
        optimizer = experiment.algorithm.optimizer(module.parameters(), rng)
        name = chips[m].name if m in chips else ""
        made.append(Stage(module, optimizer, m, len(parts), name=name))
    return made


def make_trainer(
    experiment: Experiment, data: DataSet, stages: Sequence[Stage], group: Group | None
) -> PipelineTrainer:
    """The loop around them."""
    from ohmloop.training.pipeline.exact import ExactExecutor
    from ohmloop.training.pipeline.processes import ProcessExecutor
    from ohmloop.training.pipeline.threads import ThreadExecutor
    from ohmloop.training.pipeline.trainer import PipelineTrainer

    config = config_of(experiment)
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
        batch_size=experiment.training.batch,
        micro_batches=config.micro_batches,
    )


def _check_room(
    experiment: Experiment, parts: Sequence[nn.Sequential], chips: Mapping[int, Crossbar]
) -> None:
    """Refuse a stage that does not fit before another one is written to its chip."""
    from torch import nn

    from ohmloop.training import CrossbarPool

    if not experiment.algorithm.arrays:
        return
    shared = None if config_of(experiment).benches else CrossbarPool(list(chips.values()))
    for m, part in enumerate(parts):
        if shared is None and m not in chips:
            continue
        wanted = {
            f"stage {m + 1}, layer {name}, array {k}": (layer.out_features, layer.in_features)
            for name, layer in part.named_children()
            if isinstance(layer, nn.Linear)
            for k in range(experiment.algorithm.arrays)
        }
        (shared or CrossbarPool(chips[m])).place(wanted)


class Keeper:
    """Between epochs: metrics, learning rates, checkpoints, the pipeline's account."""

    def __init__(
        self,
        experiment: Experiment,
        run: RunFolder,
        chips: Mapping[int, Crossbar],
        screen: Screen,
    ) -> None:
        self._experiment, self._run = experiment, run
        self._chips, self._screen = chips, screen

    def on_epoch(self, trainer: PipelineTrainer, record: EpochRecord) -> None:
        """After an epoch."""
        account = trainer.accounts[-1]
        self._run.metrics(
            record.epoch,
            {
                "loss": record.loss,
                "accuracy": record.accuracy,
                "pulses": record.pulses,
                "seconds": record.seconds,
                "in_doubt": record.doubts,
                "clocks": account.clocks,
                "bubble": account.bubble,
            },
        )
        rate = self._experiment.algorithm.learning_rate
        for group in trainer.param_groups:
            group["lr"] = rate * self._experiment.training.factor(trainer.epoch, rate)
        accounts = [one.to_json() for one in trainer.accounts]
        (self._run.path / ACCOUNTS).write_text(json.dumps(accounts), encoding="utf-8")
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
            done = trainer.epoch * each + micro_batch + 1
            report(done, total, f"epoch {trainer.epoch + 1}, loss {loss:.3f}")

        return heard


def _group(experiment: Experiment, stack: ExitStack) -> Group | None:
    from ohmloop.training.pipeline.group import Group, launched

    config = config_of(experiment)
    if config.executor == "processes" or (config.executor is None and launched()):
        group = stack.enter_context(Group())
        if group.size != config.count:
            raise BadInputError(
                f"pipeline.stages: {config.count} stages need as many processes, not {group.size}:"
                f" torchrun --nproc-per-node {config.count} ..."
            )
        if experiment.algorithm.arrays and config.benches is None and config.count > 1:
            raise BadInputError(
                "pipeline.benches: processes need a bench or twin each, and none are named"
            )
        return group
    return None


def _what_all_share(experiment: Experiment, model: nn.Module, data: DataSet) -> dict[str, bytes]:
    """What processes must have been given alike; how each names its benches is its own affair."""
    weights = b"".join(
        name.encode() + value.numpy().tobytes() for name, value in model.state_dict().items()
    )
    samples = b"".join(
        part.numpy().tobytes()
        for split in (data.train, data.held_out)
        for part in (split.x, split.y)
    )
    own = {"crossbar", "calibration", "pipeline"}
    pipeline = config_of(experiment).model_dump(exclude={"benches", "calibrations"})
    return {
        "the experiment file": json.dumps(
            experiment.model_dump(exclude=own) | {"pipeline": pipeline}, sort_keys=True
        ).encode(),
        "the model": repr(model).encode() + weights,
        "the data": samples,
    }


def _open(experiment: Experiment, rank: int | None, stack: ExitStack) -> dict[int, Crossbar]:
    """The crossbars of this process, by stage; without benches the one that all share."""
    config = config_of(experiment)
    if not experiment.algorithm.arrays:
        return {}
    names = config.benches or ([experiment.crossbar] if experiment.crossbar else [])
    if not names:
        raise ConfigError(
            experiment.name,
            "pipeline.benches",
            "is missing, and so is crossbar: stages need a bench or a twin",
        )
    known: Sequence[str | None] = config.calibrations or [experiment.calibration] * len(names)
    opened: dict[int, Crossbar] = {}
    for m, (name, calibration) in enumerate(zip(names, known, strict=True)):
        if rank is not None and m != rank:
            continue
        opened[m] = stack.enter_context(
            open_crossbar(
                name,
                calibration=calibration,
                seed=experiment.seed + m,
                periphery=experiment.periphery,
            )
        )
    return opened


def _folder(resume: Path | None, runs: Path, name: str, frozen: str, group: Group | None) -> Path:
    """Of this process: the run's own, or one below it for every other rank."""
    if group is None or group.rank == 0:
        if resume is not None:
            made = resume
        else:
            fresh = RunFolder.create(runs, name, frozen)
            fresh.close()
            made = fresh.path
        if group is not None:
            group.tell(made.name)
        return made
    said = group.tell("")
    return _below(resume or runs / said, f"rank-{group.rank}", frozen)


def _below(folder: Path, name: str, frozen: str) -> Path:
    path = folder / name
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / "experiment.yaml").write_text(frozen, encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{path}: cannot be made: {error.strerror}") from error
    return path


def _safe_rate(experiment: Experiment, data: DataSet, parts: Sequence[nn.Sequential]) -> float:
    """From the model as it is before it goes to the chips."""
    from torch import nn

    from ohmloop.training.pipeline.stability import safe_rate

    config = config_of(experiment)
    size = experiment.training.batch // config.micro_batches
    staleness = config.count - 1 if config.schedule == "asynchronous" else 0
    size = size if config.schedule == "asynchronous" else experiment.training.batch
    train = data.train
    some = [
        (train.x[k : k + size], train.y[k : k + size])
        for k in range(0, min(_PROBED * size, len(train)), size)
    ]
    return safe_rate(nn.Sequential(*parts), nn.functional.cross_entropy, some, staleness)


def _warn(experiment: Experiment, safe: float, screen: Screen) -> None:
    rate, config = experiment.algorithm.learning_rate, config_of(experiment)
    if config.schedule == "asynchronous" and config.count > 1 and rate > safe:
        screen.trouble(
            f"learning rate {rate:g} with weights up to {config.count - 1} updates old: it may"
            f" diverge; {safe:.2g} or less would be safe"
        )


def _watch(experiment: Experiment, trainer: PipelineTrainer, safe: float) -> Any:
    from ohmloop.training.pipeline.stability import Watch

    config = config_of(experiment)
    staleness = config.count - 1 if config.schedule == "asynchronous" else 0
    rate = experiment.algorithm.learning_rate
    return Watch(lambda: rate * experiment.training.factor(trainer.epoch, rate), staleness, safe)


def _outcome(trainer: PipelineTrainer) -> dict[str, Any]:
    last, account = trainer.history[-1], trainer.accounts[-1]
    return {
        "accuracy": last.accuracy,
        "loss": last.loss,
        "epochs": trainer.epoch,
        "pulses": trainer.pulses,
        "seconds": sum(record.seconds for record in trainer.history),
        "clocks": sum(one.clocks for one in trainer.accounts),
        "predicted_clocks": sum(one.predicted_clocks for one in trainer.accounts),
        "utilisation": [stage.utilisation for stage in account.stages],
        "staleness": [stage.staleness for stage in account.stages],
    }


def _tell(
    experiment: Experiment, trainer: PipelineTrainer, figures: dict[str, Any], screen: Screen
) -> None:
    busy = ", ".join(f"{100 * share:.0f} %" for share in figures["utilisation"])
    screen.table(
        experiment.name,
        ("epochs", "accuracy, held out", "loss", "clocks", "stages at work", "time"),
        [
            (
                str(trainer.epoch),
                f"{100 * figures['accuracy']:.1f} %",
                f"{figures['loss']:.3f}",
                f"{figures['clocks']} (formula: {figures['predicted_clocks']})",
                busy,
                f"{figures['seconds']:.1f} s",
            )
        ],
    )
    screen.say(f"report: {figures['report']}")
