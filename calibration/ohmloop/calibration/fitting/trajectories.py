"""What is fitted: readings of cells, and the pulses between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.raw import FITTED, steps_of
from ohmloop.drivers import BadInputError

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[np.float64]
Counts = NDArray[np.int32]
Flags = NDArray[np.bool_]


def _no_starts() -> Flags:
    return np.zeros(0, bool)


@dataclass(frozen=True, slots=True)
class Trajectories:
    """Readings of many cells, and the pulses before each.

    Attributes:
        readings: ``(steps, cells)``, S (or any unit: states may be negative); NaN where not read.
        pulses: signed counts before each reading, ``(steps, cells)``, positive = up.
        starts: steps at which trajectories begin anew, ``(steps,)``: what the cells went through
            before is not known, so only the reading there counts. The first step always is one.

    Raises:
        BadInputError: arrays that do not match, or nothing to fit.
    """

    readings: Array
    pulses: Counts
    starts: Flags = field(default_factory=_no_starts)

    def __post_init__(self) -> None:
        readings, pulses = np.asarray(self.readings, float), np.asarray(self.pulses)
        if readings.ndim != 2 or readings.shape != pulses.shape:
            raise BadInputError(
                f"trajectories: readings are {readings.shape} and pulses {pulses.shape}; both must"
                " be (steps, cells)"
            )
        if len(readings) < 2 or not readings.shape[1]:
            raise BadInputError("trajectories: there must be at least 2 steps and 1 cell")
        starts = np.array(self.starts, bool)
        starts = starts if starts.size else np.zeros(len(readings), bool)
        if starts.shape != (len(readings),):
            raise BadInputError(f"trajectories: starts are {starts.shape}, not ({len(readings)},)")
        starts[0] = True
        readings = np.where(np.isfinite(readings), readings, np.nan)
        object.__setattr__(self, "readings", readings)
        object.__setattr__(self, "pulses", np.asarray(pulses, np.int32))
        object.__setattr__(self, "starts", starts)

    @property
    def steps(self) -> int:
        """How many."""
        return len(self.readings)

    @property
    def cells(self) -> int:
        """How many."""
        return int(self.readings.shape[1])

    @property
    def signed(self) -> bool:
        """Whether states may be negative, so that noise relative to a reading has no meaning."""
        return bool(np.nanmin(self.readings, initial=np.inf) <= 0)

    def of(self, cells: Any) -> Self:
        """The trajectories of some cells."""
        return type(self)(self.readings[:, cells], self.pulses[:, cells], self.starts)

    def without(self, held: Flags) -> Self:
        """The same with the readings of some steps (steps,) not seen; the pulses were given."""
        readings = self.readings.copy()
        readings[held] = np.nan
        return type(self)(readings, self.pulses, self.starts)

    @classmethod
    def of_raw(cls, raw: xr.Dataset, *phases: str) -> Self:
        """Of a raw dataset; by default of the phases that a fit may see.

        Where steps in between belong to other phases a trajectory begins anew.
        """
        steps = steps_of(raw, *(phases or FITTED))
        if steps.size < 2:
            raise BadInputError("the raw data hold fewer than 2 steps to fit; measure again")
        readings, pulses = (
            raw[name].to_numpy()[steps].reshape(steps.size, -1)
            for name in ("conductance", "pulses")
        )
        starts = np.r_[True, np.diff(steps) > 1]
        if "broken" in raw.variables:
            broken = raw["broken"].to_numpy().astype(bool)
            before = np.concatenate([[0], np.cumsum(broken)])  # broken steps up to each
            since = before[steps + 1] - before[np.r_[0, steps[:-1] + 1]]
            starts |= since > 0
        return cls(readings, pulses, starts)
