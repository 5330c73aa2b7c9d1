"""One layer of a chain: its product, and what is digital about it, on the arrays themselves."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.layers.linear import AnalogLinear

from . import chain_kernels as kernels

_NONE = np.empty(0, np.float32)

Values = NDArray[np.float32]


class Link:
    """A layer and its activation, between a forward and a backward pass.

    Attributes:
        layer: the layer.
        activation: one of ``chain_kernels``.
        own: the layer's parameters by name.

    Args:
        layer: see there.
    """

    def __init__(self, layer: AnalogLinear) -> None:
        self.layer, self.activation = layer, kernels.PLAIN
        self.own = layer._parameters  # the same dictionary always; a module's attributes are slow
        self._bias, self._scale = (_Digital(self.own, name) for name in ("bias", "output_scale"))
        self._x = self._product = self._y = _NONE

    @property
    def learns(self) -> bool:
        """Whether anything of it has gradients."""
        return any(p is not None and p.requires_grad for p in self.own.values())

    def forward(self, x: Values) -> Values:
        """``(batch, in)`` to ``(batch, out)``; keeps what ``backward`` needs."""
        if self.layer.analog_bias:
            x = np.concatenate([x, np.ones((len(x), 1), np.float32)], axis=1)
        product = self._weight.product("forward", x)
        scale = self._scale.values()
        y = np.empty_like(product) if scale.size else product
        kernels.forward(product, scale, self._bias.values(), self.activation, y)
        self._x, self._product, self._y = x, product, y
        return y

    def backward(self, d: Values, wanted: bool) -> Values:
        """Gradients by outputs, which are used up, to those by inputs, if they are ``wanted``."""
        weight, scale = self._weight, self._scale.values()
        of_scale, of_bias = self._scale.gradient(), self._bias.gradient()
        kernels.backward(d, self._y, self.activation, self._product, scale, of_scale, of_bias)
        if weight.requires_grad:
            weight.record(self._x, d)
        if not wanted:
            return d
        back = weight.product("backward", d)
        return np.ascontiguousarray(back[:, :-1]) if self.layer.analog_bias else back

    def forget(self) -> None:
        """Drop gradients and what is kept."""
        self._x = self._product = self._y = _NONE
        self._weight.forget()
        self._bias.forget()
        self._scale.forget()

    @property
    def _weight(self) -> AnalogParameter:
        return cast(AnalogParameter, self.own["weight"])


class _Digital:
    """A digital parameter that a layer may have, as arrays that share its memory.

    Args:
        own: the layer's parameters.
        name: which.
    """

    def __init__(self, own: dict[str, Any], name: str) -> None:
        self._own, self._name = own, name
        self._of: torch.nn.Parameter | None = None
        self._place = 0
        self._values = self._slope = _NONE
        self._gradient: torch.Tensor | None = None

    def values(self) -> Values:
        """``(lines,)``, or ``(1,)``; ``(0,)`` where there is none."""
        parameter: torch.nn.Parameter | None = self._own.get(self._name)
        if parameter is None:
            return _NONE
        if parameter is not self._of or parameter.data_ptr() != self._place:
            self._of, self._place = parameter, parameter.data_ptr()
            self._gradient = torch.empty_like(parameter, requires_grad=False)
            self._values = parameter.detach().numpy().reshape(-1)
            self._slope = self._gradient.numpy().reshape(-1)
        return self._values

    def gradient(self) -> Values:
        """Of it, to be filled, as long as the last ``values``; the same memory every time."""
        if self._of is None or self._own.get(self._name) is None:
            return _NONE
        if self._of.requires_grad:
            self._of.grad = self._gradient
        return self._slope

    def forget(self) -> None:
        """Drop the gradient."""
        parameter = self._own.get(self._name)
        if parameter is not None and parameter.grad is not None:
            parameter.grad = None
