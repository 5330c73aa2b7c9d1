"""Data sets as tensors, split once and for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
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


def digits(seed: int, held_out: float = 0.2) -> DataSet:
    """Handwritten digits, 8x8 pixels: scikit-learn's own copy, no network needed.

    1797 samples of the UCI test set (Alpaydin and Kaynak, 1998), 64 features from 0 to 1, ten
    classes. Every class is split in the same proportion.

    Args:
        seed: of the split; the same seed gives the same split.
        held_out: share of every class that is held out, above 0 and below 1.

    Raises:
        BadInputError: ``held_out`` is out of range.
    """
    if not 0 < held_out < 1:
        raise BadInputError(f"held_out must lie between 0 and 1, not {held_out}")
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    judged = _stratified(labels, held_out, np.random.default_rng(seed))
    train, judge = (
        Split(
            torch.from_numpy((pixels[which] / 16.0).astype(np.float32)),
            torch.from_numpy(labels[which].astype(np.int64)),
        )
        for which in (~judged, judged)
    )
    return DataSet("digits", train, judge, classes=10)


def _stratified(
    labels: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    picked = np.zeros(labels.shape, bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        picked[members[: max(1, round(share * members.size))]] = True
    return picked
