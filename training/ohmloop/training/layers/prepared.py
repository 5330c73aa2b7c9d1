"""A layer taken apart for its conversion: the matrix that goes on tiles, and what stays digital."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ohmloop.drivers import BadInputError
from ohmloop.training.tiles.grouped_tile import GroupedTile
from ohmloop.training.tiles.mapping import Map
from ohmloop.training.tiles.protocol import Tile

from .analog_layer import AnalogLayer
from .conv import AnalogConv, AnalogConv1d, AnalogConv2d
from .linear import AnalogLinear

Bias = Literal["digital", "analog"]
OutputScale = Literal[False, True, "layer", "output"]

_CONVOLUTIONS: dict[type[nn.Module], type[AnalogConv]] = {
    kind.digital: kind for kind in (AnalogConv1d, AnalogConv2d)
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """See the module.

    Attributes:
        source: the torch layer.
        weights: what goes on tiles, ``(out, in)``, an analog bias included.
        bias: what stays digital, or None.
        analog_bias: whether the last column is a bias.
        output_scale: initial, or None.
        groups: separate products of which ``weights`` has the rows, one after the other.
    """

    source: nn.Linear | nn.Conv1d | nn.Conv2d
    weights: Map
    bias: Tensor | None
    analog_bias: bool
    output_scale: Tensor | None
    groups: int = 1

    def matrices(self, name: str) -> dict[str, Map]:
        """What goes on tiles, by name: one matrix, or one for each group."""
        if self.groups == 1:
            return {name: self.weights}
        parts = np.split(self.weights, self.groups)
        return {f"{name or 'itself'}, group {g}": part for g, part in enumerate(parts)}

    def layer(self, of_groups: Sequence[Sequence[Tile]], gamma: float) -> AnalogLayer:
        """The analog layer on tiles with these weights: for every group those of all arrays."""
        source = self.source
        tiles = of_groups[0] if self.groups == 1 else _arrays(of_groups)
        if isinstance(source, nn.Linear):
            layer: AnalogLayer = AnalogLinear(
                tiles,
                self.bias,
                gamma,
                analog_bias=self.analog_bias,
                output_scale=self.output_scale,
            )
        else:
            layer = _CONVOLUTIONS[type(source)](
                tiles,
                source,
                self.bias,
                gamma,
                analog_bias=self.analog_bias,
                output_scale=self.output_scale,
            )
        layer.weight.data = layer.weight.data.to(
            source.weight
        )  # type and place, for a digital copy
        layer.weight.requires_grad_(source.weight.requires_grad)
        return layer.train(source.training)


def prepare(layer: nn.Module, bias: Bias, output_scale: OutputScale) -> Prepared:
    """Take a layer apart.

    Raises:
        BadInputError: it cannot be one product, its weights are not finite, or an option is
            unknown.
    """
    assert isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)
    if bias not in ("digital", "analog"):
        raise BadInputError(f"bias must be digital or analog, not {bias!r}")
    if output_scale not in (False, True, "layer", "output"):
        raise BadInputError(f"output_scale must be layer or output, not {output_scale!r}")
    groups = 1 if isinstance(layer, nn.Linear) else layer.groups
    weights: Map = layer.weight.detach().double().cpu().flatten(1).numpy()
    analog = bias == "analog" and layer.bias is not None
    if analog and groups > 1:
        raise BadInputError(
            f"{groups} groups have as many matrices, and a bias is a column of one: leave it"
            " digital, or exclude the layer"
        )
    if analog:
        column = layer.bias.detach().double().cpu().numpy()  # type: ignore[union-attr]
        weights = np.column_stack([weights, column])
    if not np.isfinite(weights).all():
        raise BadInputError("the initial weights are not finite")
    scale = _scale(weights, output_scale)
    return Prepared(
        source=layer,
        weights=weights if scale is None else weights / scale.reshape(-1, 1),
        bias=None if analog else layer.bias,
        analog_bias=analog,
        output_scale=None if scale is None else torch.from_numpy(scale).to(layer.weight.dtype),
        groups=groups,
    )


def _arrays(of_groups: Sequence[Sequence[Tile]]) -> list[Tile]:
    """Tiles by group and array to tiles by array."""
    arrays: list[Tile] = [GroupedTile(groups) for groups in zip(*of_groups, strict=True)]
    return arrays


def _scale(weights: Map, output_scale: OutputScale) -> Map | None:
    if output_scale is False:
        return None
    if output_scale != "output":
        return np.ones(())
    largest = np.abs(weights).max(axis=1)
    return np.where(largest > 0, largest / (largest.max() or 1.0), 1.0)
