"""Retention: what programmed states do when they are left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ohmloop.calibration.analysis.relaxation import Decay, Drift, decay, drift, per_decade, spread
from ohmloop.calibration.drawing import BLUE, GREEN, GREY, ORANGE, drawing
from ohmloop.calibration.measuring.cost import Cost
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.routine import Routine
from ohmloop.calibration.measuring.session import Session
from ohmloop.drivers import CellPulses, Crossbar
from ohmloop.drivers.units import Seconds

from .results import as_dataset, with_errors

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
_LABEL, _PROGRAM = "left alone", "program"
_LINE_CYCLE = 0.02  # s, at 50 Hz
_DEFAULT_SHORTEST, _DEFAULT_LONGEST, _DEFAULT_BEGIN = 0.1, 1000.0, 1.0


class Retention(Routine):
    """Programs several levels, leaves the cells alone, and reads at waits ever longer.

    Neighbouring cells get different levels, so that one wait serves all levels: first down pulses
    for all, then up pulses, level by level more.

    Attributes:
        levels: how many.
        down_pulses: to the bottom.
        up_pulses: of the highest level.
        shortest: first wait, s.
        longest: time from the programming to the last reading, s.
        per_decade: readings in a factor of ten of time.
        begin: age from which on drift is fitted, s.
    """

    name: ClassVar[str] = "retention"

    levels: Annotated[int, Field(ge=1, le=64)] = 4
    down_pulses: Annotated[int, Field(ge=0)] = 60
    up_pulses: Annotated[int, Field(ge=1)] = 60
    shortest: Annotated[Seconds, Field(gt=0)] = _DEFAULT_SHORTEST
    longest: Annotated[Seconds, Field(gt=0)] = _DEFAULT_LONGEST
    per_decade: Annotated[int, Field(ge=1)] = 4
    begin: Annotated[Seconds, Field(ge=0)] = _DEFAULT_BEGIN

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.longest < 10 * max(self.shortest, self.begin):
            raise ValueError("longest must be at least ten times shortest and begin")
        return self

    @property
    def moments(self) -> Array:
        """Ages at which cells are read after the first reading, s."""
        decades = np.log10(self.longest / self.shortest)
        found: Array = np.geomspace(
            self.shortest, self.longest, max(round(decades * self.per_decade), 1) + 1
        )
        return found

    def cost(self, crossbar: Crossbar) -> Cost:  # noqa: ARG002
        """Two programs, the maps, and the waits."""
        maps = self.moments.size + 1
        most = self.down_pulses + self.up_pulses
        pulses = self.down_pulses + self.up_pulses * (self.levels + 1) / (2 * self.levels)
        return Cost(
            programs=2,
            maps=maps,
            pulses=pulses,
            reads=maps,
            waiting=self.longest,
            most_pulses=most,
            most_per_program=max(self.down_pulses, self.up_pulses),
            key="down_pulses" if self.down_pulses > self.up_pulses else "up_pulses",
        )

    def acquire(self, session: Session) -> None:
        """Program, then read and wait.

        Waits are of fixed length, so that a resumed measurement waits the same; when readings
        really were is in the store.
        """
        if self.down_pulses:
            down = np.full(session.shape, -self.down_pulses, np.int32)
            session.pulse(CellPulses(down), label=_PROGRAM)
        session.pulse(CellPulses(self.counts(session.shape)), label=_PROGRAM)
        session.read(label=_LABEL)
        before = 0.0
        for moment in self.moments:
            session.wait(float(moment) - before, label=_LABEL)
            session.read(label=_LABEL)
            before = float(moment)

    def counts(self, shape: tuple[int, int]) -> NDArray[np.int32]:
        """Up pulses of every cell."""
        level = self.level_of(shape)
        pulses: NDArray[np.int32] = np.round(self.up_pulses * (level + 1) / self.levels).astype(
            np.int32
        )
        return np.maximum(pulses, 1)

    def level_of(self, shape: tuple[int, int]) -> NDArray[np.int64]:
        """Level of every cell, from 0."""
        rows, columns = np.indices(shape)
        found: NDArray[np.int64] = (rows + columns) % self.levels
        return found

    @classmethod
    def figure(cls, found: xr.Dataset) -> Figure:
        """Levels over time, and how cells spread."""
        return figure(found)

    def analyse(self, measured: Measured) -> xr.Dataset:
        """Drift, decay and spreading."""
        readings = measured.readings(_LABEL).reshape(-1, int(np.prod(measured.shape)))
        reading = measured.reading
        times = measured.times(_LABEL)
        ages = times - times[0] + reading.settle + reading.nplc * _LINE_CYCLE
        level = self.level_of(measured.shape).ravel()
        doubt = "; programming is in doubt" if measured.in_doubt() else ""
        return retention_of(readings, ages, level, measured.shape, self.begin, doubt)


def retention_of(
    readings: Array,
    ages: Array,
    level: NDArray[np.int64],
    shape: tuple[int, int],
    begin: float = 0.0,
    remark: str = "",
) -> xr.Dataset:
    """What readings of cells say that were programmed and left alone.

    Args:
        readings: ``(n, cells)``, S.
        ages: time since the programming, s, ``(n,)``.
        level: of each cell, from 0.
        shape: rows and columns.
        begin: age from which on drift is fitted, s.
        remark: added to the verdict.
    """
    late = ages >= begin
    power, exponential = drift(readings, ages, begin), decay(readings[late], ages[late])
    maps = {
        "level": (level, "1", "level that a cell was programmed to"),
        "programmed": (readings[0], "S", "first reading"),
        "lost": (readings[0] - readings[-1], "S", "first reading less the last"),
        **with_errors("drift_nu", power.nu, power.stderr, "1", "drift exponent"),
        **with_errors(
            "lifetime", exponential.lifetime, exponential.stderr, "s", "time of decay to 1/e"
        ),
        **with_errors("rest", exponential.rest, exponential.rest_stderr, "S", "left in the end"),
    }
    std, error = spread(readings)
    each = [readings[:, level == k] for k in range(int(level.max()) + 1)]
    levels = np.array([np.nanmedian(g, axis=1) for g in each])
    slope, slope_error = per_decade(std[1:], error[1:], ages[1:])
    others: dict[str, tuple[tuple[str, ...], Any, str, str]] = {
        "age": (("age",), ages, "s", "time since the programming"),
        "spread": (("age",), std, "S", "standard deviation over cells of the change"),
        "spread_stderr": (("age",), error, "S", "standard error of spread"),
        "level_median": (("level_index", "age"), levels, "S", "median of each level"),
        "spread_per_decade": ((), slope, "S", "growth of spread in a factor of ten of time"),
        "spread_per_decade_stderr": ((), slope_error, "S", "its standard error"),
    }
    verdict = _words(power, exponential, readings[late], std[-1], ages[-1]) + remark
    return as_dataset(shape, maps, others, verdict=verdict)


def figure(found: xr.Dataset) -> Figure:
    """Levels over time, and how cells spread."""
    micro, ages = 1e6, found["age"].to_numpy()
    with drawing(1, 2, (6.5, 2.6)) as (fig, axes):
        colours = (BLUE, ORANGE, GREEN, GREY)
        for k, level in enumerate(found["level_median"].to_numpy()):
            axes[0].plot(ages, level * micro, ".-", color=colours[k % len(colours)])
        axes[0].set(xscale="log", xlabel="time (s)", ylabel="median of a level (uS)")
        axes[1].errorbar(
            ages, found["spread"] * micro, found["spread_stderr"] * micro, fmt=".-", color=BLUE
        )
        axes[1].set(xscale="log", xlabel="time (s)", ylabel="spread of the change (uS)")
    return fig


def _words(power: Drift, exponential: Decay, readings: Array, std: float, age: float) -> str:
    """Which law describes all cells best, by Schwarz's criterion."""
    n = readings.size
    flat = np.nansum((readings / readings.mean(axis=0) - 1) ** 2)
    cells = readings.shape[1]
    scores = {
        "no drift": n * np.log(max(flat, 1e-300) / n) + cells * np.log(n),
        "drift": n * np.log(max(np.nansum(power.misfit), 1e-300) / n) + 2 * cells * np.log(n),
        "decay": n * np.log(max(np.nansum(exponential.misfit), 1e-300) / n) + 3 * cells * np.log(n),
    }
    best = min(scores, key=lambda name: scores[name])
    said = {
        "no drift": "no drift is told from noise",
        "drift": f"power-law drift, exponent {np.nanmedian(power.nu):.3g} in the median",
        "decay": "exponential decay"
        + (
            f", lifetime {np.nanmedian(exponential.lifetime):.3g} s in the median"
            if np.isfinite(exponential.lifetime).any()
            else ""
        ),
    }[best]
    return f"{said}; after {age:.3g} s cells have spread by {std * 1e6:.2g} uS"
