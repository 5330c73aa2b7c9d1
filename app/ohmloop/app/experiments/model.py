"""Section ``model`` of an experiment file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ohmloop.drivers.validation import Record

Count = Annotated[int, Field(ge=1)]


class ModelConfig(Record):
    """A multilayer perceptron: sizes from inputs to outputs, and the activation between."""

    layers: Annotated[list[Count], Field(min_length=2)]
    activation: Literal["relu", "sigmoid", "tanh"] = "tanh"
