"""Endurance: how often chosen cells can be set and reset until their window closes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ohmloop.calibration.drawing import BLUE, ORANGE, drawing
from ohmloop.calibration.measuring.cost import Cost
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.routine import Routine
from ohmloop.calibration.measuring.session import Session
from ohmloop.drivers import BadInputError, CellPulses, CoincidencePulses, Crossbar
from ohmloop.drivers.pulses import MAX_LENGTH

from .results import as_dataset, with_errors

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Index = Annotated[int, Field(ge=0)]
_ON, _OFF = "after set", "after reset"
_SAMPLES = 512  # of one program: a few hundred kilobytes for wide crossbars


class Endurance(Routine):
    """Sets and resets chosen cells over and over, and reads both states at cycles ever later.

    It wears cells out, so they have to be named. A cell whose window has closed is not pulsed any
    more.

    Attributes:
        cells: row and column of each.
        cycles: in all.
        set_pulses: up pulses of a cycle.
        reset_pulses: down pulses of a cycle.
        reads_per_decade: cycles that are read in a factor of ten.
        closed: share of its first window at which a cell has failed.
    """

    name: ClassVar[str] = "endurance"

    cells: Annotated[tuple[tuple[Index, Index], ...], Field(min_length=1)]
    cycles: Annotated[int, Field(ge=2)] = 1000
    set_pulses: Annotated[int, Field(ge=1, le=MAX_LENGTH)] = 20
    reset_pulses: Annotated[int, Field(ge=1, le=MAX_LENGTH)] = 20
    reads_per_decade: Annotated[int, Field(ge=1)] = 4
    closed: Annotated[float, Field(gt=0, lt=1)] = 0.5

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.cells)) != len(self.cells):
            raise ValueError("cells: one is named twice")
        return self

    @property
    def read_at(self) -> list[int]:
        """Cycles that are read, from 1."""
        count = round(np.log10(self.cycles) * self.reads_per_decade) + 1
        return sorted({1, *np.geomspace(1, self.cycles, count).round().astype(int).tolist()})

    @property
    def per_program(self) -> int:
        """Cycles of one program, so that it does not become large."""
        return max(_SAMPLES // (2 * len(self.cells)), 1)

    def cost(self, crossbar: Crossbar) -> Cost:
        """All cycles of all chosen cells, as if none failed.

        Raises:
            BadInputError: a cell that the crossbar has not.
        """
        self._inside(crossbar.shape)
        size = crossbar.shape[0] * crossbar.shape[1]
        most = self.cycles * (self.set_pulses + self.reset_pulses)
        share, maps = len(self.cells) / size, 2 * len(self.read_at)
        between = np.diff([0, *self.read_at]) - 1
        programs = int(np.ceil(between / self.per_program).sum()) + maps
        rows, columns = (len({cell[k] for cell in self.cells}) for k in (0, 1))
        return Cost(
            programs=programs,
            maps=maps,
            pulses=most * share,
            reads=maps * rows * columns / size,
            most_pulses=most,
            most_per_program=self.per_program * (self.set_pulses + self.reset_pulses),
            key="set_pulses",
        )

    def acquire(self, session: Session) -> None:
        """Cycle and read.

        Raises:
            BadInputError: a cell that the crossbar has not.
            LimitError: all cycles together are beyond the life of a cell; nothing was sent.
        """
        self._inside(session.shape)
        alive = np.ones(len(self.cells), bool)
        first, done = np.zeros(len(self.cells)), 0
        for cycle in self.read_at:
            for count in self._split(cycle - 1 - done):
                session.pulse(self.program(session.shape, alive, count), label="cycles")
            window = self._read(session, alive)
            first = window if cycle == 1 else first
            done = cycle
            alive &= ~failed(window, first, self.closed)
            if not alive.any():
                break

    @classmethod
    def figure(cls, found: xr.Dataset) -> Figure:
        """Both states over the cycles."""
        return figure(found)

    def analyse(self, measured: Measured) -> xr.Dataset:
        """Windows, and the cycle in which each cell failed."""
        rows, columns = np.array(self.cells).T
        on, off = (measured.readings(label)[:, rows, columns] for label in (_ON, _OFF))
        count = min(len(on), len(off))
        cycles = np.array(self.read_at[:count], float)
        found = failures(on[:count], off[:count], cycles, self.closed)
        maps = {
            name: (self._map(measured.shape, values), units, meaning)
            for name, (values, units, meaning) in found.items()
        }
        over = ("cycle", "cell")
        window = on[:count] - off[:count]
        others = {
            "cycle": (("cycle",), cycles, "1", "cycles done"),
            "on": (over, on[:count], "S", "after set"),
            "off": (over, off[:count], "S", "after reset"),
            "window": (over, window, "S", "window, on less off"),
            "cell_row": (("cell",), rows, "1", "row of a cell"),
            "cell_column": (("cell",), columns, "1", "column of a cell"),
        }
        lost = int(np.isfinite(found["failed_at"][0]).sum())
        verdict = f"{lost} of {len(self.cells)} cells failed within {int(cycles[-1])} cycles"
        if measured.in_doubt():
            verdict += f"; {len(measured.in_doubt())} programs are in doubt"
        return as_dataset(measured.shape, maps, others, verdict=verdict)

    def program(
        self, shape: tuple[int, int], alive: NDArray[np.bool_], cycles: int
    ) -> CoincidencePulses:
        """So many cycles of the cells that are alive, cell by cell, and of no other cell."""
        cells = np.array(self.cells)[alive]
        one = np.stack([cells, cells], axis=1).reshape(-1, 2)  # set, reset, next cell
        row, column = np.tile(one, (cycles, 1)).T
        batch = row.size
        counts = np.tile([self.set_pulses, self.reset_pulses], batch // 2)
        sample = np.arange(batch)
        rows, columns = (
            np.zeros((batch, shape[0]), np.uint64),
            np.zeros((batch, shape[1]), np.uint64),
        )
        rows[sample, row] = [(1 << int(n)) - 1 for n in counts]
        columns[sample, column] = [(1 << int(n)) - 1 for n in counts]
        signs = np.ones(rows.shape, np.int8)
        signs[1::2] = -1
        plus = np.ones(columns.shape, np.int8)
        return CoincidencePulses(
            rows, columns, signs, plus, max(self.set_pulses, self.reset_pulses)
        )

    def _read(self, session: Session, alive: NDArray[np.bool_]) -> Array:
        """One cycle with a reading after each half; the window of every cell."""
        rows, columns = (np.unique([cell[k] for cell in self.cells]) for k in (0, 1))
        places = [np.searchsorted(rows, [c[0] for c in self.cells])]
        places.append(np.searchsorted(columns, [c[1] for c in self.cells]))
        states = []
        for label, pulses in ((_ON, self.set_pulses), (_OFF, -self.reset_pulses)):
            counts = np.zeros(session.shape, np.int32)
            for row, column in np.array(self.cells)[alive]:
                counts[row, column] = pulses
            session.pulse(CellPulses(counts), label=label)
            states.append(session.read(rows, columns, label=label)[tuple(places)])
        found: Array = states[0] - states[1]
        return found

    def _split(self, cycles: int) -> list[int]:
        whole, left = divmod(max(cycles, 0), self.per_program)
        return [self.per_program] * whole + ([left] if left else [])

    def _inside(self, shape: tuple[int, int]) -> None:
        for row, column in self.cells:
            if row >= shape[0] or column >= shape[1]:
                raise BadInputError(
                    f"endurance: cells: there is no row {row}, column {column} in a crossbar of"
                    f" {shape[0]} x {shape[1]}"
                )

    def _map(self, shape: tuple[int, int], values: object) -> Array:
        found = np.full(shape, np.nan)
        rows, columns = np.array(self.cells).T
        found[rows, columns] = values
        return found


def failed(window: Array, first: Array, closed: float) -> NDArray[np.bool_]:
    """Whether a window has closed, or never was."""
    gone: NDArray[np.bool_] = ~(window >= closed * first) | ~(first > 0)
    return gone


def failures(
    on: Array, off: Array, cycles: Array, closed: float
) -> dict[str, tuple[Array, str, str]]:
    """Failing cycles and how windows change, each one value a cell.

    A cell fails somewhere between the last reading at which it was well and the first at which it
    was not. The trend is of readings at which it was well.

    Args:
        on: ``(readings, cells)``, S.
        off: the same after reset.
        cycles: of the readings.
        closed: share of the first window.
    """
    window = on - off
    gone = failed(window, window[0], closed)
    gone = np.maximum.accumulate(gone, axis=0)
    ever, at = gone.any(axis=0), gone.argmax(axis=0)
    failed_at = np.where(ever, cycles[at], np.nan)
    well = np.where(ever, np.where(at > 0, cycles[np.maximum(at - 1, 0)], 0), cycles[-1])
    slope, error = np.full((2, window.shape[1]), np.nan)
    for cell in range(window.shape[1]):
        kept = ~gone[:, cell]
        if kept.sum() > 2 and window[0, cell] > 0:
            slope[cell], error[cell] = _trend(
                np.log10(cycles[kept]), window[kept, cell] / window[0, cell]
            )
    return {
        "window_first": (window[0], "S", "window in the first cycle"),
        "failed_at": (failed_at, "1", "first cycle read at which the window had closed"),
        "well_at": (well, "1", "last cycle read at which it had not"),
        **with_errors("closing", slope, error, "1", "change of the window in a factor of ten"),
    }


def figure(found: xr.Dataset) -> Figure:
    """Both states over the cycles."""
    with drawing(1, 1, (3.6, 2.6)) as (fig, ax):
        cycles = found["cycle"].to_numpy()
        for name, colour in (("on", BLUE), ("off", ORANGE)):
            ax.plot(cycles, found[name].to_numpy() * 1e6, ".-", color=colour, alpha=0.6)
            ax.plot([], [], color=colour, label=str(found[name].attrs["long_name"]))
        ax.set(xscale="log", xlabel="cycles", ylabel="conductance (uS)")
        ax.legend(loc="best")
    return fig


def _trend(x: Array, y: Array) -> tuple[float, float]:
    x = x - x.mean()
    slope = float((x * y).sum() / (x**2).sum())
    residual = y - y.mean() - slope * x
    return slope, float(np.sqrt((residual**2).sum() / (len(x) - 2) / (x**2).sum()))
