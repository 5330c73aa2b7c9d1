"""Samples and their classes, split once and for all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from torch import Tensor

from ohmloop.drivers import BadInputError


@dataclass(frozen=True, slots=True)
class Split:
    """Samples and their classes.

    Attributes:
        x: ``(samples, features)``, or images ``(samples, channels, height, width)``; float32.
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

    def shaped(self, *sizes: int) -> Split:
        """The same samples, each of another shape; nothing is copied."""
        return Split(self.x.reshape(len(self), *sizes), self.y)


@dataclass(frozen=True, slots=True)
class DataSet:
    """What to learn from, and what to judge by.

    Samples are flat, as a multilayer perceptron takes them; ``images`` gives them the shape that a
    convolution takes.

    Attributes:
        name: for messages and reports.
        train: to learn from.
        held_out: never learned from.
        classes: how many there are.
        image: channels, height and width of a sample that is an image; empty for others.

    Raises:
        BadInputError: ``image`` has not as many values as a sample has.
    """

    name: str
    train: Split
    held_out: Split
    classes: int
    image: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.image and prod(self.image) != self.features:
            raise BadInputError(f"{self.name}: {self.features} features are no image {self.image}")

    @property
    def features(self) -> int:
        """Values of one sample."""
        return prod(self.train.x.shape[1:])

    def images(self) -> DataSet:
        """The same with samples ``(channels, height, width)``.

        Raises:
            BadInputError: the samples are no images.
        """
        if not self.image:
            raise BadInputError(f"{self.name}: its samples are no images")
        return self._shaped(*self.image)

    def flat(self) -> DataSet:
        """The same with samples ``(features,)``."""
        return self._shaped(self.features)

    def _shaped(self, *sizes: int) -> DataSet:
        train, held_out = self.train.shaped(*sizes), self.held_out.shaped(*sizes)
        return replace(self, train=train, held_out=held_out)
