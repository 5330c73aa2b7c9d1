"""Models that the experiments use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

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
    _check_activations([activation])
    generator = torch.Generator().manual_seed(seed)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for k, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        layers[f"linear{k}"] = _linear(inputs, outputs, generator)
        if k < len(sizes) - 1:
            layers[f"{activation}{k}"] = ACTIVATIONS[activation]()
    return nn.Sequential(layers)


@dataclass(frozen=True, slots=True)
class ConvLayer:
    """One convolution of a ``conv_net`` and what follows it.

    Attributes:
        channels: out.
        kernel: height and width.
        stride: of the convolution.
        padding: zeros on every side.
        activation: after the convolution, or None.
        pool: largest of ``pool x pool`` neighbours; 1 for none.
        then: one more activation after the pooling, or None.
    """

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    activation: str | None = "tanh"
    pool: int = 1
    then: str | None = None


class AsImage(nn.Module):
    """Samples of any shape as images ``(channels, height, width)``."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, ...)`` to ``(batch, channels, height, width)``."""
        return x.reshape(len(x), *self.shape)

    def extra_repr(self) -> str:
        """The shape."""
        return f"{self.shape}"


def conv_net(
    shape: tuple[int, int, int],
    convolutions: Sequence[ConvLayer],
    sizes: Sequence[int],
    activation: str = "tanh",
    *,
    seed: int,
) -> nn.Sequential:
    """Convolutions and then an MLP; layers are named ``conv1``, ..., ``linear1``, ...

    Weights and biases are drawn as those of ``mlp``.

    Args:
        shape: channels, height and width of an image.
        convolutions: one after the other.
        sizes: hidden units and outputs of the MLP.
        activation: between the layers of the MLP.
        seed: of the initial weights.

    Raises:
        BadInputError: no size, an unknown activation, or a layer for which nothing is left of the
            image.
    """
    if not sizes or min(*sizes, *shape) < 1:
        raise BadInputError(f"images of {shape} and layers of {list(sizes)} units make no network")
    _check_activations(
        [activation, *(name for c in convolutions for name in (c.activation, c.then) if name)]
    )
    generator = torch.Generator().manual_seed(seed)
    layers: OrderedDict[str, nn.Module] = OrderedDict(image=AsImage(shape))
    for k, conv in enumerate(convolutions, start=1):
        layers |= _convolution(k, conv, shape[0], generator)
        shape = (conv.channels, *(_left(k, conv, size) for size in shape[1:]))  # type: ignore[assignment]
    layers["flatten"] = nn.Flatten()
    widths = [shape[0] * shape[1] * shape[2], *sizes]
    for k, (inputs, outputs) in enumerate(pairwise(widths), start=1):
        layers[f"linear{k}"] = _linear(inputs, outputs, generator)
        if k < len(sizes):
            layers[f"{activation}{k}"] = ACTIVATIONS[activation]()
    return nn.Sequential(layers)


def lenet(shape: tuple[int, int, int], classes: int, *, seed: int) -> nn.Sequential:
    """Two 5x5 convolutions of 16 and 32 channels, 128 hidden units, tanh throughout.

    The network in which analog training is often compared (Gokmen et al., Front. Neurosci. 11:538,
    2017; Wu et al., arXiv:2406.12774): 5x5x16, tanh, pool 2, 5x5x32, tanh, pool 2, tanh, 128, tanh,
    and for 28x28 images 512 inputs of the first linear layer.

    Raises:
        BadInputError: images smaller than 16x16.
    """
    convolutions = [
        ConvLayer(16, 5, pool=2),
        ConvLayer(32, 5, pool=2, then="tanh"),
    ]
    return conv_net(shape, convolutions, [128, classes], seed=seed)


def _convolution(
    number: int, conv: ConvLayer, channels: int, generator: torch.Generator
) -> dict[str, nn.Module]:
    layers: dict[str, nn.Module] = {f"conv{number}": _drawn_conv(conv, channels, generator)}
    if conv.activation:
        layers[f"conv{number}_{conv.activation}"] = ACTIVATIONS[conv.activation]()
    if conv.pool > 1:
        layers[f"pool{number}"] = nn.MaxPool2d(conv.pool)
    if conv.then:
        layers[f"pool{number}_{conv.then}"] = ACTIVATIONS[conv.then]()
    return layers


def _left(number: int, conv: ConvLayer, size: int) -> int:
    """Height or width after a convolution and its pooling."""
    convolved = (size + 2 * conv.padding - conv.kernel) // conv.stride + 1
    if size + 2 * conv.padding < conv.kernel or convolved < conv.pool:
        raise BadInputError(
            f"convolution {number} (kernel {conv.kernel}, pool {conv.pool}) leaves nothing of"
            f" {size} pixels"
        )
    return convolved // conv.pool


def _check_activations(names: Iterable[str]) -> None:
    for name in names:
        if name not in ACTIVATIONS:
            raise BadInputError(f"no activation {name!r}; known are {', '.join(ACTIVATIONS)}")


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    # On "meta" first: torch's own initialisation would draw from its global generator.
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    _draw(layer, inputs, generator)
    return layer


def _drawn_conv(conv: ConvLayer, channels: int, generator: torch.Generator) -> nn.Conv2d:
    layer = nn.Conv2d(
        channels, conv.channels, conv.kernel, conv.stride, conv.padding, device="meta"
    ).to_empty(device="cpu")
    _draw(layer, channels * conv.kernel**2, generator)
    return layer


def _draw(layer: nn.Module, inputs: int, generator: torch.Generator) -> None:
    bound = inputs**-0.5
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
