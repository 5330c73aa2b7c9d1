"""Symmetric point, by alternating single pulses to a fixed point.

Alternating up and down pulses pull a cell to its symmetric point (Kim et al., arXiv:1907.10228).
Of where it started, ``rho^n`` is left after n pulses, and a step near the middle of the range goes
``1 - rho = 2 granularity / range`` of the way, where slopes are equal. So a share ``error`` is left
after ``n = range ln(1/error) / (2 granularity)`` pulses: thousands, for a chip of many states. The
routine goes on until the cells' drift cannot be told from their noise, and no longer than it may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ohmloop.calibration.measuring.cost import Cost
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.routine import Routine
from ohmloop.calibration.measuring.session import Session
from ohmloop.calibration.raw import ALTERNATE, APPROACH, TRAIN
from ohmloop.drivers import Crossbar
from ohmloop.drivers.alternation import SETTLED, alternation, drift, drift_in_errors, fixed_point

from .programs import uniform

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[np.float64]

__all__ = ["SymmetricPointRoutine", "drift_in_errors"]


class SymmetricPointRoutine(Routine):
    """Where up and down pulses cancel: alternating pulses to a fixed point.

    Attributes:
        approach: up pulses (down, if negative) before the alternation, to begin near the point.
        reads: fewest readings while pulses alternate; a multiple of 8.
        most_reads: most readings; beyond ``reads``, only as long as the cells drift.
        pulses_per_read: pulses between two readings; an odd number, so that readings after an up
            and after a down pulse are equally many.
        error: share of the distance from the start that may be left, for the number of pulses that
            theory asks for.
    """

    name: ClassVar[str] = "symmetric_point"

    approach: int = 16
    reads: Annotated[int, Field(ge=8)] = 8
    most_reads: Annotated[int, Field(ge=8)] = 8
    pulses_per_read: Annotated[int, Field(ge=1)] = 5
    error: Annotated[float, Field(gt=0, lt=1)] = 0.01

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.reads % 8 or self.most_reads % 8:
            raise ValueError("reads and most_reads must be multiples of 8")
        if self.most_reads < self.reads:
            raise ValueError("most_reads must not be below reads")
        if not self.pulses_per_read % 2:
            raise ValueError("pulses_per_read must be odd")
        return self

    def cost(self, crossbar: Crossbar) -> Cost:  # noqa: ARG002 - the same for every shape
        """If cells drift to the end."""
        first = 1 if self.approach else 0
        pulses = abs(self.approach) + self.most_reads * self.pulses_per_read
        key = "pulses_per_read" if self.pulses_per_read > abs(self.approach) else "approach"
        most = max(abs(self.approach), self.pulses_per_read)
        reads = 1 + self.most_reads
        return Cost(self.most_reads + first, reads, pulses, reads, 0.0, pulses, most, key)

    def acquire(self, session: Session) -> None:
        """Up, down, up, ...: an odd number before each reading, going on where the last stopped."""
        if self.approach:
            session.pulse(uniform(session.shape, self.approach), label=APPROACH)
        session.read(label=APPROACH)
        first, readings = 1, list[Array]()
        while len(readings) < self.most_reads:
            signs = first * (-1) ** np.arange(self.pulses_per_read)
            session.pulse(alternation(session.shape, signs), label=ALTERNATE)
            readings.append(session.read(label=ALTERNATE))
            first = -int(signs[-1])
            enough = len(readings) >= self.reads and len(readings) % 8 == 0
            if enough and drift_in_errors(np.array(readings)) < SETTLED:
                return

    def analyse(self, measured: Measured) -> xr.Dataset:
        """The mean of the second half of the readings, its error, and whether cells still drift."""
        import xarray as xr

        readings = measured.readings(ALTERNATE)
        point, error = fixed_point(readings)
        maps = {
            "symmetric_point": (point, "symmetric point, by alternation"),
            "symmetric_point_stderr": (error, "its standard error"),
            "drift": (drift(readings), "change from the third to the last quarter of readings"),
        }
        data = xr.Dataset(
            {
                name: (("row", "column"), values, {"units": "S", "long_name": meaning})
                for name, (values, meaning) in maps.items()
            }
        )
        given = len(readings) * self.pulses_per_read
        drifts = drift_in_errors(readings)
        data.attrs |= {"pulses": given, "drift_in_errors": drifts}
        if (wanted := self._by_theory(measured)) is not None:
            data.attrs["pulses_by_theory"] = wanted
        settled = drifts < SETTLED
        data.attrs["verdict"] = (
            f"after {given} alternating pulses the cells"
            f" {'have settled' if settled else 'still drift'}: their mean drift is"
            f" {drifts:.2g} of its standard errors"
        )
        return data

    def _by_theory(self, measured: Measured) -> int | None:
        """Pulses after which ``error`` is left, from the trains of the pulse response."""
        trains = measured.other("pulse_response")
        if trains is None:
            return None
        readings = trains.readings(TRAIN)
        raw = trains.raw()
        pulses = np.abs(raw["pulses"].to_numpy()[raw["phase"].to_numpy() == TRAIN])
        reach = readings.max(axis=0) - readings.min(axis=0)
        moved = np.abs(np.diff(readings, axis=0)).sum(axis=0)
        given = pulses[1:].sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            wanted = reach * np.log(1 / self.error) / (2 * moved / given)
        wanted = wanted[np.isfinite(wanted)]
        return int(np.median(wanted)) if wanted.size else None
