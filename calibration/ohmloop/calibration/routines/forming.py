"""Forming: pristine cells are given pulses that grow step by step, until each one conducts.

It is done once in the life of a chip and cannot be undone, so nothing here has a default that
pulses: the largest amplitude and the conductances of a formed and of an over-formed cell are to be
said. A cell that has been formed is never pulsed again by this routine.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ohmloop.calibration.measuring.cost import Cost
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.routine import Routine
from ohmloop.calibration.measuring.session import Session
from ohmloop.drivers import CellPulses, Crossbar, Limits, PulseConditions, PulseShape
from ohmloop.drivers.units import Seconds, Siemens, Volts, with_unit

from .shapes import with_duty

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

BEFORE, AFTER = "before", "after"
WAS_FORMED, FORMED, UNFORMED, OVER_FORMED = range(4)
STATES = ("was_formed", "formed", "unformed", "over_formed")
"""What a cell is found to be."""


class Forming(Routine):
    """Form pristine cells by pulses that grow, each cell until it conducts; cannot be undone.

    Attributes:
        largest: most that a pulse may have, V; has to be given.
        threshold: a cell that reads this or more is formed, S; has to be given.
        over: a cell that reads more than this is over-formed, S; has to be given.
        smallest: amplitude to begin with, V; the bench's up pulse by default.
        step: by how much amplitudes grow, V.
        width: of each pulse, s; that of the bench's up pulse by default.
        pulses_per_step: pulses at each amplitude, with a reading after each.
        pulses_per_cell: most pulses that one cell may get.
        pulses_in_all: most pulses that all cells together may get.
    """

    name: ClassVar[str] = "forming"

    largest: Annotated[Volts, Field(gt=0)]
    threshold: Annotated[Siemens, Field(gt=0)]
    over: Annotated[Siemens, Field(gt=0)]
    smallest: Annotated[Volts, Field(gt=0)] | None = None
    step: Annotated[Volts, Field(gt=0)] = 0.1
    width: Annotated[Seconds, Field(gt=0)] | None = None
    pulses_per_step: Annotated[int, Field(ge=1, le=1000)] = 1
    pulses_per_cell: Annotated[int, Field(ge=1, le=100_000)] = 50
    pulses_in_all: Annotated[int, Field(ge=1)] = 100_000

    def cost(self, crossbar: Crossbar) -> Cost:
        """As if no cell ever conducted.

        Raises:
            LimitError: ``largest`` or ``width`` is beyond the limits.
        """
        levels = self._levels(crossbar.conditions, crossbar.limits)
        crossbar.limits.check_conditions(levels[-1])
        most = min(len(levels) * self.pulses_per_step, self.pulses_per_cell)
        cells = crossbar.shape[0] * crossbar.shape[1]
        pulses = min(most, self.pulses_in_all / cells)
        return Cost(
            programs=most,
            maps=most + 1,
            pulses=pulses,
            reads=most + 1,
            most_pulses=most,
            most_per_program=1,
            key="pulses_per_step",
        )

    def acquire(self, session: Session) -> None:
        """Pulse what does not conduct yet, read, and go on with the next amplitude."""
        pending = session.read(label=BEFORE) < self.threshold
        given = np.zeros(session.shape, np.int64)
        for conditions in self._levels(session.conditions, session.limits):
            for _ in range(self.pulses_per_step):
                now = self._affordable(pending & (given < self.pulses_per_cell), given)
                if not now.any():
                    return
                session.pulse(CellPulses(now.astype(np.int32), conditions=conditions), label=AFTER)
                given += now  # also where it is in doubt: it may have been
                pending &= ~(session.read(label=AFTER) >= self.threshold)

    @classmethod
    def figure(cls, found: xr.Dataset) -> Figure:
        """Forming voltages, and conductances before and after."""
        return figure(found)

    def analyse(self, measured: Measured) -> xr.Dataset:
        """What became of every cell, at which amplitude, and a mask of those to go on with."""
        pulses = [step.program for step in measured.steps("pulse") if step.program is not None]
        readings = np.concatenate([measured.readings(BEFORE), measured.readings(AFTER)])
        counts = np.array([p.per_cell for p in pulses]).reshape(len(pulses), *measured.shape)
        at = np.array([abs(p.conditions.up.amplitude) for p in pulses if p.conditions is not None])
        return forming_dataset(readings, counts, at, self.threshold, self.over)

    def _affordable(self, wanted: NDArray[np.bool_], given: NDArray[np.int64]) -> NDArray[np.bool_]:
        """As many of the wanted cells, row after row, as there are pulses left."""
        left = self.pulses_in_all - int(given.sum())
        return wanted & (np.cumsum(wanted).reshape(wanted.shape) <= left)

    def _levels(self, own: PulseConditions, limits: Limits) -> list[PulseConditions]:
        """Conditions of each amplitude, the largest last; a first one beyond it is left out."""
        sign = math.copysign(1.0, own.up.amplitude)
        first = self.smallest or min(abs(own.up.amplitude), self.largest)
        count = max(0, math.ceil((self.largest - first) / self.step - 1e-9))
        rounded = (float(f"{first + k * self.step:.9g}") for k in range(count + 1))
        sizes = [min(size, self.largest) for size in rounded]
        width = self.width or own.up.width
        return [with_duty(replace(own, up=PulseShape(sign * a, width)), limits) for a in sizes]


def forming_dataset(
    readings: Array, counts: NDArray[np.int64], amplitudes: Array, threshold: float, over: float
) -> xr.Dataset:
    """What became of the cells; pure.

    Args:
        readings: ``(pulses + 1, rows, columns)``, S: before, and after each program; a last one
            may be missing.
        counts: pulses of each program, ``(programs, rows, columns)``.
        amplitudes: of each program, V.
        threshold: a cell that reads this or more is formed, S.
        over: one that reads more than this is over-formed, S.
    """
    import xarray as xr

    first, last = readings[0], readings[-1]
    formed = readings >= threshold
    # The last program that a cell got is the one that formed it, if anything did.
    voltage = np.full(first.shape, np.nan)
    for k, given in enumerate(counts):
        voltage = np.where(given > 0, amplitudes[k], voltage)
    was = formed[0]
    done = formed.any(axis=0)
    voltage = np.where(done & ~was, voltage, np.nan)
    state = np.where(done, FORMED, UNFORMED)
    state = np.where(was, WAS_FORMED, state)
    state = np.where(last > over, OVER_FORMED, state).astype(np.int8)
    dims = ("row", "column")
    flags = {"flag_values": np.arange(4, dtype=np.int8), "flag_meanings": " ".join(STATES)}
    mask = (state == FORMED) | (state == WAS_FORMED)
    total = counts.sum(axis=0) if len(counts) else np.zeros(first.shape, np.int64)
    maps = {
        "state": (state, {"units": "1", "long_name": "what each cell is", **flags}),
        "forming_voltage": (voltage, {"units": "V", "long_name": "amplitude that formed it"}),
        "pulses": (total, {"units": "1", "long_name": "forming pulses that it got"}),
        "conductance_before": (first, {"units": "S", "long_name": "before forming"}),
        "conductance": (last, {"units": "S", "long_name": "after forming"}),
        "usable": (mask.astype(np.int8), {"units": "1", "long_name": "1 where it is formed well"}),
    }
    data = xr.Dataset({name: (dims, values, about) for name, (values, about) in maps.items()})
    tally = [f"{int((state == k).sum())} {word.replace('_', ' ')}" for k, word in enumerate(STATES)]
    data.attrs["verdict"] = f"of {state.size} cells {', '.join(tally)}"
    if np.isfinite(voltage).any():
        data.attrs["verdict"] += f"; median {with_unit(float(np.nanmedian(voltage)), 'V')}"
    return data


def figure(found: xr.Dataset) -> Figure:
    """Forming voltages, and conductances before and after."""
    from ohmloop.calibration.drawing import BLUE, GREY, ORANGE, drawing

    volts = found["forming_voltage"].to_numpy().ravel()
    volts = volts[np.isfinite(volts)]
    states = {
        label: np.log10(np.maximum(found[name].to_numpy().ravel() * 1e6, 1e-6))
        for name, label in (("conductance_before", "before"), ("conductance", "after"))
    }
    every = np.concatenate(list(states.values()))
    bins = np.linspace(every.min() - 0.05, every.max() + 0.05, 41)
    with drawing(1, 2, (6.5, 2.6)) as (fig, axes):
        axes[0].bar(*np.unique(volts, return_counts=True), width=0.05, color=BLUE, alpha=0.75)
        axes[0].set(xlabel="amplitude that formed a cell (V)", ylabel="cells")
        for (label, values), colour in zip(states.items(), (GREY, ORANGE), strict=True):
            axes[1].hist(values, bins=bins, color=colour, alpha=0.6, label=label)
        axes[1].set(xlabel="log10 of conductance (uS)", ylabel="cells")
        axes[1].legend()
    return fig
