"""Learning rates that stale weights bear: a warning before, a watch during a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ohmloop.app.console import Screen
from ohmloop.app.experiments import Experiment

from .stages import config_of

if TYPE_CHECKING:
    from torch import nn

    from ohmloop.training import DataSet
    from ohmloop.training.pipeline.trainer import PipelineTrainer

_PROBED = 8  # micro-batches whose curvature is looked at
_REHEARSED = 200  # micro-batches that are rehearsed


def probed_rate(experiment: Experiment, data: DataSet, parts: Sequence[nn.Sequential]) -> float:
    """From the model as it is before it goes to the chips, and a rehearsal of its training."""
    from torch import nn

    from ohmloop.training.pipeline.stability import rehearsed_rate, safe_rate

    config, loss = config_of(experiment), nn.functional.cross_entropy
    stale = config.schedule == "asynchronous"
    size = experiment.training.batch // (config.micro_batches if stale else 1)
    train, count = data.train, _REHEARSED if stale else _PROBED
    some = [
        (train.x[k : k + size], train.y[k : k + size])
        for k in range(0, min(count * size, len(train)), size)
    ]
    return rehearsed_rate(parts, loss, some) if stale else safe_rate(parts, loss, some, stale)


def warn(experiment: Experiment, safe: float, screen: Screen) -> None:
    """Say so where the rate is above the safe one."""
    rate, config = experiment.algorithm.learning_rate, config_of(experiment)
    if config.schedule == "asynchronous" and config.count > 1 and rate > safe:
        screen.trouble(
            f"learning rate {rate:g} with weights up to {config.count - 1} updates old: it may"
            f" diverge; {safe:.2g} or less would be safe"
        )


def watch(experiment: Experiment, trainer: PipelineTrainer, safe: float) -> Any:
    """A listener that ends a run which diverges, with the rate that would be safe."""
    from ohmloop.training.pipeline.watch import Watch

    config = config_of(experiment)
    staleness = config.count - 1 if config.schedule == "asynchronous" else 0
    return Watch(lambda: trainer.learning_rate, staleness, safe)
