"""Pulse programs: what training and calibration write, and drivers and twins execute.

A program is an immutable value. It names no instrument and no voltage (unless it overrides the
bench's pulse conditions), so the same bytes run on a chip and on its twin, are journaled, and can
be replayed. Three kinds exist: signed counts a cell, row and column trains whose coincidences pulse
cells (Gokmen and Vlasov, Front. Neurosci. 10:333, 2016, section 2.2), and runs of single cells
(``run_pulses``).
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .compiled import worth_compiling
from .conditions import PulseConditions
from .crossings import add_crossings
from .errors import ProgramError
from .program_bytes import pack, unpack
from .trains import check_trains

MAX_LENGTH = 64
"""Slots a train can hold: a train is one 64-bit word."""
_WHOLE = int, np.integer
_KEPT, _FREE = 0x1 | 0x4, 0x1 | 0x4 | 0x400
"""Of an array's flags: in C order, its own memory; and of those, not to be written to."""
_TRAIN, _SIGN = np.dtype(np.uint64), np.dtype(np.int8)
_TRAINS = ("row_trains", "column_trains", "row_signs", "column_signs")


@dataclass(frozen=True, slots=True)
class PulseRuns:
    """A program lowered to runs of equal pulses, cell by cell, each cell's in order of time.

    Attributes:
        cells: int64 ``(runs,)``, flat index ``row * columns + column``, ascending.
        counts: int32 ``(runs,)``, positive = up; neighbours of one cell differ in sign.
    """

    cells: NDArray[np.int64]
    counts: NDArray[np.int32]

    @property
    def total_pulses(self) -> int:
        """Pulses in all runs."""
        return int(np.abs(self.counts).sum(dtype=np.int64))

    @property
    def cells_touched(self) -> int:
        """Different cells that get at least one pulse."""
        return int(np.count_nonzero(np.diff(self.cells)) + bool(self.cells.size))


_KINDS: dict[str, type[PulseProgram]] = {}
"""Kinds by the word in a program's bytes."""


@dataclass(frozen=True, eq=False)
class PulseProgram(ABC):
    """The pulses to apply to one crossbar.

    Attributes:
        conditions: pulse amplitudes and widths, or None for the bench's own.
    """

    kind: ClassVar[str]
    conditions: PulseConditions | None = field(default=None, kw_only=True)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _KINDS[cls.kind] = cls

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the crossbar that the program is for."""

    @abstractmethod
    def counts(self) -> NDArray[np.int32]:
        """Signed pulses a cell, step after step: int32 ``(steps, rows, columns)``."""

    @abstractmethod
    def duration(self, conditions: PulseConditions) -> float:
        """Time the pulses take, s, without switching; ``conditions`` where it has none."""

    @abstractmethod
    def _arrays(self) -> Mapping[str, NDArray[Any]]:
        """The arrays that make up the program, by field name."""

    @cached_property
    def runs(self) -> PulseRuns:
        """The program for hardware that addresses one cell at a time.

        The order of up and down pulses within every cell is kept; cells are independent, so the
        order between cells is free.
        """
        return merged(self.counts())

    @cached_property
    def per_cell(self) -> NDArray[np.int64]:
        """Pulses that each cell receives in all, whatever their direction: ``(rows, columns)``."""
        total: NDArray[np.int64] = np.abs(self.counts()).sum(axis=0, dtype=np.int64)
        return total

    @property
    def at_most(self) -> int:
        """No cell receives more than this; a bound that costs little where one is known."""
        return int(self.per_cell.max())

    @property
    def total_pulses(self) -> int:
        """Pulses that cells receive in all."""
        return int(self.per_cell.sum())

    @property
    def cells_touched(self) -> int:
        """Cells that receive any."""
        return int(np.count_nonzero(self.per_cell))

    def add_to(self, total: NDArray[np.int64]) -> None:
        """Add to ``total`` ``(rows, columns)`` what each cell receives."""
        total += self.per_cell

    @property
    def counts_at_once(self) -> bool:
        """Whether ``add_to`` takes no longer than to keep the program would."""
        return False

    @property
    def held(self) -> int:
        """Bytes that the program's arrays take."""
        return sum(array.nbytes for array in self._arrays().values())

    @cached_property
    def digest(self) -> str:
        """128-bit content digest, hexadecimal: equal programs, equal digests."""
        return hashlib.blake2b(self.to_bytes(), digest_size=16).hexdigest()

    def to_bytes(self) -> bytes:
        """The program as bytes (format in ``program_bytes``); ``from_bytes`` reads them back."""
        return self._bytes

    @cached_property
    def _bytes(self) -> bytes:
        return pack(self.kind, self._arrays(), self._scalars(), self.conditions)

    def _with_runs(self, runs: PulseRuns) -> Self:
        """Spare the lowering, where who made the program knows it already."""
        self.__dict__["runs"] = runs
        return self

    def _scalars(self) -> Mapping[str, int]:
        return {}

    @staticmethod
    def from_bytes(data: bytes) -> PulseProgram:
        """Read a program back.

        Raises:
            ProgramError: the bytes are not a program, are damaged, or of a newer format.
        """
        kind, arrays, scalars, conditions = unpack(data)
        if not isinstance(kind, str) or kind not in _KINDS:
            raise ProgramError(f"unknown kind of pulse program {kind!r}")
        try:
            return _KINDS[kind](**arrays, **scalars, conditions=conditions)
        except TypeError as error:
            raise ProgramError(f"pulse program of kind {kind!r} lacks or has odd fields") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PulseProgram) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.digest)


