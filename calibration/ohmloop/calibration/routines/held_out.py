"""Held-out sequences: random pulses that no fit sees, to say how well a twin predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from ohmloop.calibration.measuring.cost import Cost
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.routine import Routine
from ohmloop.calibration.measuring.session import Session
from ohmloop.calibration.raw import HELD_OUT, START
from ohmloop.drivers import CellPulses, Crossbar

from .programs import uniform

if TYPE_CHECKING:
    import xarray as xr

Count = Annotated[int, Field(ge=1)]


class HeldOut(Routine):
    """Random sequences of up and down pulses that no fit sees, each repeated.

    Attributes:
        length: steps of a sequence.
        pulses: most pulses of a step; number and direction are drawn for each cell.
        repeats: how often every cell's sequence is repeated; at least 2, for the chip's own
            repeatability.
        start: down pulses before every repeat, so that repeats start alike.
    """

    name: ClassVar[str] = "held_out"

    length: Count = 6
    pulses: Count = 4
    repeats: Annotated[int, Field(ge=2)] = 3
    start: Annotated[int, Field(ge=0)] = 6

    def cost(self, crossbar: Crossbar) -> Cost:  # noqa: ARG002 - the same for every shape
        """Programs, maps, and pulses and reads a cell."""
        maps = self.repeats * (1 + self.length)
        programs = maps if self.start else maps - self.repeats
        pulses = self.repeats * (self.start + self.length * (1 + self.pulses) / 2)
        most = self.repeats * (self.start + self.length * self.pulses)
        key = "start" if self.start >= self.pulses else "pulses"
        return Cost(programs, maps, pulses, maps, 0.0, most, max(self.start, self.pulses), key)

    def acquire(self, session: Session) -> None:
        """Every cell's own random sequence, again and again from a comparable start."""
        size = (self.length, *session.shape)
        counts = session.rng.integers(1, self.pulses, size, dtype=np.int32, endpoint=True)
        counts *= session.rng.choice(np.array([-1, 1], np.int32), size)
        for repeat in range(self.repeats):
            if self.start:
                program = uniform(session.shape, -self.start)
                session.pulse(program, label=START, repeat=repeat)
            session.read(label=START, repeat=repeat)
            for step in counts:
                session.pulse(CellPulses(step), label=HELD_OUT, repeat=repeat)
                session.read(label=HELD_OUT, repeat=repeat)

    def analyse(self, measured: Measured) -> xr.Dataset:
        """How well the chip repeats itself: the standard deviation between repeats."""
        import xarray as xr

        readings = measured.readings(HELD_OUT).reshape(self.repeats, self.length, *measured.shape)
        spread = np.sqrt(readings.var(axis=0, ddof=1).mean(axis=0))
        attrs = {"units": "S", "long_name": "deviation of repeats from each other"}
        data = xr.Dataset({"repeatability": (("row", "column"), spread, attrs)})
        data.attrs["verdict"] = f"repeats differ by {1e6 * np.nanmedian(spread):.2g} uS (median)"
        return data
