"""Models that the experiments use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from ohmloop.drivers import BadInputError

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
"""Activation functions by name."""


def mlp(sizes: Sequence[int], activation: str = "tanh", *, seed: int) -> nn.Sequential:
    """A multilayer perceptron; its layers are named ``linear1``, ``tanh1``, ``linear2``, ...

    Weights and biases are uniform within ``1 / sqrt(inputs)``, as torch makes them, but drawn from
    a generator of their own.

    Args:
        sizes: inputs, hidden units, outputs, such as ``[64, 16, 10]``.
        activation: one of ``ACTIVATIONS``; after every layer but the last.
        seed: of the initial weights.

    Raises:
        BadInputError: fewer than two sizes, one below 1, or an unknown activation.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise BadInputError(f"an MLP needs two sizes or more, each at least 1, not {list(sizes)}")
    if activation not in ACTIVATIONS:
        raise BadInputError(f"no activation {activation!r}; known are {', '.join(ACTIVATIONS)}")
    generator = torch.Generator().manual_seed(seed)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for k, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        layers[f"linear{k}"] = _linear(inputs, outputs, generator)
        if k < len(sizes) - 1:
            layers[f"{activation}{k}"] = ACTIVATIONS[activation]()
    return nn.Sequential(layers)


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    # On "meta" first: torch's own initialisation would draw from its global generator.
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    bound = inputs**-0.5
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    return layer
