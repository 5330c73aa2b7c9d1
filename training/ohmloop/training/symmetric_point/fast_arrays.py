"""Zero-shifting what an algorithm takes gradients with: the fast arrays of a model."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ohmloop.drivers import BadInputError
from ohmloop.training.layers.linear import analog_layers
from ohmloop.training.tiles.tile import AnalogTile

from .zero_shift import Tell, ZeroShift, plan, zero_shift


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
        What was found, by layer and number of the array, such as ``linear1/0``.

    Raises:
        BadInputError: no layer has a fast array, or see ``plan``; nothing was pulsed.
        LimitError: see ``plan``; nothing was pulsed on any array.
        InstrumentError: the chip failed.
    """
    arrays = {
        (name, k): tile
        for name, layer in analog_layers(model).items()
        for k, tile in enumerate(layer.tiles[:-1])
        if isinstance(tile, AnalogTile)
    }
    if not arrays:
        raise BadInputError("there is nothing to zero-shift: no layer has a fast array of its own")
    for tile in arrays.values():
        plan(tile, error, budget)
    found: dict[str, ZeroShift] = {}
    for (name, k), tile in arrays.items():
        label = f"{name or 'layer'}/{k}"
        found[label] = zero_shift(tile, error, budget, tell=tell(label) if tell else None)
        references = getattr(analog_layers(model)[name], "references", None)
        if isinstance(references, torch.Tensor):  # the copy that a checkpoint holds
            references[k] = torch.from_numpy(tile.mapping.reference)
    return found
