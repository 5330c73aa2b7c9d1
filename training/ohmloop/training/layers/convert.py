"""From an ordinary model to one whose linear layers are on chips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from torch import nn

from ohmloop.drivers import BadInputError, Crossbar
from ohmloop.training.tiles.mapping import Map, w_max_for
from ohmloop.training.tiles.placement import CrossbarPool
from ohmloop.training.tiles.tile import AnalogTile

from .linear import AnalogLinear

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
    only: Callable[[str], bool] | None = None,
) -> nn.Module:
    """Replace the ``nn.Linear`` layers of ``model`` by ``AnalogLinear``, in place.

    The main array of a layer takes over the layer's weights; faster arrays go to their symmetric
    points (weight 0). All arrays of a layer have the same scale.

    Args:
        model: any module; a bare ``nn.Linear`` is converted too.
        pool: where the weights go; what the model takes is taken from it.
        arrays: 1 for ``AnalogSGD``, 2 (fast and main) for ``TikiTaka``.
        gamma: share of the faster arrays in the weight, see ``AnalogParameter``.
        omega: the range of a layer is its largest initial weight divided by this.
        initialise: ``"program"`` writes the weights, closed loop; ``"as is"`` leaves the cells
            alone: a run that is resumed finds its weights on the chip.
        only: which module names to convert; all by default.

    Returns:
        The model.

    Raises:
        BadInputError: no layer to convert, no room for one, or a crossbar is not calibrated.
        LimitError: writing is beyond the chip's limits.
        InstrumentError: writing failed.
    """
    if initialise not in ("program", "as is") or arrays < 1:
        raise BadInputError(f"cannot make {arrays} arrays, initialised {initialise!r}")
    linears = _linears(model, only)
    taken = pool if isinstance(pool, CrossbarPool) else CrossbarPool(pool)
    wanted = {
        f"layer {name or 'itself'}, array {k}": _shape(linear)
        for name, linear in linears.items()
        for k in range(arrays)
    }
    crossbars = iter(taken.place(wanted).values())
    for name, linear in linears.items():
        parts = [next(crossbars) for _ in range(arrays)]
        layer = _analog(linear, parts, gamma, omega, initialise)
        if not name:
            return layer
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layer)
    return model


def _linears(model: nn.Module, only: Callable[[str], bool] | None) -> dict[str, nn.Linear]:
    found = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and (only is None or only(name))
    }
    if not found:
        raise BadInputError("the model has no linear layer to convert")
    return found


def _analog(
    linear: nn.Linear,
    crossbars: Sequence[Crossbar],
    gamma: float,
    omega: float,
    initialise: Initialise,
) -> AnalogLinear:
    weights: Map = linear.weight.detach().double().cpu().numpy()
    w_max = w_max_for(weights, omega)
    tiles = [AnalogTile(crossbar, w_max) for crossbar in crossbars]
    if initialise == "program":
        for tile in tiles[:-1]:
            tile.program(np.zeros_like(weights))
        tiles[-1].program(weights)
    layer = AnalogLinear(tiles, linear.bias, gamma)
    layer.train(linear.training)
    return layer


def _shape(linear: nn.Linear) -> tuple[int, int]:
    return linear.out_features, linear.in_features
