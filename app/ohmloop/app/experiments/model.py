"""Section ``model`` of an experiment file."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from ohmloop.drivers import BadInputError
from ohmloop.drivers.validation import Record

if TYPE_CHECKING:
    from torch import nn

Count = Annotated[int, Field(ge=1)]
Activation = Literal["relu", "sigmoid", "tanh"]


class ConvConfig(Record):
    """A convolution and what follows it: ``ConvLayer``."""

    channels: Count
    kernel: Count
    stride: Count = 1
    padding: Annotated[int, Field(ge=0)] = 0
    activation: Activation | None = "tanh"
    pool: Count = 1
    then: Activation | None = None


class ModelConfig(Record):
    """A network by name, or layer by layer.

    Attributes:
        name: ``mlp``; ``conv``, convolutions and then an MLP; ``lenet``. If None the layers tell.
        layers: of an MLP its sizes, from inputs to outputs; of a ``conv`` first the convolutions,
            then the sizes of hidden units and outputs.
        activation: between the layers of an MLP.
        image: channels, height and width, where the data are no square images in shades of grey.
    """

    name: Literal["mlp", "conv", "lenet"] | None = None
    layers: Annotated[list[Count | ConvConfig], Field(min_length=2)] | None = None
    activation: Activation = "tanh"
    image: tuple[Count, Count, Count] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        layers = self.layers or []
        convolutions = [k for k, layer in enumerate(layers) if isinstance(layer, ConvConfig)]
        if self.kind == "lenet":
            if layers:
                raise ValueError("lenet has layers of its own: leave out layers, or name")
        elif convolutions != list(range(len(convolutions))):
            raise ValueError("layers: convolutions come before the sizes of linear layers")
        elif self.kind == "mlp" and (convolutions or len(layers) < 2):
            raise ValueError("layers: an MLP has two sizes or more, from inputs to outputs")
        elif self.kind == "conv" and not 0 < len(convolutions) < len(layers):
            raise ValueError("layers: convolutions, and then one size or more, the outputs last")
        return self

    @property
    def kind(self) -> str:
        """``mlp``, ``conv`` or ``lenet``."""
        if self.name is not None:
            return self.name
        return "conv" if any(isinstance(x, ConvConfig) for x in self.layers or []) else "mlp"

    def build(self, features: int, classes: int, seed: int, data: str) -> nn.Module:
        """The network, for data of so many features and classes.

        Args:
            features: of a sample.
            classes: outputs.
            seed: of the initial weights.
            data: name of the data, for messages.

        Raises:
            BadInputError: it does not fit the data.
        """
        from ohmloop.training.models import ConvLayer, conv_net, lenet, mlp

        sizes = [layer for layer in self.layers or [] if isinstance(layer, int)]
        if self.kind == "mlp":
            if (sizes[0], sizes[-1]) != (features, classes):
                raise BadInputError(
                    f"model.layers must go from {features} to {classes} for {data},"
                    f" not from {sizes[0]} to {sizes[-1]}"
                )
            return mlp(sizes, self.activation, seed=seed)
        image = self._image(features, data)
        if self.kind == "lenet":
            return lenet(image, classes, seed=seed)
        if sizes[-1] != classes:
            raise BadInputError(f"model.layers must end in {classes} for {data}, not {sizes[-1]}")
        convolutions = [
            ConvLayer(**layer.model_dump())
            for layer in self.layers or []
            if isinstance(layer, ConvConfig)
        ]
        return conv_net(image, convolutions, sizes, self.activation, seed=seed)

    def _image(self, features: int, data: str) -> tuple[int, int, int]:
        side = isqrt(features)
        channels, height, width = self.image or (1, side, side)
        if channels * height * width == features:
            return channels, height, width
        if self.image is None:
            raise BadInputError(
                f"model.image is needed: {data} has {features} features, no square image"
            )
        raise BadInputError(
            f"model.image {channels} x {height} x {width} is not of {features} features, as {data}"
        )
