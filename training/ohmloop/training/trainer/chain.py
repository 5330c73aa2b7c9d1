"""Gradients of a plain chain of layers without a graph, whose nodes would take as long as its work.

Products are those of the layers, in the order of torch's autograd; the rest agrees with torch's to
the rounding of float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ohmloop.training.layers.linear import AnalogLinear

from . import chain_kernels
from .chain_link import Link, Values
from .passes import Passes

_ACTIVATIONS: dict[type[nn.Module], int] = {
    nn.Sigmoid: chain_kernels.SIGMOID,
    nn.Tanh: chain_kernels.TANH,
    nn.ReLU: chain_kernels.RELU,
}
_HOST = torch.device("cpu")


class Chain:
    """Analog layers one after the other, each with an activation or none, and cross entropy.

    Args:
        links: first to last.
        graph: for mini-batches that are not float32 on the host with a class a sample.
    """

    def __init__(self, links: list[Link], graph: Passes) -> None:
        self._links, self._graph = links, graph
        learning = [k for k, link in enumerate(links) if link.learns]
        self._first = min(learning, default=len(links))  # before it nothing has gradients
        self._d: Values | None = None

    @classmethod
    def of(cls, model: nn.Module, loss: Callable[..., Any], graph: Passes) -> Chain | None:
        """The chain of a model in training; None where it is anything but such a chain.

        Args:
            model: ``nn.Sequential`` of ``AnalogLinear`` layers, each with an activation or none.
            loss: as of ``Trainer``.
            graph: see the class.
        """
        if type(model) is not nn.Sequential or loss is not nn.functional.cross_entropy:
            return None
        links: list[Link] = []
        for layer in model:
            if type(layer) is AnalogLinear:
                links.append(Link(layer))
            elif (
                type(layer) in _ACTIVATIONS
                and links
                and links[-1].activation == chain_kernels.PLAIN
            ):
                links[-1].activation = _ACTIVATIONS[type(layer)]
            else:
                return None
        hooked = any(_hooks(module) for module in (model, *model))
        twice = len({link.layer for link in links}) < len(links)  # gradients would have to add up
        digital = [p for link in links for name, p in link.own.items() if name != "weight"]
        elsewhere = not all(p is None or _plain(p) for p in digital)
        return None if hooked or twice or elsewhere or not links else cls(links, graph)

    def loss(self, x: Tensor, y: Tensor) -> float:
        """Mean cross entropy of a mini-batch; gradients of an earlier one are forgotten.

        Args:
            x: inputs ``(batch, in)``.
            y: classes ``(batch,)``.
        """
        self._d = None
        a_class_each = y.dtype == torch.int64 and y.ndim == 1 and y.device == _HOST
        if not (a_class_each and _plain(x) and x.ndim == 2 and not x.requires_grad):
            return self._graph.loss(x, y)
        for link in self._links:
            link.forget()
        values = np.ascontiguousarray(x.numpy())
        for link in self._links:
            values = link.forward(values)
        d = np.empty_like(values)
        found = float(chain_kernels.cross_entropy(values, y.numpy(), d))
        if found < -0.5:  # a class that is none: torch knows what it stands for, or says so
            return self._graph.loss(x, y)
        self._d = d
        return found

    def backward(self) -> None:
        """Gradients of the last ``loss``: biases have theirs, and analog weights their records."""
        d, self._d = self._d, None
        if d is None:
            self._graph.backward()
            return
        for k in reversed(range(self._first, len(self._links))):
            d = self._links[k].backward(d, wanted=k > self._first)


def _plain(values: Tensor) -> bool:
    return values.dtype == torch.float32 and values.device == _HOST


def _hooks(module: nn.Module) -> bool:
    """Whether somebody wants to be told of its passes, which there are none of here."""
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(module, name) for name in names)
