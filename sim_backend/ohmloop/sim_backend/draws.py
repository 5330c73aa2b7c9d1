"""A quantity of all cells, drawn with its spread: single precision, in place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .population import Map
from .population_keys import DISTRIBUTION, LOG_NORMAL, SPREAD, Quantity, spoken


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
    gains = rng.standard_normal(shape, np.float32)
    if kind == LOG_NORMAL:
        gains *= np.float32(spread)
        np.exp(gains, out=gains)
    else:
        lowest = max(-3.0, -0.9 / spread) if quantity.low >= 0 else -3.0
        np.clip(gains, lowest, 3, out=gains)
    found = gains[:, :, None] * mean if quantity.axes else _times(gains, mean)
    if kind != LOG_NORMAL:
        found *= np.float32(spread)
        found += mean
    return _within(found, quantity)


def _times(gains: Map, mean: Map) -> Map:
    gains *= mean
    return gains


def _within(found: Map, quantity: Quantity) -> Map:
    if quantity.low not in (0, -math.inf):
        np.maximum(found, np.float32(quantity.low), out=found)
    if quantity.high < math.inf:
        np.minimum(found, np.float32(quantity.high), out=found)
    return found
