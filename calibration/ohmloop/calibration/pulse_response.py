"""Measuring the pulse response of every cell of a crossbar at once.

Every step is one program for all cells and one reading of the whole map, so the number of messages
does not grow with the crossbar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import CellPulses, CoincidencePulses, Crossbar, PulseProgram

from .plan import CalibrationPlan
from .raw import ALTERNATE, APPROACH, HELD_OUT, READS, START, TRAIN, Keep, Progress, Recorder

if TYPE_CHECKING:
    import xarray as xr


def acquire(
    crossbar: Crossbar,
    plan: CalibrationPlan,
    *,
    rng: np.random.Generator,
    progress: Progress | None = None,
    keep: Keep | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Measure everything a calibration needs.

    Args:
        crossbar: the chip; its state is lost.
        plan: how many pulses and reads.
        rng: draws the held-out sequences.
        progress: told after every step.
        keep: given the raw data after every phase, and once more if anything interrupts.
        attrs: attributes to keep with the data.

    Returns:
        Raw data over (step, row, column); see ``raw``.

    Raises:
        LimitError: a train is beyond the bench's limits.
        InstrumentError: the instruments failed; what was measured has been kept.
    """
    phases = (_reads, _trains, _approach, _alternate, _held_out)
    return _measure(crossbar, plan, phases, rng, progress, keep, attrs or {})


def acquire_held_out(
    crossbar: Crossbar,
    plan: CalibrationPlan,
    *,
    rng: np.random.Generator,
    progress: Progress | None = None,
    keep: Keep | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Measure the held-out sequences alone, to compare a chip with a twin made earlier."""
    return _measure(crossbar, plan, (_held_out,), rng, progress, keep, attrs or {})


Phase = Callable[["_Bench", CalibrationPlan, np.random.Generator], None]


class _Bench:
    """A crossbar with a recorder beside it."""

    def __init__(
        self, crossbar: Crossbar, recorder: Recorder, total: int, progress: Progress | None
    ) -> None:
        self.crossbar, self.recorder, self.total = crossbar, recorder, total
        self.progress, self.done = progress, 0

    def step(self, phase: str, program: PulseProgram | None, repeat: int = -1) -> None:
        """Pulse, read, note; pulses are noted even where the reading fails."""
        counts = self._pulse(program)
        for given in counts[:-1]:  # alternating pulses: states that nobody looked at
            self.recorder.add(phase, given, None, repeat)
        reading = None
        try:
            reading = self.crossbar.read()
        finally:
            self.recorder.add(phase, counts[-1], reading, repeat)
        self.done += 1
        if self.progress:
            self.progress(self.done, self.total, phase)

    def _pulse(self, program: PulseProgram | None) -> NDArray[np.int32]:
        if program is None:
            return np.zeros((1, *self.crossbar.shape), np.int32)
        self.crossbar.pulse(program)
        return program.counts()

    def uniform(self, phase: str, pulses: int, repeat: int = -1) -> None:
        """The same pulses for every cell."""
        counts = np.full(self.crossbar.shape, pulses, np.int32)
        self.step(phase, CellPulses(counts) if pulses else None, repeat)


def _measure(
    crossbar: Crossbar,
    plan: CalibrationPlan,
    phases: tuple[Phase, ...],
    rng: np.random.Generator,
    progress: Progress | None,
    keep: Keep | None,
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    cost = plan.cost()
    steps = cost.maps + plan.alternating_reads * (plan.alternating_pulses - 1)
    recorder = Recorder(crossbar, steps, {"plan": plan.model_dump_json(), **attrs})
    total = cost.maps if len(phases) > 1 else plan.held_out_repeats * (1 + plan.held_out_length)
    bench = _Bench(crossbar, recorder, total, progress)
    for phase in phases:
        try:
            phase(bench, plan, rng)
        finally:
            if keep and recorder.phases:
                keep(recorder.dataset())
    return recorder.dataset()


def _reads(bench: _Bench, plan: CalibrationPlan, rng: np.random.Generator) -> None:  # noqa: ARG001
    for _ in range(plan.reads):
        bench.uniform(READS, 0)


def _trains(bench: _Bench, plan: CalibrationPlan, rng: np.random.Generator) -> None:  # noqa: ARG001
    for _ in range(plan.cycles):
        for pulses in _split(plan.up_pulses, plan.pulses_per_read):
            bench.uniform(TRAIN, pulses)
        for pulses in _split(plan.down_pulses, plan.pulses_per_read):
            bench.uniform(TRAIN, -pulses)


def _approach(bench: _Bench, plan: CalibrationPlan, rng: np.random.Generator) -> None:  # noqa: ARG001
    """Equal trains settle about the symmetric point; part of a train from an end lands near it."""
    bench.uniform(APPROACH, plan.approach)


def _alternate(bench: _Bench, plan: CalibrationPlan, rng: np.random.Generator) -> None:  # noqa: ARG001
    """Up, down, up, ...: an odd number before each reading, so each starts where one stopped."""
    first = 1
    for _ in range(plan.alternating_reads):
        signs = first * (-1) ** np.arange(plan.alternating_pulses)
        bench.step(ALTERNATE, _alternation(bench.crossbar.shape, signs))
        first = -int(signs[-1])


def _held_out(bench: _Bench, plan: CalibrationPlan, rng: np.random.Generator) -> None:
    """Every cell's own random sequence, again and again from a comparable start."""
    size = (plan.held_out_length, *bench.crossbar.shape)
    counts = rng.integers(1, plan.held_out_pulses, size, dtype=np.int32, endpoint=True)
    counts *= rng.choice(np.array([-1, 1], np.int32), size)
    for repeat in range(plan.held_out_repeats):
        bench.uniform(START, -plan.held_out_start, repeat)
        for step in counts:
            bench.step(HELD_OUT, CellPulses(step), repeat)


def _alternation(shape: tuple[int, int], signs: NDArray[np.int64]) -> CoincidencePulses:
    """Single pulses of all cells, one after the other, in one program."""
    batch = signs.size
    return CoincidencePulses(
        row_trains=np.ones((batch, shape[0]), np.uint64),
        column_trains=np.ones((batch, shape[1]), np.uint64),
        row_signs=np.repeat(signs[:, None], shape[0], axis=1).astype(np.int8),
        column_signs=np.ones((batch, shape[1]), np.int8),
        length=1,
    )


def _split(pulses: int, per_read: int) -> Iterator[int]:
    for start in range(0, pulses, per_read):
        yield min(per_read, pulses - start)
