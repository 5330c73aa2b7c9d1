"""A quantity of all cells, drawn with its spread: single precision, in place, cache by cache."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from .aligned import aligned_zeros
from .map_numbers import InOrder, Numbers, by_place
from .population import Map
from .population_keys import DISTRIBUTION, LOG_NORMAL, SPREAD, Quantity, spoken

_CHUNK = 1 << 15
"""Numbers that are drawn and worked on while a processor's cache has them."""
_LARGE, _BLOCKS = 1 << 20, 16
"""Cells from which numbers go by place, in so many blocks of rows, on all cores."""


def draw(
    quantity: Quantity,
    values: Mapping[str, Any],
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> Map:
    """One value for all where nothing spreads, else a map; of a table, ``(*shape, nodes)``.

    Args:
        quantity: which.
        values: keys of a specification, SI; a quantity that is not in it is 0.
        shape: rows and columns.
        rng: the generator; nothing is drawn of it where nothing spreads.
    """
    mean = np.asarray(values.get(quantity.name, 0.0), np.float32)
    spread = spoken(values, quantity.name, SPREAD) or 0.0
    if not spread or not mean.any():
        return mean
    kind = spoken(values, quantity.name, DISTRIBUTION) or quantity.distribution
    found = aligned_zeros((*shape, *mean.shape), np.float32)
    _all_rows(partial(_fill, quantity, mean, np.float32(spread), kind == LOG_NORMAL), found, rng)
    return found


def between(low: Map, high: Map, shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Uniform in the middle three fifths from ``low`` to ``high``, maps or one value for all."""
    found = aligned_zeros(shape, np.float32)
    low, high = np.broadcast_to(low, shape), np.broadcast_to(high, shape)
    _all_rows(_fill_between, found, rng, low, high)
    return found


def _all_rows(fill: Callable[..., None], found: Map, rng: np.random.Generator, *maps: Map) -> None:
    """``fill(rows, numbers, first cell, *maps of those rows)``, on all cores if there are many."""
    height, width = found.shape[:2]
    if height * width < _LARGE:
        fill(found, InOrder(rng), 0, *maps)
        return
    numbers = by_place(rng)
    edges = [height * k // _BLOCKS for k in range(_BLOCKS + 1)]
    blocks = [slice(a, b) for a, b in pairwise(edges)]

    def of_block(rows: slice) -> None:
        fill(found[rows], numbers, rows.start * width, *(one[rows] for one in maps))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(of_block, blocks))


def _fill_between(found: Map, numbers: Numbers, first: int, low: Map, high: Map) -> None:
    rows = max(1, _CHUNK // found.shape[1])
    for row in range(0, found.shape[0], rows):
        part, bottom = found[row : row + rows], low[row : row + rows]
        numbers.uniform(part, first + row * found.shape[1])
        part *= np.float32(0.6)
        part += np.float32(0.2)
        part *= high[row : row + rows] - bottom
        part += bottom


def _fill(
    quantity: Quantity,
    mean: Map,
    spread: np.float32,
    log_normal: bool,
    found: Map,
    numbers: Numbers,
    first: int,
) -> None:
    """Rows of a map."""
    rows = max(1, _CHUNK // (found.shape[1] * max(mean.size, 1)))
    for row in range(0, found.shape[0], rows):
        part = found[row : row + rows]
        gains = part if not quantity.axes else np.empty(part.shape[:2], np.float32)
        numbers.normal(gains, first + row * found.shape[1])
        _spread(gains, float(spread), log_normal, quantity)
        np.multiply(gains[..., None] if quantity.axes else gains, mean, out=part)
        if not log_normal:
            part *= spread
            part += mean
        _within(part, quantity)


def _spread(gains: Map, spread: float, log_normal: bool, quantity: Quantity) -> None:
    """Standard normal numbers as what a mean is multiplied with."""
    if log_normal:
        gains *= np.float32(spread)
        np.exp(gains, out=gains)
    else:
        lowest = max(-3.0, -0.9 / spread) if quantity.low >= 0 else -3.0
        np.clip(gains, lowest, 3, out=gains)


def _within(found: Map, quantity: Quantity) -> None:
    if quantity.low not in (0, -math.inf):
        np.maximum(found, np.float32(quantity.low), out=found)
    if quantity.high < math.inf:
        np.minimum(found, np.float32(quantity.high), out=found)
