"""From an ordinary model to one whose layers are on chips, and back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from torch import nn

from ohmloop.drivers import BadInputError, Crossbar
from ohmloop.training.tiles.mapping import Map
from ohmloop.training.tiles.placement import CrossbarPool, Shape
from ohmloop.training.tiles.plan import Reference
from ohmloop.training.tiles.protocol import Tile

from .analog_layer import AnalogLayer
from .placing import find_room, make_tiles, plans_of, shape_of
from .prepared import Bias, OutputScale, Prepared, prepare
from .recurrent import AnalogCell, AnalogRecurrent, opened
from .selection import Rule, select

Initialise = Literal["program", "as is"]

OMEGA = 0.2
"""Where the largest initial weight lies in the range of the cells.

Smaller is a wider range of weights: coarser, but less asymmetric where the weights are.
"""


def convert_to_analog(
    model: nn.Module,
    pool: CrossbarPool | Crossbar | Sequence[Crossbar],
    *,
    arrays: int = 1,
    gamma: float = 0.0,
    omega: float = OMEGA,
    initialise: Initialise = "program",
    include: Rule | None = None,
    exclude: Rule | None = None,
    only: Rule | None = None,
    reference: Reference = "map",
    bias: Bias = "digital",
    output_scale: OutputScale = False,
    block: Shape | None = None,
) -> nn.Module:
    """Put the layers of ``model`` on chips, in place.

    ``nn.Linear``, ``nn.Conv1d``, ``nn.Conv2d``, ``nn.RNN``, ``nn.LSTM``, ``nn.GRU`` and their
    cells have analog counterparts. The main array of a layer takes over the layer's weights; faster
    arrays go to weight 0. All arrays of a layer have the same range of weights. A matrix that no
    crossbar of the pool holds is split. Nothing is pulsed before all is placed and checked.

    Args:
        model: any module; a bare layer is converted too.
        pool: where the weights go; what the model takes is taken from it.
        arrays: 1 for ``AnalogSGD``, 2 (fast and main) for ``TikiTaka``.
        gamma: share of the faster arrays in the weight, see ``AnalogParameter``.
        omega: the range of a layer is its largest initial weight divided by this.
        initialise: ``"program"`` writes the weights, closed loop; ``"as is"`` leaves the cells
            alone: a run that is resumed finds its weights on the chip.
        include: which layers, by pattern of their names or by a function; all by default.
        exclude: which of them not.
        only: the same as ``include``.
        reference: what stands for weight 0, see ``TilePlan``.
        bias: ``"digital"``, or ``"analog"``: one more column of the matrix, whose input is 1.
        output_scale: a learned digital factor: ``"layer"`` (or True), one for all outputs, from 1;
            ``"output"``, one an output, from its share of the largest weight, so that all rows
            start with the same range.
        block: most outputs and inputs of a tile; by default what the largest crossbar has.

    Returns:
        The model.

    Raises:
        BadInputError: no layer to convert, one that cannot be, no room for one, or a crossbar is
            not calibrated; the message names the layer, and nothing was pulsed.
        LimitError: writing is beyond the chip's limits.
        InstrumentError: writing failed.
    """
    if initialise not in ("program", "as is") or arrays < 1:
        raise BadInputError(f"cannot make {arrays} arrays, initialised {initialise!r}")
    taken = pool if isinstance(pool, CrossbarPool) else CrossbarPool(pool)

    def on_crossbars(matrices: dict[str, Map]) -> dict[str, Sequence[Tile]]:
        tiles = make_tiles(matrices, taken, arrays, omega, reference, block)
        if initialise == "program":
            for name, made in tiles.items():
                for tile in made[:-1]:
                    tile.program(np.zeros_like(matrices[name]))
                made[-1].program(matrices[name])
        return dict(tiles)

    return convert_with(
        model,
        on_crossbars,
        gamma=gamma,
        include=only if include is None else include,
        exclude=exclude,
        bias=bias,
        output_scale=output_scale,
    )


def convert_with(
    model: nn.Module,
    make: Callable[[dict[str, Map]], dict[str, Sequence[Tile]]],
    *,
    gamma: float = 0.0,
    include: Rule | None = None,
    exclude: Rule | None = None,
    bias: Bias = "digital",
    output_scale: OutputScale = False,
) -> nn.Module:
    """The same with tiles of any kind, such as ``ExactTile``.

    Args:
        model: any module.
        make: from the matrices of all layers by name, ``(out, in)``, to the tiles of each, from the
            fastest array to the main one. A convolution with groups has a matrix for each,
            ``NAME, group 0`` and so on.
        gamma: see ``convert_to_analog``, like all that follows.
        include: which layers.
        exclude: which of them not.
        bias: digital or analog.
        output_scale: learned factor.

    Returns:
        The model.

    Raises:
        BadInputError: see ``convert_to_analog``.
    """
    ready, wholes = _prepared(model, include, exclude, bias, output_scale)
    matrices = {name: prepared.matrices(name) for name, prepared in ready.items()}
    tiles = make({part: map_ for parts in matrices.values() for part, map_ in parts.items()})
    for name, prepared in ready.items():
        layer = prepared.layer([tiles[part] for part in matrices[name]], gamma)
        within = next((n for n in wholes if _is_inside(name, n)), None)
        if within is None:
            model = _put(model, name, layer)
        else:
            _put(wholes[within], name[len(within) :].removeprefix("."), layer)
    for name, whole in wholes.items():
        model = _put(model, name, whole)
    return model


def check_room(
    model: nn.Module,
    pool: CrossbarPool | Crossbar | Sequence[Crossbar],
    *,
    arrays: int = 1,
    include: Rule | None = None,
    exclude: Rule | None = None,
    reference: Reference = "map",
    bias: Bias = "digital",
    block: Shape | None = None,
) -> None:
    """Make sure that ``convert_to_analog`` of the same arguments finds room; nothing is touched.

    What the model would take is taken from a pool that is given: so several models can be tried.

    Raises:
        BadInputError: there is no layer to convert, one that cannot be, or no room for one; the
            message names the layer and the shape.
    """
    ready, _ = _prepared(model, include, exclude, bias, False)
    shapes = {
        part: shape_of(matrix)
        for name, prepared in ready.items()
        for part, matrix in prepared.matrices(name).items()
    }
    taken = pool if isinstance(pool, CrossbarPool) else CrossbarPool(pool)
    find_room(plans_of(shapes, taken, arrays, reference, block), taken)


def to_digital(model: nn.Module) -> nn.Module:
    """A copy of the model in which analog layers are ordinary ones, with weights as read now.

    Returns:
        A model that has nothing to do with a chip any more; ``model`` itself when nothing is
        analog in it, copied.
    """
    kinds = (AnalogLayer, AnalogCell, AnalogRecurrent)
    outer = [
        module
        for name, module in model.named_modules()
        if isinstance(module, kinds) and not _enclosed(model, name, kinds)
    ]
    return copy.deepcopy(model, {id(module): module.to_digital() for module in outer})


def _prepared(
    model: nn.Module,
    include: Rule | None,
    exclude: Rule | None,
    bias: Bias,
    output_scale: OutputScale,
) -> tuple[dict[str, Prepared], dict[str, nn.Module]]:
    """All products that are to be on tiles, and recurrent layers taken apart, by name."""
    wholes: dict[str, nn.Module] = {}
    ready: dict[str, Prepared] = {}
    for name, module in select(model, include, exclude).items():
        try:
            whole = opened(module)
            for part, layer in _products(module if whole is None else whole, name):
                ready[part] = prepare(layer, bias, output_scale)
        except BadInputError as error:
            raise BadInputError(f"layer {name or 'itself'}: {error}") from error
        if whole is not None:
            wholes[name] = whole
    return ready, wholes


def _products(module: nn.Module, name: str) -> list[tuple[str, nn.Module]]:
    """The products of a chosen layer, by full name: itself, or those of its cells."""
    if not isinstance(module, AnalogCell | AnalogRecurrent):
        return [(name, module)]
    start = f"{name}." if name else ""
    return [
        (start + part, inner)
        for part, inner in module.named_modules()
        if isinstance(inner, nn.Linear)
    ]


def _put(model: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    if not name:
        return layer
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, layer)
    return model


def _is_inside(name: str, outer: str) -> bool:
    return name.startswith(f"{outer}.") if outer else True


def _enclosed(model: nn.Module, name: str, kinds: tuple[type[nn.Module], ...]) -> bool:
    parts = name.split(".")
    outer = [".".join(parts[:end]) for end in range(len(parts))] if name else []
    return any(isinstance(model.get_submodule(n), kinds) for n in outer)