@dataclass(frozen=True, eq=False)
class CellPulses(PulseProgram):
    """Signed pulse counts, one for each cell.

    Attributes:
        pulse_counts: int32 ``(rows, columns)``, positive = up.
    """

    kind: ClassVar[str] = "cells"
    pulse_counts: NDArray[np.int32]

    def __post_init__(self) -> None:
        counts = frozen(self.pulse_counts, np.int32, 2, "pulse_counts")
        if (counts == np.iinfo(np.int32).min).any():
            raise ProgramError("pulse_counts holds -2147483648, whose count does not fit")
        object.__setattr__(self, "pulse_counts", counts)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.pulse_counts.shape[0], self.pulse_counts.shape[1]

    def counts(self) -> NDArray[np.int32]:
        """``(1, rows, columns)``."""
        return self.pulse_counts[None]

    def duration(self, conditions: PulseConditions) -> float:
        """Sum over all pulses, one cell after the other, s."""
        c = self.conditions or conditions
        ups = int(np.maximum(self.pulse_counts, 0).sum(dtype=np.int64))
        downs = int(np.maximum(-self.pulse_counts, 0).sum(dtype=np.int64))
        return ups * (c.up.width + c.rest) + downs * (c.down.width + c.rest)

    def _arrays(self) -> Mapping[str, NDArray[Any]]:
        return {"pulse_counts": self.pulse_counts}


