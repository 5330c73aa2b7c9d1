"""Reading a chip whose wiring nobody has looked at yet: what cannot be read is left out, not fatal.

``Crossbar.read`` gives a whole map or raises, as it must for whoever builds on it. Here a rectangle
that cannot be read is halved until the cells are found that cannot, and all others are read.
Nothing is pulsed, and no voltage goes beyond the read voltage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import (
    InDoubtError,
    InstrumentError,
    Limits,
    LinkError,
    NotConnectedError,
    ProgramError,
    ReadCondition,
    ReportedError,
    WrongInstrumentError,
)

Array = NDArray[np.float64]
Cell = tuple[int, int]
Tell = Callable[[int, int, str], None]


class Meter(Protocol):
    """What a survey needs of a crossbar."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    @property
    def reading(self) -> ReadCondition:
        """How cells are read."""

    @property
    def limits(self) -> Limits:
        """What the chip may be given."""

    def currents(self, voltage: float, rows: Any, columns: Any, /) -> Array:
        """Currents at a voltage, ``(rows, columns)``, A."""


REPEATS = 2
"""Readings of every cell at the read voltage."""
ZERO_REPEATS = 4
"""Readings of a sample of cells at 0 V."""
SAMPLE = 8
"""Rows and columns of the sample, at most."""
_MOST_BAD = 4
"""A chip with more cells without a reading than so many lines' worth is not read to its end."""
_FATAL = (LinkError, NotConnectedError, WrongInstrumentError, InDoubtError)


@dataclass(frozen=True)
class Survey:
    """Currents of a chip, A; not-a-number where there was no reading.

    Attributes:
        voltage: read voltage, V.
        limit: current limit of the source, A.
        readings: at ``voltage``, ``(repeats, rows, columns)``.
        zero: at 0 V, ``(repeats, sample rows, sample columns)``; None where the bench cannot.
        minus: of the sample at ``-voltage``; None where the bench cannot.
        half: of the sample at half of it; None where the bench cannot.
        plus: of the sample at ``voltage``.
        problems: what the instrument said, by cell without a reading.
        reported: cells without a reading for which the instrument reported an error of its own.
    """

    voltage: float
    limit: float
    readings: Array
    zero: Array | None = None
    minus: Array | None = None
    half: Array | None = None
    plus: Array | None = None
    problems: dict[Cell, str] = field(default_factory=dict)
    reported: frozenset[Cell] = frozenset()


def take_survey(crossbar: Meter, tell: Tell = lambda *_: None) -> Survey:
    """Read every cell ``REPEATS`` times, and a sample of cells at 0 V, ``-V`` and ``V / 2``.

    Args:
        crossbar: the chip.
        tell: called as it goes on: steps done, of how many, what is next.

    Raises:
        InstrumentError: the link failed, or so many cells cannot be read that it is no matter of
            single lines.
    """
    volts, (rows, columns) = crossbar.reading.voltage, crossbar.shape
    reader, steps = _Reader(crossbar), REPEATS + 3
    readings = np.full((REPEATS, rows, columns), np.nan)
    whole = [(np.arange(rows), np.arange(columns))]
    for k in range(REPEATS):
        tell(k, steps, f"{rows} x {columns} cells")
        whole = reader.read(readings[k], volts, whole)
    sample = [(_spaced(rows), _spaced(columns))]
    corner = np.ix_(*sample[0])
    tell(REPEATS, steps, "0 V")
    zeros = [reader.sample(sample, 0.0) for _ in range(ZERO_REPEATS)]
    tell(REPEATS + 1, steps, "other polarity")
    minus = reader.sample(sample, -volts)
    tell(REPEATS + 2, steps, "half the voltage")
    half = reader.sample(sample, volts / 2)
    known = [z for z in zeros if z is not None]
    return Survey(
        volts,
        crossbar.limits.current,
        readings,
        np.stack(known) if known else None,
        minus,
        half,
        readings[:, corner[0], corner[1]].mean(axis=0),
        reader.problems,
        frozenset(reader.reported),
    )


def _spaced(lines: int) -> NDArray[np.intp]:
    """Up to ``SAMPLE`` lines, first and last among them."""
    return np.unique(np.linspace(0, lines - 1, min(lines, SAMPLE)).round().astype(np.intp))


Rectangle = tuple[NDArray[np.intp], NDArray[np.intp]]


class _Reader:
    """Remembers which cells gave no reading, and why."""

    def __init__(self, crossbar: Meter) -> None:
        self._crossbar = crossbar
        self._most = _MOST_BAD * sum(crossbar.shape)
        self.problems: dict[Cell, str] = {}
        self.reported: set[Cell] = set()

    def read(self, into: Array, volts: float, rectangles: list[Rectangle]) -> list[Rectangle]:
        """Fill in what can be read; returns the rectangles that could, for the next time."""
        todo, good = list(reversed(rectangles)), []
        while todo:
            rows, columns = todo.pop()
            try:
                into[np.ix_(rows, columns)] = self._crossbar.currents(volts, rows, columns)
            except _FATAL:
                raise
            except InstrumentError as error:
                if rows.size * columns.size > 1:
                    todo += reversed(_halves(rows, columns))
                else:
                    self._note((int(rows[0]), int(columns[0])), error)
            else:
                good.append((rows, columns))
        return good

    def sample(self, rectangles: list[Rectangle], volts: float) -> Array | None:
        """A sample of cells; None where the bench knows its own read voltage only."""
        into = np.full(self._crossbar.shape, np.nan)
        parts = [(rows, columns) for rows, columns in rectangles]
        try:
            self.read(into, volts, parts)
        except ProgramError:
            return None
        (rows, columns) = rectangles[0]
        picked: Array = into[np.ix_(rows, columns)]
        return picked

    def _note(self, cell: Cell, error: InstrumentError) -> None:
        self.problems.setdefault(cell, error.problem)
        if isinstance(error, ReportedError):
            self.reported.add(cell)
        if len(self.problems) > self._most:
            raise InstrumentError(
                error.instrument,
                error.resource,
                f"{len(self.problems)} cells cannot be read, and more are to be expected; the last"
                f" one: {error.problem}",
            ) from error


def _halves(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> list[Rectangle]:
    """Rows apart first, for whole rows fail together."""
    if rows.size > 1:
        return [(half, columns) for half in np.array_split(rows, 2)]
    return [(rows, half) for half in np.array_split(columns, 2)]
