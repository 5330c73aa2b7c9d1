"""What the twin expects to be read, as a distribution, before the chip is asked.

Copies of the twin (``copies``) go through the twin's own engine, each from a start of its own: the
start was read with noise, so it is drawn anew about the reading. What the copies read is the
prediction. Its distribution is kept as a mean, a standard deviation, and the copies' own order: a
true reading falls with equal chances into each of the ``copies + 1`` gaps between them, so that
the edges of intervals are exact for any number of copies (a Monte Carlo test; Barnard, J. R. Stat.
Soc. B 25:294, 1963).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    PulseConditions,
    PulseProgram,
    ReadCondition,
)
from ohmloop.sim_backend.cell_array import CellArray

from .copies import Rows, TwinCopies
from .sequences import PulseSequence

Map32 = NDArray[np.float32]

CUTS = (0.025, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.975)
"""Probabilities below the kept order statistics; they divide readings into 12 classes."""
LEVELS = {0.5: (4, 8), 0.9: (2, 10), 0.95: (1, 11)}
"""Central interval -> first class in it, and first class beyond it."""
_LINE_CYCLE = 0.02  # s
_AT_ONCE = 1 << 20  # copies of cells played together


@dataclass(frozen=True)
class Predictive:
    """What is expected of one repeat of a sequence.

    Attributes:
        mean: ``(positions, rows, columns)``, S.
        std: standard deviation of a reading, S, likewise.
        cuts: values below which a reading lies with probabilities ``CUTS``, S,
            ``(cuts, positions, rows, columns)``.
    """

    mean: Map32
    std: Map32
    cuts: Map32

    @property
    def digest(self) -> str:
        """128 bits, hexadecimal: what was predicted, before it was measured."""
        state = hashlib.blake2b(digest_size=16)
        for part in (self.mean, self.std, self.cuts):
            state.update(np.ascontiguousarray(part).tobytes())
        return state.hexdigest()

    def classes(self, readings: NDArray[np.float64]) -> NDArray[np.int8]:
        """Class of each reading, 0 to ``len(CUTS)``; the middle where nothing can vary.

        Args:
            readings: ``(positions, rows, columns)``, S.
        """
        found = (readings[None] > self.cuts).sum(axis=0)
        size = 1e-6 * np.abs(self.mean)
        sure = (self.cuts[-1] - self.cuts[0] <= size) & (np.abs(readings - self.mean) <= 10 * size)
        classes: NDArray[np.int8] = np.where(sure, len(CUTS) // 2, found).astype(np.int8)
        return classes


class Forecaster:
    """Predicts sequences.

    Args:
        copies: draws the twin's copies.
        count: copies a prediction, one less than a multiple of 40.
        conditions: the bench's pulses; they tell how long programs take.
        reading: how it reads.
        seed: of everything that is drawn.
    """

    def __init__(
        self,
        copies: TwinCopies,
        count: int,
        conditions: PulseConditions,
        reading: ReadCondition,
        seed: int,
    ) -> None:
        self._copies, self._count, self._seed = copies, count, seed
        self._conditions, self._reading = conditions, reading

    def predict(
        self, sequence: PulseSequence, start: NDArray[np.float64], reads: int, number: int
    ) -> Predictive:
        """Predict the readings of one repeat.

        Args:
            sequence: what will be sent.
            start: mean of the readings before it, ``(rows, columns)``, S.
            reads: of how many readings.
            number: of the prediction; each draws noise and parameters of its own.
        """
        parts = [
            self._part(sequence, start, reads, (number, k), rows)
            for k, rows in enumerate(self._blocks(start.shape))
        ]
        mean, std = (np.concatenate([p[i] for p in parts], axis=1) for i in (0, 1))
        return Predictive(mean, std, np.concatenate([p[2] for p in parts], axis=2))

    def _blocks(self, shape: tuple[int, ...]) -> Iterator[Rows]:
        rows = np.arange(shape[0])
        each = max(1, _AT_ONCE // (self._count * shape[1]))
        for first in range(0, shape[0], each):
            yield rows[first : first + each]

    def _part(
        self,
        sequence: PulseSequence,
        start: NDArray[np.float64],
        reads: int,
        number: tuple[int, int],
        rows: Rows,
    ) -> tuple[Map32, Map32, Map32]:
        """Some rows: mean, deviation and cuts."""
        rng = np.random.default_rng([self._seed, *number])
        population = self._copies.draw(rows, self._count, rng)
        first = np.tile(np.nan_to_num(start[rows]), (self._count, 1))
        error = population.read_std * np.abs(first) / np.sqrt(reads)
        first = first + error * rng.standard_normal(first.shape)
        first = np.clip(first, population.g_min, population.g_max)
        cells = CellArray(replace(population, conductance=first), int(rng.integers(1 << 62)))
        shape = (self._count, rows.size, start.shape[1])
        means, stds, cuts = [], [], []
        for readings in self._readings(cells, sequence, rows):
            ordered = np.sort(readings.reshape(shape), axis=0)
            means.append(ordered.mean(axis=0))
            stds.append(ordered.std(axis=0, ddof=1))
            cuts.append(_cuts(ordered))
        return (
            np.stack(means).astype(np.float32),
            np.stack(stds).astype(np.float32),
            np.stack(cuts, axis=1).astype(np.float32),
        )

    def _readings(
        self, cells: CellArray, sequence: PulseSequence, rows: Rows
    ) -> Iterator[NDArray[np.float64]]:
        """Every position's readings of all copies, flat."""
        every = np.arange(cells.shape[0] * cells.shape[1])
        look = self._reading.settle + self._reading.nplc * _LINE_CYCLE
        for step in sequence.steps:
            for program in step.programs:
                cells.clock.sleep(program.duration(self._conditions))
                cells.play(tiled(program, rows, self._count))
            cells.clock.sleep(step.wait)
            cells.clock.sleep(look)
            yield cells.read(every)


def _cuts(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Order statistics below which a further reading lies with probabilities ``CUTS``."""
    gaps = ordered.shape[0] + 1
    return ordered[[round(p * gaps) - 1 for p in CUTS]]


def tiled(program: PulseProgram, rows: Rows | Sequence[int], copies: int) -> PulseProgram:
    """A program for some rows of many copies at once, one copy below the other.

    Raises:
        TypeError: a kind of program that is not known here.
    """
    at = np.tile(np.asarray(rows), copies)
    if isinstance(program, CellPulses):
        return CellPulses(program.pulse_counts[at], conditions=program.conditions)
    if isinstance(program, CoincidencePulses):
        return CoincidencePulses(
            program.row_trains[:, at],
            program.column_trains,
            program.row_signs[:, at],
            program.column_signs,
            program.length,
            conditions=program.conditions,
        )
    raise TypeError(f"no copies of {type(program).__name__} can be made")
