"""The crossbars of a run: named in its experiment file, checked, and opened together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ohmloop.drivers import (
    BadInputError,
    ConfigError,
    Crossbar,
    load_bench,
    open_crossbar,
    recorded,
)
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.registry import BENCHES

from .experiments import Experiment

if TYPE_CHECKING:
    from torch import nn

ALL = "*"
"""``bench.yaml#*``: every crossbar of a bench."""


def open_crossbars(
    experiment: Experiment, stack: ExitStack, record: Path | None = None
) -> list[Crossbar]:
    """Open what an experiment names, or nothing for a digital run; the stack closes them.

    All names are checked before the first one is opened. Twins after the first have noise of their
    own: the seed goes up by one each.

    Raises:
        BadInputError: names, calibrations or ``record`` do not fit together.
        InstrumentError: a bench does not answer as it should.
    """
    if not experiment.algorithm.arrays or not experiment.crossbars:
        if record is not None:
            raise BadInputError(f"{experiment.name}: a digital run has no wires to record")
        return []
    names = _each_once(experiment)
    known = _calibrations(experiment, names)
    if record is not None and len(names) > 1:
        return _recorded(experiment, names, known, record, stack)
    return [
        stack.enter_context(
            open_crossbar(
                name,
                calibration=calibration,
                seed=experiment.seed + k,
                record=record,
                periphery=experiment.periphery,
            )
        )
        for k, (name, calibration) in enumerate(zip(names, known, strict=True))
    ]


def check_room(experiment: Experiment, model: nn.Module, crossbars: Sequence[Crossbar]) -> None:
    """Make sure that a model fits, before anything is kept of a run or pulsed.

    Raises:
        BadInputError: it does not; names the layer and the shape.
    """
    from ohmloop.training import check_room as check

    if not crossbars:
        return
    mapping = experiment.mapping
    check(
        model,
        crossbars,
        arrays=experiment.algorithm.arrays,
        include=mapping.include,
        exclude=mapping.exclude,
        reference=mapping.reference,
        bias=mapping.bias,
        block=mapping.block,
    )


def _each_once(experiment: Experiment) -> list[str]:
    """Names of single crossbars. One that is there twice would be pulsed by two layers at once."""
    names = [single for name in experiment.crossbars for single in _singles(name)]
    for name in names:
        if names.count(name) > 1 and not name.startswith("sim:"):
            raise ConfigError(experiment.name, "crossbar", f"{name} is named twice")
    return names


def _singles(name: str) -> list[str]:
    file, _, part = name.partition("#")
    if name.startswith("sim:") or not file.endswith(BENCHES) or not Path(file).exists():
        return [name]
    bench = load_bench(file)
    parts = bench.crossbar_names if part == ALL else [bench.crossbar_name(part)]
    return [f"{Path(file).resolve()}#{one}" for one in parts]


def _calibrations(experiment: Experiment, names: Sequence[str]) -> list[str | None]:
    given = experiment.calibration
    if given is None:
        return [None] * len(names)
    files = [given] if isinstance(given, str) else list(given)
    if len(files) != len(names):
        raise ConfigError(
            experiment.name,
            "calibration",
            f"{len(files)} for {len(names)} crossbars: give a list, one each"
            " (or name them in the bench file)",
        )
    return list(files)


def _recorded(
    experiment: Experiment,
    names: Sequence[str],
    known: Sequence[str | None],
    record: Path,
    stack: ExitStack,
) -> list[Crossbar]:
    """Several crossbars of one bench, and one transcript of it."""
    files = {name.partition("#")[0] for name in names}
    file = files.pop()
    if files or not file.endswith(BENCHES):
        raise BadInputError(
            f"{experiment.name}: --record keeps the session of one bench; these crossbars are not"
            " on one"
        )
    if experiment.periphery is not None:
        open_crossbar(names[0], periphery=experiment.periphery)  # says why not
    bench = load_bench(file)
    stack.enter_context(recorded(bench, record))
    return [
        stack.enter_context(open_on_bench(bench, name.partition("#")[2], calibration=calibration))
        for name, calibration in zip(names, known, strict=True)
    ]
