"""What all layers on chips share: tiles, what is added in digital form, and what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ohmloop.drivers import BadInputError
from ohmloop.training.tiles.protocol import Tile

from .analog_parameter import AnalogParameter
from .product import AnalogProduct


class AnalogLayer(nn.Module):
    """``y = s (W x) + b``: W on one or more tiles, scale s and bias b digital.

    In training, a backward pass notes x and d on ``weight`` for the optimizer; in ``eval`` mode,
    under ``no_grad``, or where ``weight`` wants no gradient nothing is noted.

    An analog bias is one more column of W, the last, whose input is 1.

    ``state_dict`` holds what is digital: bias, scale, and for every tile k what makes its
    conductances mean the same weights again, ``tiles.k.*``. The weights themselves stay on the
    chip and are read from there, never stored or loaded; see ``to_digital`` for a copy.

    Attributes:
        weight: the parameter that optimizers find the tiles by.
        bias: ``(out,)``, or None.
        output_scale: ``()`` or ``(out,)``, learned like a bias; None for 1.
        analog_bias: whether the last column of the tiles is a bias.

    Args:
        tiles: from the fastest array to the main one; one for Analog SGD, two for Tiki-Taka.
        bias: the digital bias ``(out,)``, or None for no digital bias.
        gamma: share of the faster arrays in the weight, see ``AnalogParameter``.
        analog_bias: the last column of the tiles is a bias.
        output_scale: initial scale, ``()`` or ``(out,)``.

    Raises:
        BadInputError: tiles, bias and scale do not fit together.
    """

    def __init__(
        self,
        tiles: Sequence[Tile],
        bias: Tensor | None = None,
        gamma: float = 0.0,
        *,
        analog_bias: bool = False,
        output_scale: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.weight = AnalogParameter(tiles, gamma)
        out, inputs = self.weight.matrix_shape
        if bias is not None and (bias.shape != (out,) or analog_bias):
            raise BadInputError(
                f"a digital bias of {tuple(bias.shape)} for {out} outputs"
                + (" that have an analog one" if analog_bias else "")
            )
        if output_scale is not None and output_scale.shape not in ((), (out,)):
            raise BadInputError(f"an output scale of {tuple(output_scale.shape)} for {out} outputs")
        if inputs <= analog_bias:
            raise BadInputError("an analog bias takes a column, and there is no other")
        self.analog_bias = analog_bias
        self.bias = _parameter(bias)
        self.output_scale = _parameter(output_scale)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """From the fastest array to the main one."""
        return self.weight.tiles

    @property
    def outputs(self) -> int:
        """Rows of the weight matrix."""
        return self.weight.matrix_shape[0]

    @property
    def inputs(self) -> int:
        """Columns of the weight matrix, without the one of an analog bias."""
        return self.weight.matrix_shape[1] - self.analog_bias

    def product(self, x: Tensor) -> Tensor:
        """Scale and bias included: ``(batch, inputs)`` to ``(batch, outputs)``."""
        if self.analog_bias:
            x = torch.cat([x, x.new_ones(len(x), 1)], dim=1)
        recording = self.training and self.weight.requires_grad
        added = self.bias if self.output_scale is None else None
        y: Tensor = AnalogProduct.apply(x, self.weight, recording, added)  # type: ignore[no-untyped-call]
        if self.output_scale is None:
            return y
        y = y * self.output_scale
        return y if self.bias is None else y + self.bias

    @torch.no_grad()
    def read(self) -> tuple[Tensor, Tensor | None]:
        """Weights and bias that an ordinary layer would have, from a reading of all tiles.

        Returns:
            ``(outputs, inputs)`` with the scale in them, and ``(outputs,)`` or None.
        """
        read = torch.from_numpy(self.weight.weights()).to(self.weight.data)
        if self.output_scale is not None:
            read = read * self.output_scale.reshape(-1, 1)
        if self.analog_bias:
            return read[:, :-1], read[:, -1]
        return read, None if self.bias is None else self.bias.detach().clone()

    def to_digital(self) -> nn.Module:
        """An ordinary torch layer with the weights that the tiles read now."""
        raise NotImplementedError

    def _filled(self, layer: nn.Module) -> nn.Module:
        """``layer`` with our weights in it."""
        weight, bias = self.read()
        with torch.no_grad():
            layer.to(weight).weight.copy_(weight.reshape(layer.weight.shape))  # type: ignore[operator,arg-type]
            if bias is not None:
                layer.bias.copy_(bias)  # type: ignore[operator]
        return layer.train(self.training)

    def extra_repr(self) -> str:
        """What there is, and the granularity."""
        bias = "analog" if self.analog_bias else self.bias is not None
        return (
            f"bias={bias}, arrays={len(self.tiles)}, gamma={self.weight.gamma:g},"
            f" dw_min={self.weight.main.dw_min:.3g}"
        )

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for k, tile in enumerate(self.tiles):
            for name, value in tile.state().items():
                destination[f"{prefix}tiles.{k}.{name}"] = torch.from_numpy(np.array(value))

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        # What is taken out here is ours; what stays, the base class calls unexpected.
        for k, tile in enumerate(self.tiles):
            start, wanted = f"{prefix}tiles.{k}.", tile.state().keys()
            own = {name: state_dict.pop(f"{start}{name}", None) for name in wanted}
            lacking = [f"{start}{name}" for name, value in own.items() if value is None]
            missing_keys.extend(lacking)
            if lacking:
                continue
            try:
                tile.adopt({name: value.detach().cpu().numpy() for name, value in own.items()})
            except BadInputError as error:
                error_msgs.append(f"{start[:-1]}: {error}")
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )


def _parameter(values: Tensor | None) -> nn.Parameter | None:
    if values is None:
        return None
    learned = values.requires_grad if isinstance(values, nn.Parameter) else True
    return nn.Parameter(values.detach().clone(), requires_grad=learned)


def analog_layers(model: nn.Module) -> dict[str, AnalogLayer]:
    """The analog layers of a model by module name, in order."""
    return {n: m for n, m in model.named_modules() if isinstance(m, AnalogLayer)}


def analog_tiles(model: nn.Module) -> list[Tile]:
    """All tiles of a model."""
    return [tile for layer in analog_layers(model).values() for tile in layer.tiles]
