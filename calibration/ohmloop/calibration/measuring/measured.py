"""What a routine measured, as its analysis wants it: out of the store, without the chip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.raw import bench_of
from ohmloop.drivers import PulseConditions, ReadCondition

from .raw_steps import raw_of_steps
from .store import Kind, MeasurementStore, Step

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[np.float64]


class Measured:
    """The steps of one routine.

    Args:
        store: the measurement.
        routine: name of the routine.

    Attributes:
        shape: rows and columns of the crossbar.
        conditions: the pulses that *up* and *down* stood for.
        reading: how cells were read.
        limits: of the bench.

    Raises:
        BadInputError: the routine was not measured.
    """

    def __init__(self, store: MeasurementStore, routine: str) -> None:
        self.store, self.routine = store, routine
        bench = bench_of(store.bench(routine))
        self.conditions: PulseConditions = bench["conditions"]
        self.reading: ReadCondition = bench["reading"]
        self.limits = bench["limits"]
        self.capabilities = bench["capabilities"]
        rows, columns = store.what()["shape"]
        self.shape: tuple[int, int] = (rows, columns)
        self._steps = store.steps(routine)

    def other(self, routine: str) -> Measured | None:
        """What another routine measured, if it is through."""
        return Measured(self.store, routine) if self.store.is_done(routine) else None

    def steps(self, *kinds: Kind, label: str | None = None) -> list[Step]:
        """Steps of some kinds, or all, with one label, or any; those that failed among them."""
        return [
            step
            for step in self._steps
            if (not kinds or step.kind in kinds) and label in (None, step.label)
        ]

    def readings(self, label: str | None = None) -> Array:
        """Readings, ``(readings, rows, columns)``, S; not-a-number where a cell was not read."""
        return self._maps(self._done("read", label))

    def currents(self, label: str | None = None) -> Array:
        """Currents, ``(measurements, rows, columns)``, A; not-a-number where there is none."""
        return self._maps(self._done("currents", label))

    def voltages(self, label: str | None = None) -> Array:
        """The voltage of each of ``currents``, ``(measurements,)``, V."""
        return np.array([step.arguments["voltage"] for step in self._done("currents", label)])

    def products(self, label: str | None = None) -> list[tuple[Array, Array]]:
        """Voltages and currents of ``forward`` and ``backward``, each ``(batch, lines)``, V, A."""
        done = [s for s in self.steps("forward", "backward", label=label) if s.state == "done"]
        return [(np.array(s.arguments["voltages"]), s.result) for s in done if s.result is not None]

    def times(self, label: str | None = None) -> Array:
        """When readings and currents were begun, ``(measurements,)``, s since the routine began."""
        done = [s for s in self.steps("read", "currents", label=label) if s.state == "done"]
        return np.array([step.time for step in done]) - (self._steps[0].time if done else 0.0)

    def notes(self, label: str) -> list[dict[str, Any]]:
        """What was noted."""
        return [dict(step.arguments) for step in self.steps("note", label=label)]

    def in_doubt(self) -> list[Step]:
        """Pulse programs of which nobody knows whether they were applied."""
        return [step for step in self.steps("pulse") if step.state != "done"]

    def raw(self) -> xr.Dataset:
        """Pulses and readings over (step, row, column); see ``raw``."""
        return raw_of_steps(self.store, self.routine)

    def _done(self, kind: Kind, label: str | None) -> list[Step]:
        return [step for step in self.steps(kind, label=label) if step.state == "done"]

    def _maps(self, steps: list[Step]) -> Array:
        maps = np.full((len(steps), *self.shape), np.nan)
        for into, step in zip(maps, steps, strict=True):
            put(into, step)
        return maps


def put(into: Array, step: Step) -> None:
    """Put what a step measured in its place on a map ``(rows, columns)``."""
    assert step.result is not None
    lines = [
        np.arange(count) if step.arguments[name] is None else np.array(step.arguments[name], int)
        for name, count in zip(("rows", "columns"), into.shape, strict=True)
    ]
    into[np.ix_(*lines)] = step.result
