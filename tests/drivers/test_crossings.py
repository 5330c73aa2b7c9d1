"""Counting coincidences: in numpy and compiled, sparse and dense, the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import compiled, crossings


@pytest.mark.parametrize("share", [0.0, 0.05, 0.6, 1.0])
def test_compiled_and_not_they_are_the_coincidences(share: float) -> None:
    rng = np.random.default_rng(0)
    rows, columns = (
        rng.integers(0, 1 << 64, (5, lines), np.uint64) * (rng.random((5, lines)) < share)
        for lines in (37, 61)
    )
    both = np.bitwise_count(rows[:, :, None] & columns[:, None, :])
    expected = 3 + both.sum(axis=0, dtype=np.int64)
    for count in (crossings._add, crossings._compiled()):
        total = np.full((37, 61), 3, np.int64)
        count(total, rows, columns)
        np.testing.assert_array_equal(total, expected)


def test_much_is_counted_by_what_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_MUCH", 2 * 37 * 61)
    monkeypatch.setattr(crossings, "_add", None)
    total = np.zeros((37, 61), np.int64)
    crossings.add_crossings(total, np.full((2, 37), 7, np.uint64), np.full((2, 61), 5, np.uint64))
    assert (total == 4).all()
