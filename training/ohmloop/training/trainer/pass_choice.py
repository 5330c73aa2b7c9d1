"""Which way gradients are made: as the model allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from .passes import Graph, Passes


def passes(model: nn.Module, loss: Callable[..., Any], optimizer: torch.optim.Optimizer) -> Passes:
    """Without a graph where the model is a plain chain, else torch's."""
    from .chain import Chain  # compiles, and not every command trains

    graph = Graph(model, loss, optimizer)
    return Chain.of(model, loss, graph) or graph
