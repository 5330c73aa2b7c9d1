"""The cells of one crossbar: parameters drawn with device-to-device spread, or fitted to a chip."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ohmloop.drivers import BadInputError, Characteristics
from ohmloop.drivers.units import Siemens
from ohmloop.drivers.validation import Record

from .soft_bounds import SoftBounds

Map = NDArray[np.float32]
Spread = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Population:
    """The cells of one crossbar; every field is a map ``(rows, columns)``, or one value for all.

    Kept in single precision, and one value for all as one value, so that large arrays stay small.

    Attributes:
        response: response function, with maps for parameters.
        dg_std: cycle-to-cycle noise of a step, relative to the step.
        read_std: read noise, relative to the conductance.
        conductance: where the cells are at first, S.
        dg_add: cycle-to-cycle noise of a step that does not depend on its size, S.
        endurance: pulses after which a cell does not move any more; 0 = it never tires.

    Raises:
        BadInputError: names the parameter that cannot be.
    """

    response: SoftBounds
    dg_std: Map
    read_std: Map
    conductance: Map
    dg_add: Map | float = 0.0
    endurance: Map | float = 0.0

    def __post_init__(self) -> None:
        kind, values = type(self.response), self.response.parameters()
        shape = np.broadcast_shapes(*(np.shape(v) for v in values), np.shape(self.conductance))
        if len(shape) != 2:
            raise BadInputError(f"population: the parameters are maps of {shape}, not of 2 axes")
        maps = [self._map(f.name, v, shape) for f, v in zip(fields(kind), values, strict=True)]
        object.__setattr__(self, "response", kind(*maps).checked())
        for name in ("dg_std", "read_std", "conductance", "dg_add", "endurance"):
            values = self._map(name, getattr(self, name), shape)
            if not values.min() >= 0 and not (name == "conductance" and self._signed):
                raise BadInputError(f"population: {name} must be 0 or more")
            object.__setattr__(self, name, values)

    @staticmethod
    def _map(name: str, values: Any, shape: tuple[int, ...]) -> Map:
        found = np.asarray(values, np.float32)
        try:
            found = np.broadcast_to(found, shape)
        except ValueError:
            raise BadInputError(f"population: {name} is {found.shape}, not {shape}") from None
        low, high = found.min(initial=0), found.max(initial=0)
        if not (np.isfinite(low) and np.isfinite(high)):
            raise BadInputError(f"population: {name} must be finite")
        return found if found.strides == (0, 0) else np.ascontiguousarray(found)

    @property
    def _signed(self) -> bool:
        """Whether states are weights, which may be negative."""
        return bool(self.response.g_min.min() < 0)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.response.g_min.shape
        return rows, columns

    @property
    def g_min(self) -> Map:
        """Lower bounds, S."""
        return self.response.g_min

    @property
    def g_max(self) -> Map:
        """Upper bounds, S."""
        return self.response.g_max

    def characteristics(self, usable: NDArray[np.bool_] | None = None) -> Characteristics:
        """What training wants to know of the cells."""
        known = ("g_min", "g_max", "symmetric_point", "dg_min")
        response = type(self.response)(*(v.astype(np.float64) for v in self.response.parameters()))
        return Characteristics(
            **{name: np.asarray(getattr(response, name)) for name in known},
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
        SoftBounds(g_min, g_max, up, down),
        dg_std=np.float32(spec.dg_std),
        read_std=np.float32(spec.read_std),
        conductance=g_min + place * (g_max - g_min),
    )


def _within(spread: float, shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Normal, cut at three standard deviations and above -0.9: a bound stays a bound."""
    clipped: Map = np.clip(spread * np.clip(rng.standard_normal(shape), -3, 3), -0.9, None)
    return clipped
