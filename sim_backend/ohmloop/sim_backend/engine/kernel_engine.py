"""The fast engine: compiled kernels, on as many cores as wanted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import CellPulses, CoincidencePulses, PulseProgram, PulseRuns
from ohmloop.drivers.compiled import direct

from .engine import Strengths
from .entries import FRESH, KEPT, Entries
from .kernel_cells import Cells
from .laws import built_in, parameters_of
from .state import CellState

_ORIGIN = np.zeros(1, np.int64)
_SHARED = float(3 << 14)
"""Crossings, or counts of cells, below which a second thread costs more than it saves."""
_LEAST = float(1 << 13)
"""How many are worth being handed to a thread."""
_AWAKE = 3e-4
"""For how long who is done looks whether the others are, s."""


class KernelEngine:
    """Compiled pulses on numpy arrays.

    Args:
        threads: most threads; by default the machine's cores.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or os.cpu_count() or 1
        self._ready: tuple[CellState, Strengths, Cells, Entries] | None = None
        self._trains: tuple[CellState, Callable[..., Any]] | None = None

    def ready(self, state: CellState) -> None:
        """Load or compile what pulses cell by cell, and what reads."""
        nothing = PulseRuns(np.empty(0, np.int64), np.empty(0, np.int32))
        self.runs(state, nothing, (1.0, 1.0))
        self.train(state, 0, True, 1.0, 0, np.inf)
        self.read(state, np.empty(0, np.int64))

    def program(self, state: CellState, program: PulseProgram, strengths: Strengths) -> int:
        """Apply a program; returns the pulses that had any strength."""
        cells, play = self._made_ready(state, strengths)
        if isinstance(program, CoincidencePulses):
            return self._coincidences(state, cells, play, program)
        if isinstance(program, CellPulses):
            signed = program.pulse_counts.ravel()
            if signed.size < _SHARED:
                return int(play.counts(cells, signed, 0, signed.size))
            whole = signed.size
            return self._share(lambda a, b: play.counts(cells, signed, a, b), whole, whole)
        return self.runs(state, program.runs, strengths)

    def _coincidences(
        self, state: CellState, cells: Cells, play: Entries, program: CoincidencePulses
    ) -> int:
        rows = program.row_trains, program.row_signs
        columns, length = (program.column_trains, program.column_signs), program.length
        height = program.row_trains.shape[1]
        alone = inf if self.threads == 1 or height == 1 else _SHARED
        if self._trains is None or self._trains[0] is not state:
            # A program's arrays are of one type always, and those of a state stay what they are.
            arguments = cells, rows, columns, length, 0, height, alone
            self._trains = state, direct(play.trains, *arguments)
        trains = self._trains[1]
        given = int(trains(cells, rows, columns, length, 0, height, alone))
        if given >= 0:
            return given
        return self._share(
            lambda a, b: trains(cells, rows, columns, length, a, b, inf), height, -given
        )

    def runs(self, state: CellState, runs: PulseRuns, strengths: Strengths) -> int:
        """Apply a lowered program."""
        cells, play = self._made_ready(state, strengths)
        return int(play.runs(cells, runs.cells, runs.counts))

    def train(
        self, state: CellState, cell: int, up: bool, strength: float, count: int, most: float
    ) -> list[float]:
        """Equal pulses on one cell, up to the first at a conductance above ``most``, S.

        Returns:
            Its conductance before each pulse that was given, S.
        """
        before = np.empty(count, np.float32)
        cells, play = self._made_ready(state, (strength, strength))
        given = play.train(cells, cell, up, before, most)
        found: list[float] = before[:given].tolist()
        return found

    def read(self, state: CellState, cells: Any) -> Any:
        """Readings, S, float64; each reading of a cell draws anew."""
        return self.read_lines(state, _ORIGIN, cells, 1.0, 1.0)[0]

    def read_lines(
        self,
        state: CellState,
        starts: NDArray[np.int64],
        columns: NDArray[np.int64],
        by: float,
        over: float,
    ) -> NDArray[np.float64]:
        """Readings of the same cells of some rows, times ``by``, and then over ``over``.

        Args:
            state: the cells.
            starts: first cell of each row.
            columns: which of a row's cells.
            by: volts, for currents; or 1.
            over: volts, for what a meter makes of currents; or 1.

        Returns:
            ``(rows, columns)``, S or A.
        """
        out = np.empty((starts.size, columns.size))
        cells = state.g, state.reads, state.read_std, np.uint64(state.read_noise.root)
        KEPT.readings(cells, starts, columns, (float(by), float(over)), out)
        return out

    def _made_ready(self, state: CellState, strengths: Strengths) -> tuple[Cells, Entries]:
        """As it was for the last program, if nothing else is pulsed: small ones take no longer."""
        kept = self._ready
        if kept is not None and kept[0] is state and kept[1] == strengths:
            cells, play = kept[2:]
            if cells.g is state.g and cells.pulses is state.pulses:
                return cells, play
        cells, play = _cells(state, strengths), _entries(state)
        self._ready = state, strengths, cells, play
        return cells, play

    def _share(self, play: Callable[[int, int], int], lines: int, work: float) -> int:
        """Lines on several threads; cells are independent, so the outcome is the same."""
        threads = min(self.threads, lines)
        if threads == 1:
            return int(play(0, lines))
        parts = iter(_parts(lines, threads, max(1, int(lines * _LEAST / work))))

        def some() -> int:
            return sum(int(play(a, b)) for a, b in parts)  # whoever is first takes the next

        others = [_pool(threads).submit(some) for _ in range(threads - 1)]
        try:
            own = some()
        finally:  # after an interrupt, too, no thread moves cells unseen
            late = [other for other in others if not other.cancel()]
            _await(late)
        return own + sum(other.result() for other in late)


def _await(others: list[Future[int]]) -> None:
    """Until they are done; awake at first, as being woken takes as long as what is left to do."""
    until = time.perf_counter() + _AWAKE
    while not all(other.done() for other in others) and time.perf_counter() < until:
        time.sleep(0)
    for other in others:
        other.exception()


def _parts(lines: int, threads: int, least: int) -> list[tuple[int, int]]:
    """Ever smaller parts: who is late, or has a slow core, takes fewer, and all end together."""
    parts, start = [], 0
    while start < lines:
        stop = min(lines, start + max(least, (lines - start) // (threads + 1)))
        parts.append((start, stop))
        start = stop
    return parts


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads - 1, "ohmloop-cells")


def _entries(state: CellState) -> Entries:
    return KEPT if built_in(state.response) else FRESH


def _cells(state: CellState, strengths: Strengths) -> Cells:
    up, down = strengths
    return Cells(
        state.g,
        parameters_of(state.response)(*state.parameters),
        state.pulses,
        state.endurance,
        state.dg_std,
        state.dg_add,
        state.dg_slope,
        state.dg_rest,
        np.uint64(state.pulse_noise.root),
        np.float32(up),
        np.float32(down),
    )
