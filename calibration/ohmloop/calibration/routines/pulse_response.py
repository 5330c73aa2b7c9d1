"""Pulse response: trains of up and of down pulses, read as they go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ohmloop.calibration.measuring.cost import Cost
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.routine import Routine
from ohmloop.calibration.measuring.session import Session
from ohmloop.calibration.raw import READS, TRAIN
from ohmloop.drivers import ALL, BadInputError, Crossbar
from ohmloop.drivers.crossbar import Lines, line_indices

from .programs import chosen, portions

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[np.float64]
Count = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=0)]


class PulseResponse(Routine):
    """How every cell responds to trains of up and of down pulses.

    First repeated readings of the untouched chip, then ``cycles`` of an up and a down train. Every
    step is one program and one reading for all cells, so the number of messages does not grow with
    the crossbar.

    Attributes:
        reads: readings of the untouched chip; they give the read noise.
        up_pulses: pulses of an up train.
        down_pulses: pulses of a down train.
        cycles: pairs of an up and a down train.
        pulses_per_read: pulses between two readings of a train.
        rows: rows whose cells are pulsed and read; all by default.
        columns: columns whose cells are pulsed and read; all by default.
    """

    name: ClassVar[str] = "pulse_response"

    reads: Annotated[int, Field(ge=2)] = 8
    up_pulses: Annotated[int, Field(ge=4)] = 40
    down_pulses: Annotated[int, Field(ge=4)] = 40
    cycles: Count = 2
    pulses_per_read: Count = 5
    rows: Annotated[tuple[Index, ...], Field(min_length=1)] | None = None
    columns: Annotated[tuple[Index, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.pulses_per_read * 3 > min(self.up_pulses, self.down_pulses):
            raise ValueError("pulses_per_read must leave at least three readings a train")
        return self

    def cost(self, crossbar: Crossbar) -> Cost:
        """Programs, maps, and pulses and reads a cell."""
        per = self.pulses_per_read
        programs = self.cycles * (-(-self.up_pulses // per) + -(-self.down_pulses // per))
        maps, pulses = self.reads + programs, self.cycles * (self.up_pulses + self.down_pulses)
        rows, columns = self._lines(crossbar.shape)
        share = rows.size * columns.size / (crossbar.shape[0] * crossbar.shape[1])
        most = min(per, max(self.up_pulses, self.down_pulses))
        return Cost(
            programs, maps, share * pulses, share * maps, 0.0, pulses, most, "pulses_per_read"
        )

    def acquire(self, session: Session) -> None:
        """Read, then pulse and read."""
        rows, columns = self._lines(session.shape)
        asked: tuple[Lines, Lines] = (
            ALL if self.rows is None else rows,
            ALL if self.columns is None else columns,
        )
        for _ in range(self.reads):
            session.read(*asked, label=READS)
        for cycle in range(self.cycles):
            for sign, train in ((1, self.up_pulses), (-1, self.down_pulses)):
                for pulses in portions(train, self.pulses_per_read):
                    program = chosen(session.shape, sign * pulses, rows, columns)
                    session.pulse(program, label=TRAIN, repeat=cycle)
                    session.read(*asked, label=TRAIN, repeat=cycle)

    def analyse(self, measured: Measured) -> xr.Dataset:
        """What can be said without a model: window, mean steps, noise, how alike cycles are."""
        import xarray as xr

        still = measured.readings(READS)
        trains = measured.readings(TRAIN).reshape(self.cycles, -1, *measured.shape)
        ups = len(list(portions(self.up_pulses, self.pulses_per_read)))
        high, low = trains[:, ups - 1], trains[:, -1]
        begin = np.concatenate([still.mean(axis=0)[None], low[:-1]])
        maps = {
            "g_high": (high.mean(axis=0), "S", "conductance after an up train, mean of cycles"),
            "g_low": (low.mean(axis=0), "S", "conductance after a down train, mean of cycles"),
            "step_up": (
                (high - begin).mean(axis=0) / self.up_pulses, "S", "mean step of an up train",
            ),
            "step_down": (
                (low - high).mean(axis=0) / self.down_pulses, "S", "mean step of a down train",
            ),
            "read_std": (
                _relative(still), "1", "read noise, relative to the conductance",
            ),
        }  # fmt: skip
        if self.cycles > 1:
            spread = np.sqrt(trains[:, ups - 1 :].var(axis=0, ddof=1).mean(axis=0))
            maps["cycle_std"] = (spread, "S", "deviation of cycles from each other")
        data = xr.Dataset(
            {
                name: (("row", "column"), values, {"units": unit, "long_name": meaning})
                for name, (values, unit, meaning) in maps.items()
            }
        )
        opened = np.nanmedian(maps["g_high"][0] / np.maximum(maps["g_low"][0], 1e-15))
        data.attrs["verdict"] = f"up trains end {opened:.2g} times as high as down trains (median)"
        return data

    def _lines(self, shape: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        found = []
        for name, lines, count in zip(
            ("rows", "columns"), (self.rows, self.columns), shape, strict=True
        ):
            try:
                found.append(line_indices(ALL if lines is None else list(lines), count))
            except IndexError:
                raise BadInputError(
                    f"{self.name}: {name}: the crossbar has {count}, numbered from 0"
                ) from None
        return found[0], found[1]


def _relative(still: Array) -> Array:
    noise: Array = still.std(axis=0, ddof=1) / np.maximum(np.abs(still.mean(axis=0)), 1e-15)
    return noise
