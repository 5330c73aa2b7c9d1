"""Stages of a pipeline: which layers, on which crossbars."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.app.experiments import Experiment
from ohmloop.app.experiments.experiment import named
from ohmloop.app.experiments.pipeline import PipelineConfig
from ohmloop.app.train import make_model
from ohmloop.drivers import BadInputError, ConfigError, Crossbar, Region, open_crossbar

if TYPE_CHECKING:
    from torch import nn

    from ohmloop.training import DataSet
    from ohmloop.training.pipeline.group import Group
    from ohmloop.training.pipeline.stage import Stage


def config_of(experiment: Experiment) -> PipelineConfig:
    """The section, where there is one.

    Raises:
        BadInputError: there is none.
    """
    if experiment.pipeline is None:
        raise BadInputError(f"{experiment.name}: the experiment has no section pipeline")
    return experiment.pipeline


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


def layer_names(part: nn.Sequential) -> list[str]:
    """Of a stage's layers."""
    return [name for name, _ in part.named_children()]


def measured_costs(
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


def open_chips(experiment: Experiment, rank: int | None, stack: ExitStack) -> dict[int, Crossbar]:
    """The crossbars of this process, by stage; without benches the one that all share."""
    config = config_of(experiment)
    if not experiment.algorithm.arrays:
        return {}
    names = config.benches or experiment.crossbars
    if not names:
        raise ConfigError(
            experiment.name,
            "pipeline.benches",
            "is missing, and so is crossbar: stages need a bench or a twin",
        )
    of_all: list[str | None] = [*named(experiment.calibration)] or [None]
    known: Sequence[str | None] = config.calibrations or of_all * len(names)
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


def analog_layers_of(
    experiment: Experiment, parts: Sequence[nn.Sequential]
) -> list[frozenset[str]]:
    """Layers of each stage that are to be on its chip, by ``mapping``; of some stages maybe none.

    Raises:
        BadInputError: a pattern matches nothing in the whole model, or no layer is left.
    """
    from torch import nn

    from ohmloop.training.layers.selection import select

    if not experiment.algorithm.arrays:
        return [frozenset() for _ in parts]
    children = [child for part in parts for child in part.named_children()]
    whole = nn.Sequential(OrderedDict(children))
    chosen = select(whole, experiment.mapping.include, experiment.mapping.exclude)
    return [
        frozenset(name for name in chosen if name.partition(".")[0] in dict(part.named_children()))
        for part in parts
    ]


def _chosen(names: frozenset[str]) -> dict[str, Any]:
    """Of a stage's conversion: patterns were for the whole model."""
    return {"include": lambda name: name in names, "exclude": None}


def check_stages(
    experiment: Experiment, parts: Sequence[nn.Sequential], chips: Mapping[int, Crossbar]
) -> None:
    """Refuse a stage that its chip cannot take before another one is written to its own.

    By the rule by which layers are converted.

    Raises:
        BadInputError: names stage and layer, or the crossbar that is not calibrated; nothing was
            pulsed.
    """
    from ohmloop.training import CrossbarPool, check_room
    from ohmloop.training.tiles.mapping import known_cells

    shared = None if config_of(experiment).benches else list(chips.values())
    pool, mapping = CrossbarPool(shared) if shared else None, experiment.mapping
    for m, names in enumerate(analog_layers_of(experiment, parts)):
        if not names or (pool is None and m not in chips):
            continue
        try:
            known_cells(chips[m] if pool is None else pool.crossbars[0])
            check_room(
                parts[m],
                pool or chips[m],
                arrays=experiment.algorithm.arrays,
                reference=mapping.reference,
                bias=mapping.bias,
                block=mapping.block,
                **_chosen(names),
            )
        except BadInputError as error:
            raise BadInputError(f"stage {m + 1}, {error}") from error


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
    chosen, made = analog_layers_of(experiment, parts), []
    mapping = experiment.mapping.options(experiment.omega)
    for m, (part, rng) in enumerate(zip(parts, rngs, strict=True)):
        if group is not None and m != group.rank:
            continue
        module: Any = part
        if chosen[m]:
            module = convert_to_analog(
                part,
                pool or chips[m],
                arrays=experiment.algorithm.arrays,
                initialise="as is" if programmed else "program",
                **mapping | _chosen(chosen[m]),
            )
        optimizer = experiment.algorithm.optimizer(module.parameters(), rng)
        name = chips[m].name if m in chips else ""
        made.append(Stage(module, optimizer, m, len(parts), name=name))
    return made
