"""Which samples to take, every class in proportion, by a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

Labels = NDArray[np.int64]


def share_of_each(labels: Labels, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Pick the same share of every class, and at least one sample of it.

    Args:
        labels: ``(samples,)``.
        share: above 0 and below 1.
        rng: draws them.

    Raises:
        BadInputError: ``share`` is out of range.
    """
    if not 0 < share < 1:
        raise BadInputError(f"held_out must lie between 0 and 1, not {share}")
    picked = np.zeros(labels.shape, bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        picked[members[: max(1, round(share * members.size))]] = True
    return picked


def stratified(labels: Labels, count: int, rng: np.random.Generator, what: str) -> NDArray[np.intp]:
    """Pick ``count`` samples, every class in its proportion to within a sample, and at least one.

    What a class's proportion leaves over goes to the classes with the largest remainders.

    Args:
        labels: ``(samples,)``.
        count: at least one for each class.
        rng: draws them.
        what: names them in messages.

    Returns:
        Their indices, ascending.

    Raises:
        BadInputError: more than there are, or fewer than classes.
    """
    kinds, sizes = np.unique(labels, return_counts=True)
    if not kinds.size <= count <= labels.size:
        raise BadInputError(
            f"{what}: {count} samples cannot be taken: there are {labels.size}, of {kinds.size}"
            " classes"
        )
    wanted = count * sizes / labels.size
    quota = np.maximum(np.floor(wanted), 1).astype(np.int64)
    while (missing := count - int(quota.sum())) != 0:
        # One at a time: a class that was rounded up to 1 is paid for by another.
        owed = wanted - quota if missing > 0 else np.where(quota > 1, quota - wanted, -np.inf)
        quota[np.argmax(owed)] += np.sign(missing)
    members = (
        rng.permutation(np.flatnonzero(labels == kind))[:n]
        for kind, n in zip(kinds, quota, strict=True)
    )
    return np.sort(np.concatenate(list(members)))
