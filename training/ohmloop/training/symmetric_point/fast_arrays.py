"""Zero-shifting what an algorithm takes gradients with: the fast arrays of a model."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ohmloop.drivers import BadInputError
from ohmloop.training.layers.analog_layer import analog_layers
from ohmloop.training.tiles.block_tile import BlockTile
from ohmloop.training.tiles.protocol import Tile
from ohmloop.training.tiles.tile import AnalogTile

from .zero_shift import Tell, ZeroShift, plan, zero_shift

NOTHING = "there is nothing to zero-shift: no layer has a fast array of its own"


def zero_shift_fast(
    model: nn.Module,
    error: float = 0.01,
    budget: int | None = None,
    tell: Callable[[str], Tell] | None = None,
) -> dict[str, ZeroShift]:
    """Zero-shift all arrays but the main ones, and make what was measured their reference.

    Only a fast array has to have its symmetric point at weight 0: at the optimum the main one gets
    no noise that would pull it there (Wu et al., arXiv:2502.06309, assumption 4).

    Args:
        model: converted with two arrays a layer, or more; before it is trained.
        error: see ``plan``.
        budget: pulses that a cell may get, see ``plan``.
        tell: makes, of the name of an array, what is told of its progress.

    Returns:
        What was found, by layer and number of the array, such as ``linear1/0``, and of the block
        where a layer is split.

    Raises:
        BadInputError: no layer has a fast array, or see ``plan``; nothing was pulsed.
        LimitError: see ``plan``; nothing was pulsed on any array.
        InstrumentError: the chip failed.
    """
    arrays = check_zero_shift(model, error, budget)
    if not arrays:
        raise BadInputError(NOTHING)
    return {
        name: zero_shift(tile, error, budget, tell=tell(name) if tell else None)
        for name, tile in arrays.items()
    }


def check_zero_shift(
    model: nn.Module, error: float = 0.01, budget: int | None = None
) -> dict[str, AnalogTile]:
    """Raise what ``zero_shift_fast`` would before its first pulse.

    Returns:
        The arrays that it would shift, by name; there may be none.

    Raises:
        BadInputError: see ``plan``.
        LimitError: see ``plan``.
    """
    arrays = {
        f"{name or 'layer'}/{k}{part}": tile
        for name, layer in analog_layers(model).items()
        for k, whole in enumerate(layer.tiles[:-1])
        for part, tile in _shiftable(whole)
    }
    for tile in arrays.values():
        plan(tile, error, budget)
    return arrays


def _shiftable(tile: Tile) -> list[tuple[str, AnalogTile]]:
    """Itself, or the numbered blocks of it; pairs of crossbars have no map to shift."""
    if isinstance(tile, AnalogTile):
        return [("", tile)]
    if not isinstance(tile, BlockTile):
        return []
    return [(f".{k}{n}", t) for k, part in enumerate(tile.parts) for n, t in _shiftable(part)]
