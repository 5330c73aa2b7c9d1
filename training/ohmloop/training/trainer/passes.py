"""A forward and a backward pass of a mini-batch: what they are, and torch's way to make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

_NOTHING = torch.empty(0)


class Passes(Protocol):
    """A forward and a backward pass of a mini-batch."""

    def loss(self, x: Tensor, y: Tensor) -> float:
        """Mean loss of inputs ``(batch, ...)`` and targets; earlier gradients are forgotten."""

    def backward(self) -> None:
        """Gradients of the last ``loss``, and records of analog weights."""


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

    def loss(self, x: Tensor, y: Tensor) -> float:
        """See ``Passes``."""
        self._optimizer.zero_grad()
        self._last = self._loss(self._model(x), y)
        return float(self._last.detach())

    def backward(self) -> None:
        """See ``Passes``."""
        last, self._last = self._last, _NOTHING
        last.backward()  # type: ignore[no-untyped-call]
