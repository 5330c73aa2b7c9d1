"""Convolutions whose weights are on a chip: every patch of the input is a sample of a product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ohmloop.drivers import BadInputError
from ohmloop.training.tiles.protocol import Tile

from .analog_layer import AnalogLayer

_MOST_VALUES = 2**24
"""Values of patches to make at once where no gradient needs them all."""
_PADDING = {"zeros": "constant"}  # torch's functions have a name of their own for it


class AnalogConv(AnalogLayer):
    """A convolution as a product: weights ``(channels out, channels in x kernel)``.

    With groups the tiles are a ``GroupedTile`` each: as many separate products of the same patches.

    A pulsed update takes the patches one after the other, those of an image in row-major order, as
    the samples of a mini-batch (Gokmen, Onen and Haensch, Front. Neurosci. 11:538, 2017).

    Args:
        tiles: see ``AnalogLayer``.
        like: a torch layer of the same geometry; its weights are not looked at.
        bias: see ``AnalogLayer``.
        gamma: see ``AnalogLayer``.
        analog_bias: see ``AnalogLayer``.
        output_scale: see ``AnalogLayer``.

    Raises:
        BadInputError: the layer is transposed, or the tiles do not fit it.
    """

    digital: ClassVar[type[nn.Module]]
    axes: ClassVar[int]

    def __init__(
        self,
        tiles: Sequence[Tile],
        like: nn.Conv1d | nn.Conv2d,
        bias: Tensor | None = None,
        gamma: float = 0.0,
        *,
        analog_bias: bool = False,
        output_scale: Tensor | None = None,
    ) -> None:
        super().__init__(tiles, bias, gamma, analog_bias=analog_bias, output_scale=output_scale)
        wanted = (like.out_channels, like.weight[0].numel() * like.groups)
        if (self.outputs, self.inputs) != wanted:
            raise BadInputError(
                f"tiles of {self.outputs} x {self.inputs} for a convolution of"
                f" {wanted[0]} x {wanted[1]}"
            )
        self.in_channels, self.out_channels = like.in_channels, like.out_channels
        self.kernel_size, self.stride = like.kernel_size, like.stride
        self.padding, self.dilation = like.padding, like.dilation
        self.padding_mode, self.groups = like.padding_mode, like.groups

    def forward(self, x: Tensor) -> Tensor:
        """As of torch's layer, without the batch too: ``(batch, channels, ...)``."""
        if x.dim() == self.axes + 1:
            return self.forward(x[None])[0]
        if x.dim() != self.axes + 2 or x.shape[1] != self.in_channels:
            raise BadInputError(
                f"a convolution takes (batch, {self.in_channels}, {self.axes} axes),"
                f" not {tuple(x.shape)}"
            )
        image = x if self.axes == 2 else x[:, :, None]
        padded = functional.pad(
            image, self._pads(), _PADDING.get(self.padding_mode, self.padding_mode)
        )
        size = len(padded) if torch.is_grad_enabled() else self._at_once(padded)
        parts = torch.split(padded, max(1, size))
        y = torch.cat([self._convolve(part) for part in parts])
        return y if self.axes == 2 else y[:, :, 0]

    def _convolve(self, padded: Tensor) -> Tensor:
        kernel, dilation, stride = map(self._both, (self.kernel_size, self.dilation, self.stride))
        patches = functional.unfold(padded, kernel, dilation, stride=stride).transpose(1, 2)
        y = self.product(patches.reshape(-1, self.inputs))
        height, width = self._sizes(padded)
        return y.reshape(len(padded), height, width, self.outputs).permute(0, 3, 1, 2)

    def _sizes(self, padded: Tensor) -> tuple[int, int]:
        kernel, dilation, stride = map(self._both, (self.kernel_size, self.dilation, self.stride))
        height, width = (
            (size - d * (k - 1) - 1) // s + 1
            for size, k, d, s in zip(padded.shape[2:], kernel, dilation, stride, strict=True)
        )
        return height, width

    def _at_once(self, padded: Tensor) -> int:
        height, width = self._sizes(padded)
        return max(1, _MOST_VALUES // max(1, height * width * self.inputs))

    def _both(self, values: tuple[int, ...]) -> tuple[int, int]:
        """Along height and width; a signal is an image of height 1."""
        return (values[0], values[1]) if self.axes == 2 else (1, values[0])

    def _pads(self) -> list[int]:
        """For ``functional.pad``: both ends of the last axis first."""
        pads: list[int] = []
        for axis in reversed(range(self.axes)):
            if self.padding == "same":
                total = self.dilation[axis] * (self.kernel_size[axis] - 1)
                pads += [total // 2, total - total // 2]
            else:
                pads += [0 if self.padding == "valid" else int(self.padding[axis])] * 2
        return pads + [0, 0] * (2 - self.axes)

    def read(self) -> tuple[Tensor, Tensor | None]:
        """See ``AnalogLayer``: weights ``(channels out, channels in / groups x kernel)``."""
        weight, bias = super().read()
        if self.groups > 1:
            rows = weight.chunk(self.groups)
            blocks = [row.chunk(self.groups, dim=1)[g] for g, row in enumerate(rows)]
            weight = torch.cat(blocks)
        return weight, bias

    def to_digital(self) -> nn.Module:
        """The torch layer with the weights that the tiles read now."""
        geometry: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("stride", "padding", "dilation", "padding_mode", "groups")
        }
        layer = self.digital(
            self.in_channels,
            self.out_channels,
            self.kernel_size,
            bias=self.analog_bias or self.bias is not None,
            device="meta",
            **geometry,
        )
        return self._filled(layer.to_empty(device="cpu"))

    def extra_repr(self) -> str:
        """Geometry, arrays and granularity."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size},"
            f" stride={self.stride}, padding={self.padding}"
            + (f", groups={self.groups}" if self.groups > 1 else "")
            + f", {super().extra_repr()}"
        )


class AnalogConv1d(AnalogConv):
    """``nn.Conv1d`` on tiles; see ``AnalogConv``."""

    digital = nn.Conv1d
    axes = 1


class AnalogConv2d(AnalogConv):
    """``nn.Conv2d`` on tiles; see ``AnalogConv``."""

    digital = nn.Conv2d
    axes = 2
