"""Gradients of a plain chain of layers without a graph, whose nodes would take as long as its work.

What torch's autograd would call is called, in the same order, so every number is the same to the
bit: products of the layers, and torch's own operations for activations and cross entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.layers.linear import AnalogLinear

_ops = torch.ops.aten
_NOTHING = torch.empty(0)


class Passes(Protocol):
    """A forward and a backward pass of a mini-batch."""

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean loss of inputs ``(batch, ...)`` and targets; earlier gradients are forgotten."""

    def backward(self) -> None:
        """Gradients of the last ``loss``, and records of analog weights."""


def passes(model: nn.Module, loss: Callable[..., Any], optimizer: torch.optim.Optimizer) -> Passes:
    """Without a graph where the model is a plain chain, else torch's."""
    return Chain.of(model, loss) or Graph(model, loss, optimizer)


class Graph:
    """Passes of any model, by torch's graph.

    Args:
        model: in training.
        loss: of outputs and targets.
        optimizer: of the model's parameters.
    """

    def __init__(
        self, model: nn.Module, loss: Callable[..., Any], optimizer: torch.optim.Optimizer
    ) -> None:
        self._model, self._loss, self._optimizer = model, loss, optimizer
        self._last = _NOTHING

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """See ``Passes``."""
        self._optimizer.zero_grad()
        self._last = self._loss(self._model(x), y)
        return self._last.detach()

    def backward(self) -> None:
        """See ``Passes``."""
        last, self._last = self._last, _NOTHING
        last.backward()  # type: ignore[no-untyped-call]


class _Link(Protocol):
    """One layer, between a forward and a backward pass."""

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, in)`` to ``(batch, out)``; keeps what ``backward`` needs."""

    def backward(self, d: Tensor, wanted: bool) -> Tensor | None:
        """Gradients by outputs to those by inputs, if they are ``wanted``; notes its own."""

    def forget(self) -> None:
        """Drop gradients and what is kept."""


class Chain:
    """The layers of a sequential model, and cross entropy.

    Args:
        links: first to last.
    """

    def __init__(self, links: Iterable[_Link]) -> None:
        self._links = list(links)
        analog = [k for k, link in enumerate(self._links) if isinstance(link, _Analog)]
        self._first = min(analog, default=len(self._links))  # before it nothing has gradients
        self._target: tuple[Tensor, Tensor, Tensor] | None = None

    @classmethod
    def of(cls, model: nn.Module, loss: Callable[..., Any]) -> Chain | None:
        """The chain of a model in training; None where it is anything but such a chain.

        Args:
            model: ``nn.Sequential`` of ``AnalogLinear`` layers and activations.
            loss: as of ``Trainer``.
        """
        if type(model) is not nn.Sequential or loss is not nn.functional.cross_entropy:
            return None
        links: list[_Link] = []
        for layer in model:
            if type(layer) is AnalogLinear:
                links.append(_Analog(layer))
            elif type(layer) in _ACTIVATIONS:
                links.append(_Activation(*_ACTIVATIONS[type(layer)]))
            else:
                return None
        hooked = any(_hooks(module) for module in (model, *model))
        analog = [link.layer for link in links if isinstance(link, _Analog)]
        twice = len(set(analog)) < len(analog)  # whose gradients would have to be added up
        return None if hooked or twice or not links else cls(links)

    @torch.no_grad()
    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean cross entropy of a mini-batch; gradients of an earlier one are forgotten.

        Args:
            x: inputs ``(batch, in)``.
            y: classes ``(batch,)``.
        """
        for link in self._links:
            link.forget()
        for link in self._links:
            x = link.forward(x)
        logs = torch.log_softmax(x, dim=1)
        value, weight = _ops.nll_loss_forward(logs, y, None, _MEAN, _IGNORED)
        self._target = logs, y, weight
        found: Tensor = value
        return found

    @torch.no_grad()
    def backward(self) -> None:
        """Gradients of the last ``loss``: biases have theirs, and analog weights their records."""
        assert self._target is not None
        (logs, y, weight), self._target = self._target, None
        one = torch.ones((), dtype=logs.dtype, device=logs.device)
        d: Tensor | None = _ops.nll_loss_backward(one, logs, y, None, _MEAN, _IGNORED, weight)
        d = _ops._log_softmax_backward_data(d, logs, 1, logs.dtype)
        for k in reversed(range(self._first, len(self._links))):
            assert d is not None
            d = self._links[k].backward(d, wanted=k > self._first)


_MEAN, _IGNORED = 1, -100
"""Torch's own numbers: the mean over samples, and the class that does not count."""


class _Analog:
    def __init__(self, layer: AnalogLinear) -> None:
        self.layer = layer
        self._own = layer._parameters  # the same dictionary always; a module's attributes are slow
        self._x: Tensor | None = None
        self._product = _NOTHING

    def forward(self, x: Tensor) -> Tensor:
        bias, scale = self._own.get("bias"), self._own.get("output_scale")
        if self.layer.analog_bias:
            x = torch.cat([x, x.new_ones(len(x), 1)], dim=1)
        y = self._weight.forward(x)
        self._x, self._product = x, y
        y = y if scale is None else y * scale
        return y if bias is None else y + bias

    def backward(self, d: Tensor, wanted: bool) -> Tensor | None:
        weight, bias, scale = self._weight, self._own.get("bias"), self._own.get("output_scale")
        assert self._x is not None
        if bias is not None and bias.requires_grad:
            bias.grad = d.sum(dim=0)
        if scale is not None:
            if scale.requires_grad:
                scale.grad = (d * self._product).sum_to_size(scale.shape)
            d = d * scale
        if weight.requires_grad:
            weight.record(self._x, d)
        if not wanted:
            return None
        back = weight.backward_product(d)
        return back[:, :-1] if self.layer.analog_bias else back

    def forget(self) -> None:
        self._x, self._product = None, _NOTHING
        self._weight.forget()
        for name in ("bias", "output_scale"):
            digital = self._own.get(name)
            if digital is not None:
                digital.grad = None

    @property
    def _weight(self) -> AnalogParameter:
        return cast(AnalogParameter, self._own["weight"])


class _Activation:
    def __init__(
        self, function: Callable[[Tensor], Tensor], back: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        self._function, self._back, self._y = function, back, _NOTHING

    def forward(self, x: Tensor) -> Tensor:
        self._y = self._function(x)
        return self._y

    def backward(self, d: Tensor, wanted: bool) -> Tensor | None:
        return self._back(d, self._y) if wanted else None

    def forget(self) -> None:
        self._y = _NOTHING


_ACTIVATIONS: dict[type[nn.Module], tuple[Any, Any]] = {
    nn.Sigmoid: (torch.sigmoid, _ops.sigmoid_backward),
    nn.Tanh: (torch.tanh, _ops.tanh_backward),
    nn.ReLU: (torch.relu, lambda d, y: _ops.threshold_backward(d, y, 0)),
}
"""Forward, and backward from the outputs."""


def _hooks(module: nn.Module) -> bool:
    """Whether somebody wants to be told of its passes, which there are none of here."""
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(module, name) for name in names)
