"""Samples and their classes, split once and for all."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ohmloop.drivers import BadInputError


@dataclass(frozen=True, slots=True)
class Split:
    """Samples and their classes.

    Attributes:
        x: ``(samples, features)``, float32.
        y: ``(samples,)``, int64.

    Raises:
        BadInputError: no sample, or not as many classes as samples.
    """

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        if self.x.shape[0] != self.y.shape[0] or not len(self):
            raise BadInputError(f"{self.x.shape[0]} samples with {self.y.shape[0]} classes")

    def __len__(self) -> int:
        return int(self.y.shape[0])


@dataclass(frozen=True, slots=True)
class DataSet:
    """What to learn from, and what to judge by.

    Attributes:
        name: for messages and reports.
        train: to learn from.
        held_out: never learned from.
        classes: how many there are.
    """

    name: str
    train: Split
    held_out: Split
    classes: int

    @property
    def features(self) -> int:
        """Features of one sample."""
        return int(self.train.x.shape[1])
