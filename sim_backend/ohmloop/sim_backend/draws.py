"""A quantity of all cells, drawn with its spread: single precision, in place, cache by cache."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .population import Map
from .population_keys import DISTRIBUTION, LOG_NORMAL, SPREAD, Quantity, spoken

_CHUNK = 1 << 15
"""Numbers that are drawn and worked on while a processor's cache has them."""


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
    found = np.empty((*shape, *mean.shape), np.float32)
    rows = max(1, _CHUNK // (shape[1] * max(mean.size, 1)))
    for row in range(0, shape[0], rows):
        part = found[row : row + rows]
        gains = part if not quantity.axes else np.empty(part.shape[:2], np.float32)
        rng.standard_normal(dtype=np.float32, out=gains)
        _spread(gains, spread, kind == LOG_NORMAL, quantity)
        np.multiply(gains[..., None] if quantity.axes else gains, mean, out=part)
        if kind != LOG_NORMAL:
            part *= np.float32(spread)
            part += mean
        _within(part, quantity)
    return found


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
