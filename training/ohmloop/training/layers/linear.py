"""A fully connected layer whose weights are on a chip."""

from __future__ import annotations

from torch import Tensor, nn

from .analog_layer import AnalogLayer, analog_layers, analog_tiles

__all__ = ["AnalogLinear", "analog_layers", "analog_tiles"]


class AnalogLinear(AnalogLayer):
    """``nn.Linear`` on tiles ``(out, in)``; see ``AnalogLayer`` for the rest."""

    @property
    def in_features(self) -> int:
        """As of ``nn.Linear``."""
        return self.inputs

    @property
    def out_features(self) -> int:
        """As of ``nn.Linear``."""
        return self.outputs

    def forward(self, x: Tensor) -> Tensor:
        """``(..., in)`` to ``(..., out)``."""
        if x.dim() == 2:
            return self.product(x)
        y = self.product(x.reshape(-1, self.inputs))
        return y.reshape(*x.shape[:-1], self.outputs)

    def to_digital(self) -> nn.Linear:
        """An ``nn.Linear`` with the weights that the tiles read now."""
        bias = self.analog_bias or self.bias is not None
        layer = nn.Linear(self.inputs, self.outputs, bias, device="meta").to_empty(device="cpu")
        return self._filled(layer)  # type: ignore[return-value]

    def extra_repr(self) -> str:
        """Sizes, arrays and granularity."""
        return f"in_features={self.inputs}, out_features={self.outputs}, {super().extra_repr()}"
