"""The conductances of a crossbar and how pulses move them: the only state of a twin.

Two ways in, one law: whole programs at once (``apply``), and one pulse on one cell (``pulse_cell``,
for emulated instruments, where a script pulses in real time). Both give the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import PulseRuns

from .arrays import Arrays, NumpyArrays
from .noise import PULSE, READ, Streams, normal, streams
from .population import Population
from .soft_bounds import SoftBounds, step

_BLOCK, _NEIGHBOURS = 32, 32  # draws and cells fetched ahead together


class CellArray:
    """Cells in a flat order, ``row * columns + column``.

    Args:
        population: their parameters and first conductances.
        seed: of the device noise.
        arrays: where the state lives.
    """

    def __init__(self, population: Population, seed: int, arrays: Arrays | None = None) -> None:
        self.population, self.seed = population, seed
        self.arrays: Arrays = arrays or NumpyArrays()
        self.shape = population.shape
        count = self.shape[0] * self.shape[1]
        put = self.arrays.asarray
        response = population.response
        self.response = SoftBounds(
            put(response.g_min.ravel()),
            put(response.g_max.ravel()),
            put(response.slope_up.ravel()),
            put(response.slope_down.ravel()),
        )
        self.dg_std, self.read_std = (
            put(population.dg_std.ravel()),
            put(population.read_std.ravel()),
        )
        self.g: Any = put(population.conductance.ravel())
        self.pulses: Any = put(np.zeros(count, np.int64))
        self.reads: Any = put(np.zeros(count, np.int64))
        self._pulse_noise = streams(seed, PULSE, count).on(self.arrays)
        self._read_noise = streams(seed, READ, count).on(self.arrays)
        self._scalars: dict[int, tuple[float, ...]] = {}
        self._ahead: dict[tuple[int, int], tuple[int, list[float]]] = {}

    @property
    def conductance(self) -> NDArray[np.float64]:
        """A copy of the true conductances, ``(rows, columns)``, S."""
        return np.array(self.arrays.numpy(self.g), np.float64).reshape(self.shape)

    @property
    def pulses_applied(self) -> int:
        """Pulses that moved a cell, since the array was made."""
        return int(self.arrays.numpy(self.pulses).sum())

    def apply(self, runs: PulseRuns, up: float = 1.0, down: float = 1.0) -> int:
        """Apply a lowered program.

        Args:
            runs: runs of equal pulses, each cell's in order of time.
            up: strength of up pulses, 1 at the modelled conditions; 0 leaves cells alone.
            down: the same of down pulses.

        Returns:
            Pulses applied.
        """
        cells, ups, place = _expand(runs)
        keep = np.where(ups, up, down) != 0
        if not keep.all():
            cells, ups = cells[keep], ups[keep]
            place = _places(cells)
        if not cells.size:
            return 0
        order = np.argsort(place, kind="stable")
        rounds = np.cumsum(np.bincount(place))
        self._pulse_rounds(cells[order], ups[order], place[order], rounds, up, down)
        return int(cells.size)

    def _pulse_rounds(
        self,
        cells: NDArray[np.int64],
        ups: NDArray[np.bool_],
        place: NDArray[np.int64],
        rounds: NDArray[np.int64],
        up: float,
        down: float,
    ) -> None:
        """Round k pulses every cell that gets more than k pulses, once."""
        a, r = self.arrays, self.response
        c, is_up = a.asarray(cells), a.asarray(ups)
        xi = normal(self._pulse_noise, c, self.pulses[c] + a.asarray(place), a)
        swing = 1.0 + self.dg_std[c] * xi
        slope, bound = r.towards(c, is_up, a)
        slope = slope * a.where(is_up, a.asarray(np.array(up)), a.asarray(np.array(down)))
        low, high = r.g_min[c], r.g_max[c]
        start = 0
        for stop in rounds.tolist():
            now = slice(start, stop)
            g = step(self.g[c[now]], slope[now], bound[now], swing[now])
            self.g[c[now]] = a.between(g, low[now], high[now])
            start = stop
        first = np.flatnonzero(place == 0)
        counts = np.bincount(cells, minlength=self.shape[0] * self.shape[1])
        touched = cells[first]
        self.pulses[a.asarray(touched)] += a.asarray(counts[touched])

    def pulse_cell(self, cell: int, up: bool, strength: float = 1.0) -> None:
        """One pulse on one cell."""
        low, high, slope_up, slope_down, dg_std, _ = self._parameters(cell)
        n = int(self.pulses[cell])
        swing = 1.0 + dg_std * self._draw(PULSE, self._pulse_noise, cell, n)
        slope = (slope_up if up else slope_down) * strength
        g = step(float(self.g[cell]), slope, high if up else low, swing)
        self.g[cell] = min(max(g, low), high)
        self.pulses[cell] = n + 1

    def pulse_train(
        self, cell: int, up: bool, strength: float, count: int, size: float, limit: float
    ) -> list[float]:
        """Equal pulses on one cell, the same bits as one by one.

        Args:
            cell: which.
            up: direction.
            strength: of every pulse.
            count: how many.
            size: their voltage, V.
            limit: it ends before the first pulse that would draw more than this, A.

        Returns:
            Its conductance before each pulse that was given, S.
        """
        low, high, slope_up, slope_down, dg_std, _ = self._parameters(cell)
        slope, bound = (slope_up * strength, high) if up else (slope_down * strength, low)
        n, g = int(self.pulses[cell]), float(self.g[cell])
        before: list[float] = []
        for xi in self._next_draws(cell, n, count):
            if size * g > limit:
                break
            before.append(g)
            g = min(max(step(g, slope, bound, 1.0 + dg_std * xi), low), high)
        self.g[cell] = g
        self.pulses[cell] = n + len(before)
        return before

    def _next_draws(self, cell: int, n: int, count: int) -> list[float]:
        """Pulse draws ``n`` to ``n + count - 1`` of one cell."""
        start, values = self._ahead.get((PULSE, cell), (-_BLOCK, []))
        if n < start or n + count > start + _BLOCK:
            if count > _BLOCK // 2:
                a = self.arrays
                draws = a.asarray(np.arange(n, n + count))
                cells = a.asarray(np.full(count, cell, np.int64))
                found: list[float] = a.numpy(normal(self._pulse_noise, cells, draws, a)).tolist()
                return found
            self._fetch(PULSE, self._pulse_noise, cell)
            start, values = self._ahead[PULSE, cell]
        return values[n - start : n - start + count]

    def read(self, cells: NDArray[np.intp]) -> Any:
        """Conductances with read noise, S; each reading of a cell draws anew."""
        a = self.arrays
        c = a.asarray(cells.astype(np.int64))
        xi = normal(self._read_noise, c, self.reads[c], a)
        self.reads[c] += 1
        return self.g[c] * (1.0 + self.read_std[c] * xi)

    def seen(self, cell: int) -> float:
        """Conductance between a row's and a column's terminal, without noise, S."""
        return float(self.g[cell])

    def read_cell(self, cell: int) -> float:
        """One reading of one cell, S."""
        n = int(self.reads[cell])
        xi = self._draw(READ, self._read_noise, cell, n)
        self.reads[cell] = n + 1
        return float(self.g[cell]) * (1.0 + self._parameters(cell)[5] * xi)

    def _parameters(self, cell: int) -> tuple[float, ...]:
        """One cell's bounds, slopes and noise as floats, kept: numpy scalars are slow to reach."""
        found = self._scalars.get(cell)
        if found is None:
            r = self.response
            maps = (r.g_min, r.g_max, r.slope_up, r.slope_down, self.dg_std, self.read_std)
            found = self._scalars[cell] = tuple(float(m[cell]) for m in maps)
        return found

    def state(self) -> dict[str, NDArray[Any]]:
        """All that changes, by name, as flat numpy arrays; ``restore`` takes it back."""
        return {name: self.arrays.numpy(getattr(self, name)).copy() for name in _STATE}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go back to a ``state``."""
        for name in _STATE:
            setattr(self, name, self.arrays.asarray(state[name]))
        self._ahead.clear()

    def _draw(self, purpose: int, source: Streams, cell: int, n: int) -> float:
        """Draw ``n`` of one cell; fetched ahead for it and its neighbours."""
        start, values = self._ahead.get((purpose, cell), (-_BLOCK, []))
        if not start <= n < start + _BLOCK:
            self._fetch(purpose, source, cell)
            start, values = self._ahead[purpose, cell]
        return values[n - start]

    def _fetch(self, purpose: int, source: Streams, cell: int) -> None:
        a = self.arrays
        first = cell - cell % _NEIGHBOURS
        cells = np.arange(first, min(first + _NEIGHBOURS, self.shape[0] * self.shape[1]))
        counters = a.numpy(self.pulses if purpose == PULSE else self.reads)[cells]
        draws = (counters[:, None] + np.arange(_BLOCK)).ravel()
        blocks = a.numpy(normal(source, a.asarray(np.repeat(cells, _BLOCK)), a.asarray(draws), a))
        for c, start, values in zip(
            cells.tolist(), counters.tolist(), blocks.reshape(-1, _BLOCK).tolist(), strict=True
        ):
            self._ahead[purpose, c] = (start, values)


_STATE = ("g", "pulses", "reads")


def _expand(
    runs: PulseRuns,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Runs as single pulses: cell, whether up, and the how-manieth of its cell."""
    sizes = np.abs(runs.counts).astype(np.int64)
    cells = np.repeat(runs.cells, sizes)
    ups = np.repeat(runs.counts > 0, sizes)
    return cells, ups, _places(cells)


def _places(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of each pulse among those of its cell; ``cells`` ascend."""
    index = np.arange(cells.size, dtype=np.int64)
    if not cells.size:
        return index
    starts = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]])
    lengths = np.diff(np.r_[starts, cells.size])
    return index - np.repeat(starts, lengths)
