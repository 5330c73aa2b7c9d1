"""Scaling inputs before a product and outputs after it, so that small signals rise above the noise.

Both are of Gokmen, Onen and Haensch, "Training Deep Convolutional Neural Networks with Resistive
Cross-Point Devices", Front. Neurosci. 11:538 (2017), and are parameters of aihwkit's
``IOParameters`` (``noise_management``, ``nm_thres``; ``bound_management``, ``max_bm_factor``).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ohmloop.drivers.units import Volts
from ohmloop.drivers.validation import Record


class NoiseManagement(Record):
    """Which voltage asked for is converted to the input converter's full range.

    A product is linear, so its result is scaled back by the same factor.

    Attributes:
        kind: ``none``: a volt is a volt. ``constant``: ``full_scale`` is. ``abs-max``: the largest
            absolute value of each sample is. ``average-abs-max``: the mean of those over the batch
            is, one factor for all samples; larger values are clipped.
        full_scale: of ``constant``, V.
        most: no full scale above this, V; larger values are clipped in favour of small ones
            (aihwkit's ``nm_thres``).
    """

    kind: Literal["none", "constant", "abs-max", "average-abs-max"] = "none"
    full_scale: Annotated[Volts, Field(gt=0)] | None = None
    most: Annotated[Volts, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> NoiseManagement:
        if (self.kind == "constant") != (self.full_scale is not None):
            raise ValueError("full_scale: goes with kind 'constant', and only with it")
        if self.most is not None and self.kind not in ("abs-max", "average-abs-max"):
            raise ValueError("most: goes with kinds 'abs-max' and 'average-abs-max' only")
        return self


class BoundManagement(Record):
    """What is done about a sample of which an output saturates.

    Attributes:
        kind: ``none``: nothing. ``iterative``: the product is done again with half the input, until
            no output saturates.
        max_rounds: most halvings; what saturates then stays so. 10 are a factor of 1024.
    """

    kind: Literal["none", "iterative"] = "none"
    max_rounds: Annotated[int, Field(ge=1, le=30)] = 10
