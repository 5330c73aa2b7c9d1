"""Zero-shifting before a pipelined run: every process that of the tiles of its own stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ohmloop.app.console import Screen
from ohmloop.app.experiments import Experiment
from ohmloop.app.run_folder import RunFolder
from ohmloop.app.train import zero_shift
from ohmloop.drivers import BadInputError

if TYPE_CHECKING:
    from ohmloop.training.pipeline.trainer import PipelineTrainer


def zero_shift_stages(
    experiment: Experiment, trainer: PipelineTrainer, run: RunFolder, screen: Screen
) -> None:
    """Measure the symmetric points of all fast arrays, where that is asked for.

    No process pulses before all have looked whether they can.

    Raises:
        BadInputError: no stage has a fast array of its own, or see ``zero_shift_fast``.
        LimitError: see there; nothing was pulsed for it on any bench.
        InstrumentError: a chip failed.
    """
    how = experiment.zero_shift
    if how is None:
        return
    from ohmloop.training.symmetric_point.fast_arrays import NOTHING, check_zero_shift

    own = check_zero_shift(trainer.model, how.error, how.budget)
    if not any(row[0] for row in trainer.executor.gather([len(own)])):
        raise BadInputError(NOTHING)
    if own:
        zero_shift(experiment, trainer.model, run, screen)
