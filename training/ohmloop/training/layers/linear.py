"""Layers whose weights are on a chip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ohmloop.drivers import BadInputError
from ohmloop.training.tiles.tile import AnalogTile

from .analog_parameter import AnalogParameter


class _AnalogProduct(torch.autograd.Function):
    """``W x`` on the chip; going back it is ``W^T d``, and the parameter notes x and d."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, parameter: AnalogParameter, recording: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.parameter, ctx.recording = parameter, recording
        return parameter.forward(x)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor | None, None, None]:
        if ctx.recording:
            ctx.parameter.record(*ctx.saved_tensors, d)
        # The first layer's inputs want no gradient: the chip is spared that product.
        back = ctx.parameter.backward_product(d) if ctx.needs_input_grad[0] else None
        return back, None, None


class AnalogLinear(nn.Module):
    """``y = W x + b`` with W on one or more tiles and b digital.

    In training, a backward pass notes x and d on ``weight`` for the optimizer; in ``eval`` mode or
    under ``no_grad`` nothing is noted.

    ``state_dict`` holds what is digital: the bias, and for every tile its reference map
    (``references``, S) and scale (``siemens_per_weight``, S), which make the conductances mean the
    same weights again. The weights themselves stay on the chip and are read from there, never
    stored or loaded; use ``AnalogTile.weights`` and ``AnalogTile.program`` for that.

    Args:
        tiles: from the fastest array to the main one; one for Analog SGD, two for Tiki-Taka.
        bias: the digital bias ``(out,)``, or None for no bias.
        gamma: share of the faster arrays in the weight, see ``AnalogParameter``.

    Raises:
        BadInputError: tiles or bias do not fit together.
    """

    references: Tensor
    siemens_per_weight: Tensor

    def __init__(
        self, tiles: Sequence[AnalogTile], bias: Tensor | None = None, gamma: float = 0.0
    ) -> None:
        super().__init__()
        self.weight = AnalogParameter(tiles, gamma)
        self.out_features, self.in_features = self.weight.matrix_shape
        if bias is not None and bias.shape != (self.out_features,):
            raise BadInputError(f"a bias of {tuple(bias.shape)} for {self.out_features} outputs")
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())
        references = [torch.from_numpy(tile.mapping.reference) for tile in tiles]
        scales = [tile.mapping.siemens_per_weight for tile in tiles]
        self.register_buffer("references", torch.stack(references))
        self.register_buffer("siemens_per_weight", torch.tensor(scales, dtype=torch.float64))
        self.register_load_state_dict_post_hook(_adopt_mappings)  # type: ignore[no-untyped-call]

    @property
    def tiles(self) -> tuple[AnalogTile, ...]:
        """From the fastest array to the main one."""
        return self.weight.tiles

    def forward(self, x: Tensor) -> Tensor:
        """``(..., in)`` to ``(..., out)``."""
        flat = x.reshape(-1, self.in_features)
        y: Tensor = _AnalogProduct.apply(flat, self.weight, self.training)  # type: ignore[no-untyped-call]
        y = y if self.bias is None else y + self.bias
        return y.reshape(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        """Sizes, arrays and granularity."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features},"
            f" bias={self.bias is not None}, arrays={len(self.tiles)},"
            f" gamma={self.weight.gamma:g}, dw_min={self.weight.main.dw_min:.3g}"
        )


def _adopt_mappings(module: nn.Module, _incompatible: Any) -> None:
    layer = cast(AnalogLinear, module)
    for k, tile in enumerate(layer.tiles):
        reference = layer.references[k].double().cpu().numpy()
        tile.rescale(reference, float(layer.siemens_per_weight[k]))


def analog_layers(model: nn.Module) -> dict[str, AnalogLinear]:
    """The analog layers of a model by module name, in order."""
    return {n: m for n, m in model.named_modules() if isinstance(m, AnalogLinear)}


def analog_tiles(model: nn.Module) -> list[AnalogTile]:
    """All tiles of a model."""
    return [tile for layer in analog_layers(model).values() for tile in layer.tiles]
