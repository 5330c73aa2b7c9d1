"""The schedule of an experiment, drawn before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ohmloop.app.console import Screen
from ohmloop.app.experiments import Experiment

from .stages import config_of, layer_names, make_parts

if TYPE_CHECKING:
    pass


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
