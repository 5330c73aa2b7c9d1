"""The cells of one crossbar: parameters drawn with device-to-device spread, or fitted to a chip."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ohmloop.drivers import BadInputError, Characteristics
from ohmloop.drivers.units import Siemens
from ohmloop.drivers.validation import Record

from .soft_bounds import SoftBounds

Map = NDArray[np.float64]
Spread = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Population:
    """Soft-bounds cells; every field is a map ``(rows, columns)``.

    Attributes:
        g_min: lower bound, S.
        g_max: upper bound, S.
        slope_up: see ``SoftBounds``.
        slope_down: see ``SoftBounds``.
        dg_std: cycle-to-cycle noise of a step, relative to the step.
        read_std: read noise, relative to the conductance.
        conductance: where the cells are at first, S.

    Raises:
        BadInputError: names the parameter that cannot be.
    """

    g_min: Map
    g_max: Map
    slope_up: Map
    slope_down: Map
    dg_std: Map
    read_std: Map
    conductance: Map

    def __post_init__(self) -> None:
        shape = np.shape(self.g_min)
        for field in fields(self):
            values = np.ascontiguousarray(getattr(self, field.name), np.float64)
            if values.ndim != 2 or values.shape != shape:
                raise BadInputError(f"population: {field.name} is {values.shape}, not {shape}")
            if not np.isfinite(values).all() or (values < 0).any():
                raise BadInputError(f"population: {field.name} must be finite and not negative")
            object.__setattr__(self, field.name, values)
        if not (self.g_min < self.g_max).all():
            raise BadInputError("population: g_min must be below g_max in every cell")
        for name in ("slope_up", "slope_down"):
            slope = getattr(self, name)
            if not ((slope > 0) & (slope <= 1)).all():
                raise BadInputError(f"population: {name} must lie above 0 and up to 1")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.g_min.shape[0], self.g_min.shape[1]

    @property
    def response(self) -> SoftBounds:
        """Response functions of all cells, as maps."""
        return SoftBounds(self.g_min, self.g_max, self.slope_up, self.slope_down)

    def characteristics(self, usable: NDArray[np.bool_] | None = None) -> Characteristics:
        """What training wants to know of the cells."""
        return Characteristics(
            g_min=self.g_min,
            g_max=self.g_max,
            symmetric_point=self.response.symmetric_point,
            dg_min=self.response.dg_min,
            usable=np.ones(self.shape, bool) if usable is None else usable,
        )


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
    g_min = spec.g_min * (1 + _within(spec.g_min_dtod, shape, rng))
    g_max = spec.g_max * (1 + _within(spec.g_max_dtod, shape, rng))
    up, down = (
        np.minimum(slope * np.exp(spec.slope_dtod * rng.standard_normal(shape)), 1.0)
        for slope in (spec.slope_up, spec.slope_down)
    )
    place = rng.uniform(0.2, 0.8, shape) if spec.start == "random" else np.zeros(shape)
    return Population(
        g_min=g_min,
        g_max=g_max,
        slope_up=up,
        slope_down=down,
        dg_std=np.full(shape, spec.dg_std),
        read_std=np.full(shape, spec.read_std),
        conductance=g_min + place * (g_max - g_min),
    )


def _within(spread: float, shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Normal, cut at three standard deviations and above -0.9: a bound stays a bound."""
    clipped: Map = np.clip(spread * np.clip(rng.standard_normal(shape), -3, 3), -0.9, None)
    return clipped
