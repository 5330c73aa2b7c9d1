"""Handwritten digits that need no file."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

from .data_set import DataSet, Split


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