@dataclass(frozen=True, eq=False, init=False)
class CoincidencePulses(PulseProgram):
    """Row and column trains; a cell is pulsed in every slot in which both of its lines fire.

    Samples follow one another: a batch is a sequence of rank-one updates, never their average.
    Within a sample a cell's pulses all have the sign ``row_sign * column_sign``.

    Attributes:
        row_trains: uint64 ``(batch, rows)``; bit k is slot k.
        column_trains: uint64 ``(batch, columns)``.
        row_signs: int8 ``(batch, rows)``, each -1 or 1.
        column_signs: int8 ``(batch, columns)``, each -1 or 1.
        length: slots a train (BL), 1 to 64.
    """

    kind: ClassVar[str] = "coincidence"
    row_trains: NDArray[np.uint64]
    column_trains: NDArray[np.uint64]
    row_signs: NDArray[np.int8]
    column_signs: NDArray[np.int8]
    length: int

    def __init__(
        self,
        row_trains: Any,
        column_trains: Any,
        row_signs: Any,
        column_signs: Any,
        length: int,
        *,
        conditions: PulseConditions | None = None,
    ) -> None:
        if not isinstance(length, _WHOLE):
            raise ProgramError(f"length must be a whole number, not {length!r}")
        if not 1 <= length <= MAX_LENGTH:
            raise ProgramError(f"length {length} is not between 1 and {MAX_LENGTH}")
        rows = frozen(row_trains, _TRAIN, 2, "row_trains")
        columns = frozen(column_trains, _TRAIN, 2, "column_trains")
        row_signs = frozen(row_signs, _SIGN, 2, "row_signs")
        column_signs = frozen(column_signs, _SIGN, 2, "column_signs")
        check_trains(rows, row_signs, columns, column_signs, int(length))
        self.__dict__.update(  # at once: a program is made for every update of every tile
            row_trains=rows,
            column_trains=columns,
            row_signs=row_signs,
            column_signs=column_signs,
            length=int(length),
            conditions=conditions,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.row_trains.shape[1], self.column_trains.shape[1]

    @property
    def batch(self) -> int:
        """Samples in the program."""
        return int(self.row_trains.shape[0])

    def counts(self) -> NDArray[np.int32]:
        """Coincidences with their sign: ``(batch, rows, columns)``."""
        both = self.row_trains[:, :, None] & self.column_trains[:, None, :]
        signs = self.row_signs[:, :, None] * self.column_signs[:, None, :]
        counts: NDArray[np.int32] = np.bitwise_count(both).astype(np.int32) * signs
        return counts

    @cached_property
    def per_cell(self) -> NDArray[np.int64]:
        """Coincidences."""
        total = np.zeros(self.shape, np.int64)
        self.add_to(total)
        return total

    @property
    def at_most(self) -> int:
        """Slots in all."""
        return self.batch * self.length

    @property
    def counts_at_once(self) -> bool:
        """Where the compiler is loaded: to keep trains, out of the caches, takes longer."""
        return worth_compiling(0)

    @property
    def held(self) -> int:
        """Of a train 8, and 1 of its sign."""
        return 9 * (self.row_trains.size + self.column_trains.size)

    def add_to(self, total: NDArray[np.int64]) -> None:
        """Add the coincidences."""
        if "per_cell" in self.__dict__:
            total += self.per_cell
        else:
            add_crossings(total, self.row_trains, self.column_trains)

    def duration(self, conditions: PulseConditions) -> float:
        """Time on hardware that drives all lines at once, s.

        Four phases a sample, one for each pair of signs: lines of both signs cannot fire together
        without pulsing the wrong cells.
        """
        c = self.conditions or conditions
        return 4 * self.batch * self.length * c.slot

    def _arrays(self) -> Mapping[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in _TRAINS}

    def _scalars(self) -> Mapping[str, int]:
        return {"length": self.length}


def frozen(array: Any, dtype: Any, ndim: int, name: str) -> NDArray[Any]:
    """A read-only copy of integers; ProgramError where they are none, or do not fit.

    What is read-only, of this type, and owns its memory is taken as it is.
    """
    given = np.asarray(array)
    if given.ndim != ndim or given.size == 0:
        raise ProgramError(f"{name} must be a non-empty array of {ndim} dimensions")
    kind = given.dtype
    if given.flags.num & _FREE == _KEPT and (kind is dtype or kind == dtype):
        return given
    if kind.kind not in "iub":
        raise ProgramError(f"{name} must hold integers, not {kind}")
    copy = given.astype(dtype, order="C", copy=True)
    if given.dtype != copy.dtype and not np.array_equal(copy, given):
        raise ProgramError(f"{name} holds values that do not fit {np.dtype(dtype).name}")
    copy.setflags(write=False)
    return copy


def merged(counts: NDArray[np.int32]) -> PulseRuns:
    """Counts ``(steps, rows, columns)`` as runs sorted by cell, then step."""
    steps = counts.shape[0]
    by_cell = np.ascontiguousarray(counts.reshape(steps, -1).T)
    cells, step = np.nonzero(by_cell)
    values = by_cell[cells, step]
    if not cells.size:
        return PulseRuns(cells.astype(np.int64), values.astype(np.int32))
    fresh = np.ones(cells.size, dtype=bool)
    fresh[1:] = (cells[1:] != cells[:-1]) | (np.sign(values[1:]) != np.sign(values[:-1]))
    starts = np.flatnonzero(fresh)
    totals = np.add.reduceat(values.astype(np.int64), starts)
    if np.abs(totals).max() > np.iinfo(np.int32).max:
        raise ProgramError("a cell gets more pulses in one run than 2147483647")
    return PulseRuns(cells[starts].astype(np.int64), totals.astype(np.int32))
