"""A pipeline of several processes: who takes part, what they agree on, where each writes."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ohmloop.app.experiments import Experiment
from ohmloop.app.run_folder import RunFolder
from ohmloop.drivers import BadInputError

from .stages import config_of

if TYPE_CHECKING:
    from torch import nn

    from ohmloop.training import DataSet
    from ohmloop.training.pipeline.group import Group


def joined_group(experiment: Experiment, stack: ExitStack) -> Group | None:
    """The processes that train together; None where this one trains alone.

    Raises:
        BadInputError: their number is not that of the stages, or they have no benches.
    """
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


def what_all_share(experiment: Experiment, model: nn.Module, data: DataSet) -> dict[str, bytes]:
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


def own_folder(
    resume: Path | None, runs: Path, name: str, frozen: str, group: Group | None
) -> Path:
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
    return below(resume or runs / said, f"rank-{group.rank}", frozen)


def below(folder: Path, name: str, frozen: str) -> Path:
    """Make a folder inside a run's, with the experiment in it.

    Raises:
        BadInputError: it cannot be made.
    """
    path = folder / name
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / "experiment.yaml").write_text(frozen, encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{path}: cannot be made: {error.strerror}") from error
    return path
