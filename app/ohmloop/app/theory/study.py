"""What every study offers, and the parts of a study file that several have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import numpy as np
from pydantic import Field

from ohmloop.app.console import Report
from ohmloop.drivers.validation import Record

from .table import Table

if TYPE_CHECKING:
    from ohmloop.training.data.synthetic import LeastSquares
    from ohmloop.training.theory.response_pair import ResponsePair

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Shift = Annotated[float, Field(gt=-1, lt=1)]
Positives = Annotated[list[Positive], Field(min_length=2)]

Summary = tuple[Sequence[str], list[tuple[str, ...]]]
"""Head and rows of the table that a person sees first."""


class Study(Protocol):
    """A sweep over small problems."""

    def run(self, seed: int, progress: Report) -> Table:
        """Simulate.

        Raises:
            BadInputError: settings that do not go together.
        """

    def summary(self, table: Table) -> Summary:
        """What it came to."""

    def figures(self, table: Table) -> list[tuple[str, str]]:
        """Headings, and figures with captions as HTML."""


class LinearConfig(Record):
    """``linear``: soft bounds, or with c the generic linear response."""

    type: Literal["linear"]
    tau: Positive = 1.0
    c: Shift = 0.0

    def pair(self) -> ResponsePair:
        """As functions."""
        from ohmloop.training.theory import response_pair

        return response_pair.linear(self.tau, self.c)


class PowerConfig(Record):
    """``power``, normalised to 1 at weight 0."""

    type: Literal["power"]
    tau: Positive = 1.0
    gamma: Positive = 1.0

    def pair(self) -> ResponsePair:
        """As functions."""
        from ohmloop.training.theory import response_pair

        return response_pair.power(self.tau, self.gamma)


class ExponentialConfig(Record):
    """``exponential``, normalised to 1 at weight 0."""

    type: Literal["exponential"]
    tau: Positive = 1.0
    gamma: Positive = 1.0

    def pair(self) -> ResponsePair:
        """As functions."""
        from ohmloop.training.theory import response_pair

        return response_pair.exponential(self.tau, self.gamma)


Response = Annotated[LinearConfig | PowerConfig | ExponentialConfig, Field(discriminator="type")]


class LeastSquaresConfig(Record):
    """Random least squares that can be fitted exactly."""

    samples: Count = 100
    dimensions: Count = 40
    weight_std: Positive = 0.45

    def problem(self, seed: int) -> LeastSquares:
        """The problem, drawn by the seed."""
        from ohmloop.training.data.synthetic import LeastSquares

        rng = np.random.default_rng([seed, 1])
        return LeastSquares.random(self.samples, self.dimensions, self.weight_std, rng)
