"""From pixels in bytes, as archives hold them, to a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

from .data_set import DataSet, Split
from .sampling import Labels, share_of_each, stratified

Normalisation = Literal["unit", "standard"]


@dataclass(frozen=True, slots=True)
class Images:
    """Images and their classes, as a file holds them.

    Attributes:
        pixels: uint8 ``(samples, channels, height, width)``.
        labels: int64 ``(samples,)``.
    """

    pixels: NDArray[np.uint8]
    labels: Labels

    def taken(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Images:
        """Some of them."""
        return Images(self.pixels[which], self.labels[which])


@dataclass(frozen=True, slots=True)
class Choice:
    """Which images to use, and on which scale.

    Attributes:
        held_out: share of every class of the training images to judge by; None takes the test
            images that come with them.
        samples: how many to learn from, every class in proportion; all if None.
        held_out_samples: how many to judge by; all if None.
        normalisation: ``unit`` is pixels from 0 to 1; ``standard`` has mean 0 and variance 1 over
            the images learned from, channel by channel.
        seed: of all that is drawn.
    """

    held_out: float | None = None
    samples: int | None = None
    held_out_samples: int | None = None
    normalisation: Normalisation = "unit"
    seed: int = 0

    @property
    def needs_test(self) -> bool:
        """Whether the test images are used."""
        return self.held_out is None


def image_set(
    name: str, train: Images, test: Images | None, classes: int, choice: Choice
) -> DataSet:
    """A data set of the images chosen.

    Args:
        name: of the data set.
        train: training images.
        test: test images; may be left out where the choice does not need them.
        classes: how many there are.
        choice: which ones, and how scaled.

    Raises:
        BadInputError: the choice cannot be met, or images differ in size.
    """
    if choice.normalisation not in ("unit", "standard"):
        raise BadInputError(f"{name}: normalisation {choice.normalisation!r} is not known")
    # A generator for each draw: asking for fewer samples must not change what is held out.
    split, learn, judge = (
        np.random.default_rng(seed) for seed in np.random.SeedSequence(choice.seed).spawn(3)
    )
    if choice.held_out is not None:
        judged = share_of_each(train.labels, choice.held_out, split)
        train, test = train.taken(~judged), train.taken(judged)
    if test is None or test.pixels.shape[1:] != train.pixels.shape[1:]:
        raise BadInputError(f"{name}: no test images of the size of the training images")
    train = _fewer(train, choice.samples, learn, f"{name}: samples")
    test = _fewer(test, choice.held_out_samples, judge, f"{name}: held_out_samples")
    mean, scale = _scale(train.pixels, choice.normalisation)
    shape = tuple(int(size) for size in train.pixels.shape[1:])
    learned, judged_by = (_split(part, mean, scale) for part in (train, test))
    return DataSet(name, learned, judged_by, classes, image=shape)


def _fewer(images: Images, count: int | None, rng: np.random.Generator, what: str) -> Images:
    return images if count is None else images.taken(stratified(images.labels, count, rng, what))


def _scale(pixels: NDArray[np.uint8], how: Normalisation) -> tuple[NDArray[np.float32], ...]:
    """What to subtract from pixels, and what to divide by then, channel by channel."""
    channels = pixels.shape[1]
    if how == "unit":
        return np.zeros((channels, 1, 1), np.float32), np.full((channels, 1, 1), 255, np.float32)
    mean, spread = pixels.mean(axis=(0, 2, 3)), pixels.std(axis=(0, 2, 3))
    spread[spread == 0] = 1.0  # one grey all over
    return tuple(part.reshape(channels, 1, 1).astype(np.float32) for part in (mean, spread))


def _split(images: Images, mean: NDArray[np.float32], scale: NDArray[np.float32]) -> Split:
    values = (images.pixels.astype(np.float32) - mean) / scale
    return Split(torch.from_numpy(values).flatten(1), torch.from_numpy(images.labels))
