"""From the steps of a store to raw data: pulses, then a reading, over and over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.raw import bench_of, raw_dataset

from .store import MeasurementStore, Step

if TYPE_CHECKING:
    import xarray as xr


def raw_of_steps(store: MeasurementStore, *routines: str) -> xr.Dataset:
    """Raw data of some routines, one after the other.

    Pulses of other amplitudes or widths than the first routine's are no counts of its pulses; the
    trajectory is broken there, as it is at a program in doubt, and where a routine was left out
    that pulsed in between.

    Raises:
        BadInputError: one of the routines was not measured.
    """
    what, bench = store.what(), store.bench(routines[0])
    conditions = bench_of(bench)["conditions"]
    own = {name: bench_of(store.bench(name))["conditions"] == conditions for name in routines}
    rows = _Rows(tuple(what["shape"]))
    for step in store.steps():
        if step.routine not in own:
            rows.broken |= step.kind == "pulse"
        elif step.kind == "pulse" and step.program is not None:
            given = step.program.conditions
            known = own[step.routine] if given is None else given == conditions
            rows.pulse(step, known and step.state == "done")
        elif step.kind == "read" and step.state == "done":
            rows.read(step)
    attrs = {"crossbar": what["crossbar"], "bench": bench, **what["attributes"]}
    attrs["routines"] = json.dumps(routines)
    if "recipe" in what:
        attrs["recipe"] = what["recipe"]
    return rows.dataset(attrs)


class _Rows:
    """Collects entries: counts given, the reading after them, and what goes with it."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.broken = False
        self._pulses: list[NDArray[np.int32]] = []
        self._readings: list[NDArray[np.float64]] = []
        self._with: list[tuple[str, int, bool, float]] = []
        self._waiting: tuple[NDArray[np.int32], Step] | None = None

    def pulse(self, step: Step, known: bool) -> None:
        self._flush()
        assert step.program is not None
        if not known:
            self.broken = True
            return
        counts = step.program.counts()
        for given in counts[:-1]:  # alternating pulses: states that nobody looked at
            self._add(given, None, step)
        self._waiting = counts[-1], step

    def read(self, step: Step) -> None:
        from .measured import put

        reading = np.full(self.shape, np.nan)
        put(reading, step)
        given = self._waiting[0] if self._waiting else np.zeros(self.shape, np.int32)
        self._waiting = None
        self._add(given, reading, step)

    def dataset(self, attrs: dict[str, str]) -> xr.Dataset:
        self._flush()
        phases, repeats, broken, times = zip(*self._with, strict=True) if self._with else ([],) * 4
        since = np.array(times, float) - (times[0] if times else 0.0)
        shape = (len(self._with), *self.shape)
        return raw_dataset(
            np.array(self._readings).reshape(shape),
            np.array(self._pulses, np.int32).reshape(shape),
            list(phases),
            list(repeats),
            attrs,
            broken=np.array(broken, bool),
            time=since,
        )

    def _flush(self) -> None:
        """Pulses after which nobody read."""
        if self._waiting:
            self._add(self._waiting[0], None, self._waiting[1])
            self._waiting = None

    def _add(
        self, pulses: NDArray[np.int32], reading: NDArray[np.float64] | None, step: Step
    ) -> None:
        begins = self.broken and reading is not None
        if begins:
            self.broken = False
        self._pulses.append(pulses)
        self._readings.append(np.full(self.shape, np.nan) if reading is None else reading)
        self._with.append((step.label, step.repeat, begins, step.time))
