"""Handwritten digits that need no file."""

from __future__ import annotations

import numpy as np
import torch

from .data_set import DataSet, Split
from .sampling import share_of_each


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
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    judged = share_of_each(labels, held_out, np.random.default_rng(seed))
    train, judge = (
        Split(
            torch.from_numpy((pixels[which] / 16.0).astype(np.float32)),
            torch.from_numpy(labels[which].astype(np.int64)),
        )
        for which in (~judged, judged)
    )
    return DataSet("digits", train, judge, classes=10, image=(1, 8, 8))
