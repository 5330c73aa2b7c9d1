"""The definition of a pulse, in plain numpy or torch: what every kernel is tested against.

One pulse at conductance g, with ``xi`` standard normal and fresh::

    up:    g <- g + (q_up(g)   * strength * (1 + dg_std * xi) + add * xi)
    down:  g <- g - (q_down(g) * strength * (1 + dg_std * xi) + add * xi)
    add  =  dg_add + dg_slope * |g - dg_rest|

and then clipped to the cell's bounds (Gokmen and Vlasov, Front. Neurosci. 10:333, 2016, eq. 2,
with a response function; the additive form is that of Gong et al., Nat. Commun. 9:2102, 2018, and
noise that grows with the conductance that of phase-change memory in aihwkit's ``ExpStepDevice``).
Single precision, in this order of operations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import CellPulses, CoincidencePulses, PulseProgram, PulseRuns
from ohmloop.sim_backend.arrays import Arrays
from ohmloop.sim_backend.noise import normal

from .engine import Strengths
from .state import CellState


class ReferenceEngine:
    """Whole arrays at a time, round by round.

    Args:
        arrays: where the state lives.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays

    def ready(self, state: CellState) -> None:
        """Nothing has to be made ready."""

    def program(self, state: CellState, program: PulseProgram, strengths: Strengths) -> int:
        """Apply a program; returns the pulses that had any strength."""
        if isinstance(program, CellPulses):
            return self._counts(state, self._put(program.pulse_counts.ravel()), strengths)
        if isinstance(program, CoincidencePulses):
            return self._coincidences(state, program, strengths)
        return self.runs(state, program.runs, strengths)

    def runs(self, state: CellState, runs: PulseRuns, strengths: Strengths) -> int:
        """Apply a lowered program: run k of every cell that has one, for each k in turn."""
        given, place = 0, _places(runs.cells)
        for k in range(int(place.max(initial=-1)) + 1):
            now = place == k
            cells, counts = self._put(runs.cells[now]), self._put(runs.counts[now])
            given += self._pulse(state, cells, counts, strengths)
        return given

    def train(
        self, state: CellState, cell: int, up: bool, strength: float, count: int, most: float
    ) -> list[float]:
        """Equal pulses on one cell, up to the first at a conductance above ``most``, S.

        Returns:
            Its conductance before each pulse that was given, S.
        """
        before: list[float] = []
        one, sign = self._put(np.array([cell])), self._put(np.array([1 if up else -1]))
        for _ in range(count):
            g = float(state.g[cell])
            if g > most:
                break
            before.append(g)
            self._pulse(state, one, sign, (strength, strength))
        return before

    def read(self, state: CellState, cells: Any) -> Any:
        """Readings, S, float64; each reading of a cell draws anew."""
        return noisy(state, cells, self.arrays.float64(state.g[cells]), self.arrays)

    def _coincidences(
        self, state: CellState, program: CoincidencePulses, strengths: Strengths
    ) -> int:
        given = 0
        for rows, columns, row_signs, column_signs in zip(
            program.row_trains.view(np.int64),
            program.column_trains.view(np.int64),
            program.row_signs.astype(np.int64),
            program.column_signs.astype(np.int64),
            strict=True,
        ):
            both = self._put(rows)[:, None] & self._put(columns)[None, :]
            signs = self._put(row_signs)[:, None] * self._put(column_signs)[None, :]
            counts = self.arrays.popcount(both) * signs
            given += self._counts(state, counts.reshape(-1), strengths)
        return given

    def _counts(self, state: CellState, counts: Any, strengths: Strengths) -> int:
        cells = self._put(np.flatnonzero(self.arrays.numpy(counts)))
        return self._pulse(state, cells, counts[cells], strengths)

    def _pulse(self, state: CellState, cells: Any, counts: Any, strengths: Strengths) -> int:
        """Signed ``counts`` of pulses on ``cells``, each of which is named once."""
        a = self.arrays
        up = counts > 0
        size = abs(a.int64(counts))
        strength = a.float32(a.where(up, *map(self._put, map(np.array, strengths))))
        size = size * (strength != 0)
        moving = size
        if state.endurance.shape[0]:
            left = a.int64(state.endurance[cells]) - a.int64(state.pulses[cells])
            moving = a.where(left > 0, a.where(left < size, left, size), left * 0)
        response = state.response(*(values[cells] for values in state.parameters))
        std, least = _of(state.dg_std, cells), _of(state.dg_add, cells)
        grows = state.dg_slope.shape[0] > 0
        slope, rest = (state.dg_slope[cells], state.dg_rest[cells]) if grows else (None, None)
        first = a.int64(state.pulses[cells])
        g = state.g[cells]
        for k in range(int(moving.max()) if len(cells) else 0):
            xi = normal(state.pulse_noise, cells, first + k, a)
            q = a.float32(a.where(up, response.q_up(g), response.q_down(g))) * strength
            add = least + slope * abs(g - rest) if grows else least
            move = q * (1.0 + std * xi) + add * xi
            moved = a.between(g + a.where(up, move, -move), response.g_min, response.g_max)
            g = a.where(moving > k, moved, g)
        state.g[cells] = g
        state.pulses[cells] += a.int32(size)
        return int(size.sum())

    def _put(self, values: NDArray[Any]) -> Any:
        return self.arrays.asarray(values)


def noisy(state: CellState, cells: Any, seen: Any, arrays: Arrays) -> Any:
    """Readings of ``cells`` where ``seen`` (S, float64) is what a reading without noise finds."""
    xi = arrays.float64(normal(state.read_noise, cells, arrays.int64(state.reads[cells]), arrays))
    state.reads[cells] += 1
    return seen * (1.0 + arrays.float64(_of(state.read_std, cells)) * xi)


def _of(values: Any, cells: Any) -> Any:
    """Of these cells, where one value may stand for all."""
    return values if values.shape[0] == 1 else values[cells]


def _places(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """The how-manieth of its cell each run is; ``cells`` ascend."""
    index = np.arange(cells.size, dtype=np.int64)
    if not cells.size:
        return index
    starts = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]])
    lengths = np.diff(np.r_[starts, cells.size])
    return index - np.repeat(starts, lengths)
