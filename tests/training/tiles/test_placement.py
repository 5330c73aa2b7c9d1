"""Packing tiles onto crossbars."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmloop.drivers import BadInputError, Crossbar, Region, open_crossbar
from ohmloop.training import CrossbarPool

Make = Callable[..., Crossbar]
SIZES = st.tuples(st.integers(1, 6), st.integers(1, 6))


@settings(max_examples=60, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=12))
def test_tiles_never_overlap(shapes: list[tuple[int, int]]) -> None:
    crossbar = open_crossbar("sim:soft-bounds?shape=12x12")
    try:
        placed = CrossbarPool(crossbar).place({str(k): s for k, s in enumerate(shapes)})
    except BadInputError:
        assert sum(rows * columns for rows, columns in shapes) > 36
        return
    taken = np.zeros((12, 12), int)
    for k, shape in enumerate(shapes):
        part = placed[str(k)]
        assert isinstance(part, Region)
        assert part.shape == shape
        (top, left), (height, width) = part.origin, shape
        taken[top : top + height, left : left + width] += 1
    assert taken.max() == 1


def test_two_arrays_of_the_digits_model_share_one_crossbar(real: Make) -> None:
    shapes = {"1a": (16, 64), "1b": (16, 64), "2a": (10, 16), "2b": (10, 16)}
    placed = CrossbarPool(real(42, 64)).place(shapes)
    assert {name: part.shape for name, part in placed.items()} == shapes


def test_a_whole_crossbar_is_used_as_it_is(real: Make, serial: Make) -> None:
    large, exact = real(8, 8), real(4, 6)
    assert CrossbarPool([large, exact]).place({"a": (4, 6)})["a"] is exact
    whole = serial(4, 6)
    assert CrossbarPool(whole).place({"a": (4, 6)})["a"] is whole


def test_no_room_names_the_layer_and_what_is_left(real: Make) -> None:
    pool = CrossbarPool(real(8, 8))
    pool.place({"first": (6, 5)})
    with pytest.raises(BadInputError, match=r"second: no room .* 3 outputs x 8 .*2x8, 6x3"):
        pool.place({"second": (3, 8)})
    with pytest.raises(BadInputError, match="wide: no room"):
        pool.place({"wide": (1, 9)})


def test_a_model_that_does_not_fit_takes_nothing(real: Make) -> None:
    pool = CrossbarPool(real(8, 8))
    with pytest.raises(BadInputError):
        pool.place({"fits": (4, 8), "does not": (5, 8)})
    assert pool.place({"all": (8, 8)})


def test_a_pool_needs_a_crossbar() -> None:
    with pytest.raises(BadInputError, match="at least one"):
        CrossbarPool([])
