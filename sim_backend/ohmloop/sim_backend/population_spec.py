"""Cells drawn with a spread from device to device."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ohmloop.drivers.units import Siemens
from ohmloop.drivers.validation import Record

from .population import Map, Population
from .responses import SoftBounds

Spread = Annotated[float, Field(ge=0, le=1)]


class PopulationSpec(Record):
    """How cells are made: means, and relative spreads from cell to cell (``_dtod``).

    Attributes:
        model: the response function.
        g_min: mean lower bound, S.
        g_max: mean upper bound, S.
        g_min_dtod: spread of the lower bound (normal).
        g_max_dtod: spread of the upper bound (normal).
        slope_up: median share of the way of an up pulse.
        slope_down: the same of a down pulse.
        slope_dtod: spread of both, each by itself (log-normal).
        dg_std: cycle-to-cycle noise.
        read_std: read noise.
        start: where fresh cells are: anywhere between the bounds, or at the lower bound.
    """

    model: Literal["soft-bounds"] = "soft-bounds"
    g_min: Annotated[Siemens, Field(ge=0)] = 5e-6
    g_max: Annotated[Siemens, Field(gt=0)] = 60e-6
    g_min_dtod: Spread = 0.1
    g_max_dtod: Spread = 0.1
    slope_up: Annotated[float, Field(gt=0, le=0.5)] = 0.02
    slope_down: Annotated[float, Field(gt=0, le=0.5)] = 0.02
    slope_dtod: Spread = 0.15
    dg_std: Annotated[float, Field(ge=0)] = 0.3
    read_std: Annotated[float, Field(ge=0, le=1)] = 0.005
    start: Literal["random", "low"] = "random"


def sample(spec: PopulationSpec, shape: tuple[int, int], rng: np.random.Generator) -> Population:
    """Draw the cells of one crossbar.

    Args:
        spec: means and spreads.
        shape: rows and columns.
        rng: the generator; the same state gives the same cells.

    Raises:
        BadInputError: the bounds cross.
    """
    low = _around(spec.g_min, spec.g_min_dtod, shape, rng)
    high = _around(spec.g_max, spec.g_max_dtod, shape, rng)
    up, down = (_slopes(s, spec.slope_dtod, shape, rng) for s in (spec.slope_up, spec.slope_down))
    if spec.start == "random":
        start = rng.random(shape, np.float32)
        start *= np.float32(0.6)
        start += np.float32(0.2)
        start *= high - low
        start += low
    else:
        start = low
    return Population(
        SoftBounds(low, high, up, down),
        dg_std=np.array(spec.dg_std, np.float32),
        read_std=np.array(spec.read_std, np.float32),
        conductance=start,
    )


def _around(mean: float, spread: float, shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Normal, cut at three standard deviations and above a tenth of the mean."""
    if not spread:
        return np.full(shape, mean, np.float32)
    values = rng.standard_normal(shape, np.float32)
    np.clip(values, max(-3, -0.9 / spread), 3, out=values)
    values *= np.float32(mean * spread)
    values += np.float32(mean)
    return values


def _slopes(median: float, spread: float, shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Log-normal, up to 1."""
    values = rng.standard_normal(shape, np.float32)
    values *= np.float32(spread)
    np.exp(values, out=values)
    values *= np.float32(median)
    return np.minimum(values, np.float32(1), out=values)
