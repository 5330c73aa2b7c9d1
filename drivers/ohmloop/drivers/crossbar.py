"""The hardware abstraction: read it, multiply with it, pulse it, make it safe.

Chips, twins and third-party hardware all subclass ``Crossbar`` and fill in the underscored verbs.
The public verbs are final: they check limits, keep the journal, and number programs, in the one
place that every caller goes through.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .characteristics import Characteristics
from .clock import Clock, HostClock
from .conditions import PulseConditions, ReadCondition
from .errors import ChipFileError, InDoubtError, ProgramError
from .journal import PulseJournal
from .limits import Guard, Limits, WearLedger
from .pulses import PulseProgram

ALL = slice(None)
"""Every row, or every column."""

Lines = slice | int | Sequence[int] | NDArray[np.integer[Any]]
"""Which rows or columns: ``ALL``, a slice, one index, or a sequence of indices."""

log = logging.getLogger("ohmloop")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the hardware does by itself; what it lacks is supplied in the host.

    Attributes:
        parallel_forward: products with all lines driven at once, both directions.
        coincidence_update: row and column trains played at once on all lines.
        tensors: the verbs also exist on tensors (``read_tensor`` and so on).
    """

    parallel_forward: bool = False
    coincidence_update: bool = False
    tensors: bool = False


@dataclass(frozen=True, slots=True)
class PulseReceipt:
    """What became of one program.

    Attributes:
        program: which.
        sequence: number of the program on this crossbar since it was opened, from 1.
        pulses_applied: pulses that the hardware itself counted.
        clipped: runs in which the source reached compliance.
        seconds: time taken, on the host's clock.
    """

    program: PulseProgram = field(repr=False)
    sequence: int
    pulses_applied: int
    clipped: int
    seconds: float

    @property
    def digest(self) -> str:
        """Of the program."""
        return self.program.digest

    @property
    def cells_touched(self) -> int:
        """Cells that got at least one pulse."""
        return self.program.cells_touched


class Recording(Protocol):
    """A transcript of what goes over the wires, as ``links.recorder.Recorder`` keeps one."""

    def check(self) -> None:
        """Raise OhmloopError where it cannot be kept any more."""

    def left_by(self, error: BaseException) -> None:
        """Note what ended the session."""


class Crossbar(ABC):
    """Rows x columns of resistive cells, ``G[row, column]`` in siemens.

    Used as a context manager; leaving it, however that happens, makes it safe.

    Args:
        shape: rows and columns.
        conditions: the pulses that *up* and *down* stand for.
        reading: how cells are read.
        limits: what the chip may be given; checked here for every call.
        capabilities: what the hardware does by itself.
        characteristics: what a calibration says of the cells, if there is one.
        ledger: life-time pulse counts; in memory where none is given.
        name: for messages.

    Attributes:
        journal: told of every program, if set.
        recording: asked before every operation whether it can still be kept, if set.
        at_close: called in order when the crossbar is closed, after its links.
        cells_read: cells measured one at a time so far.

    Raises:
        LimitError: the conditions are beyond the limits.
        ChipFileError: the characteristics are for another shape.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        conditions: PulseConditions,
        reading: ReadCondition,
        limits: Limits | None = None,
        capabilities: Capabilities | None = None,
        characteristics: Characteristics | None = None,
        ledger: WearLedger | None = None,
        name: str = "crossbar",
    ) -> None:
        self.shape = shape
        self.conditions, self.reading, self.name = conditions, reading, name
        self.capabilities = capabilities or Capabilities()
        self.journal: PulseJournal | None = None
        self.recording: Recording | None = None
        self.at_close: list[Callable[[], object]] = []
        self._guard = Guard(limits or Limits(), conditions, reading, ledger or WearLedger(shape))
        self._worn = int(self._guard.ledger.pulses.sum())
        self._lock = threading.RLock()
        self._host_clock = HostClock()
        self._sequence = 0
        self.cells_read = 0
        self._map: NDArray[np.float64] | None = None
        self.characteristics = characteristics
        if characteristics is not None and characteristics.shape != shape:
            raise ChipFileError(
                f"{name}: the calibration is of a crossbar of {characteristics.shape},"
                f" this one has {shape}"
            )

    @property
    def limits(self) -> Limits:
        """The limits that the guard enforces."""
        return self._guard.limits

    @property
    def clock(self) -> Clock:
        """Its time: the host's on a bench, virtual on a twin."""
        return self._host_clock

    @property
    def wear(self) -> NDArray[np.int64]:
        """Pulses that every cell has had in its life, as far as they are counted: a copy."""
        return self._guard.ledger.pulses.copy()

    @property
    def pulses_sent(self) -> int:
        """Pulses of all programs since it was opened, as the host counts them."""
        return int(self._guard.ledger.pulses.sum()) - self._worn

    @property
    def ledger_path(self) -> Path | None:
        """Where the pulses of every cell's life are kept; None where they are not."""
        return self._guard.ledger.path

    @property
    def pulses_left(self) -> NDArray[np.float64]:
        """Pulses that each cell may still get in its life, ``(rows, columns)``."""
        given = self._guard.ledger.pulses.astype(np.float64)
        left: NDArray[np.float64] = float(self.limits.pulses_per_cell) - given
        return left

    @final
    def read(self, rows: Lines = ALL, columns: Lines = ALL) -> NDArray[np.float64]:
        """Measure conductances.

        Args:
            rows: which rows.
            columns: which columns.

        Returns:
            ``(rows, columns)`` of those asked for, S.

        Raises:
            IndexError: a row or column that the crossbar has not.
            InstrumentError: the instruments could not.
        """
        r, c = line_indices(rows, self.shape[0]), line_indices(columns, self.shape[1])
        with self._lock:
            self._check_recording()
            self.cells_read += r.size * c.size
            return self._read(r, c)

    @final
    def currents(
        self, voltage: float, rows: Lines = ALL, columns: Lines = ALL
    ) -> NDArray[np.float64]:
        """Measure currents at a voltage of the caller's choice, one cell at a time; 0 V is allowed.

        Args:
            voltage: row against column, V.
            rows: which rows.
            columns: which columns.

        Returns:
            ``(rows, columns)`` of those asked for, A.

        Raises:
            LimitError: beyond ``limits.read_voltage``.
            IndexError: a row or column that the crossbar has not.
            InstrumentError: the instruments could not.
        """
        self.limits.check_read(voltage)
        r, c = line_indices(rows, self.shape[0]), line_indices(columns, self.shape[1])
        with self._lock:
            self._check_recording()
            self.cells_read += r.size * c.size
            return self._currents(r, c, voltage)

    @final
    def forward(self, column_voltages: ArrayLike) -> NDArray[np.float64]:
        """Drive columns, sense rows: ``I = G V``.

        Args:
            column_voltages: ``(batch, columns)``, V.

        Returns:
            ``(batch, rows)``, A.

        Raises:
            LimitError: a voltage beyond ``limits.read_voltage``.
            ProgramError: a shape that does not fit.
        """
        volts = self._voltages(column_voltages, self.shape[1], "column_voltages")
        with self._lock:
            self._check_recording()
            if self.capabilities.parallel_forward:
                return self._forward(volts)
            return volts @ self._host_map().T

    @final
    def backward(self, row_voltages: ArrayLike) -> NDArray[np.float64]:
        """Drive rows, sense columns: ``I = G^T V``.

        Args:
            row_voltages: ``(batch, rows)``, V.

        Returns:
            ``(batch, columns)``, A.

        Raises:
            LimitError: a voltage beyond ``limits.read_voltage``.
            ProgramError: a shape that does not fit.
        """
        volts = self._voltages(row_voltages, self.shape[0], "row_voltages")
        with self._lock:
            self._check_recording()
            if self.capabilities.parallel_forward:
                return self._backward(volts)
            return volts @ self._host_map()

    @final
    def pulse(self, program: PulseProgram) -> PulseReceipt:
        """Apply a program, once.

        Raises:
            LimitError: beyond the limits; nothing was sent.
            InDoubtError: interrupted; part of it may have been applied.
            InstrumentError: the instruments refused it; the message says what was applied.
        """
        with self._lock:
            self._check_recording()
            self._guard.admit(program, self.shape)
            self._sequence += 1
            self._map = None
            return self._journaled(program, self._sequence)

    @final
    def forget_map(self) -> None:
        """Base host-made products from now on on a new reading, also without a pulse since."""
        with self._lock:
            self._map = None

    @final
    def wait(self, seconds: float) -> None:
        """Leave the chip alone for a while, s; on a twin that costs nobody any time.

        Raises:
            ProgramError: a negative time, or one that is not a number.
        """
        if not 0 <= seconds < float("inf"):
            raise ProgramError(f"a wait of {seconds:g} s cannot be")
        self.clock.sleep(seconds)

    @final
    def make_safe(self) -> None:
        """Outputs off. May be called at any time, any number of times; never raises."""
        with self._lock:
            try:
                self._make_safe()
            except Exception as error:
                log.error("%s: could not be made safe: %s", self.name, error)

    @final
    def close(self) -> None:
        """Make safe and let go of the instruments; never raises."""
        self.make_safe()
        callbacks, self.at_close = self.at_close, []
        for let_go in (self._close, *callbacks):
            try:
                let_go()
            except Exception as error:
                log.error("%s: could not be closed: %s", self.name, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self.recording is not None:
            self.recording.left_by(error)
        self.close()

    @abstractmethod
    def _read(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Conductances at the crossings of ``rows`` and ``columns``, S."""

    def _currents(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], voltage: float
    ) -> NDArray[np.float64]:
        """Currents at ``voltage``, A. What hardware does not override knows its read voltage only.

        Raises:
            ProgramError: this hardware reads at no other voltage.
        """
        if voltage != self.reading.voltage:
            raise ProgramError(
                f"{self.name} reads at {self.reading.voltage:g} V only, not at {voltage:g} V"
            )
        return self._read(rows, columns) * voltage

    @abstractmethod
    def _pulse(self, program: PulseProgram, sequence: int) -> tuple[int, int]:
        """Apply; return pulses applied as the hardware counted them, and runs in compliance."""

    @abstractmethod
    def _make_safe(self) -> None:
        """Outputs off, as far as the link allows; may raise, to say what could not be done."""

    def _close(self) -> None:  # noqa: B027 - a twin has no links
        """Let go of links."""

    def _forward(self, column_voltages: NDArray[np.float64]) -> NDArray[np.float64]:
        raise NotImplementedError("capabilities.parallel_forward promises _forward")

    def _backward(self, row_voltages: NDArray[np.float64]) -> NDArray[np.float64]:
        raise NotImplementedError("capabilities.parallel_forward promises _backward")

    def _journaled(self, program: PulseProgram, sequence: int) -> PulseReceipt:
        entry = self.journal.intend(self.name, program) if self.journal else 0
        started = time.perf_counter()
        try:
            applied, clipped = self._pulse(program, sequence)
        except BaseException as error:
            if isinstance(error, InDoubtError):
                error.cells = np.unique(program.runs.cells)
            if self.journal:
                self.journal.doubt(entry, error)
            raise
        seconds = time.perf_counter() - started
        receipt = PulseReceipt(program, sequence, applied, clipped, seconds)
        if self.journal:
            self.journal.done(entry, receipt.pulses_applied)
        return receipt

    def _check_recording(self) -> None:
        """Nothing is begun that could not be recorded, where it is to be."""
        if self.recording is not None:
            self.recording.check()

    def _host_map(self) -> NDArray[np.float64]:
        """The map that products are made of where hardware has none; read anew after pulses."""
        if self._map is None:
            self._map = self.read()
        return self._map

    def _booked(self, rows: slice, columns: slice) -> int:
        """Pulses ever booked on some cells: grows whenever a program touches them."""
        return int(self._guard.ledger.pulses[rows, columns].sum())

    def _voltages(self, values: ArrayLike, lines: int, name: str) -> NDArray[np.float64]:
        volts = np.asarray(values, dtype=np.float64)
        if volts.ndim != 2 or volts.shape[1] != lines:
            raise ProgramError(f"{name} must be (batch, {lines}), not {volts.shape}")
        if volts.size:
            self.limits.check_read(float(np.abs(volts).max()))
        return volts


def line_indices(lines: Lines, count: int) -> NDArray[np.intp]:
    """Which lines, as an array of indices from 0 to ``count - 1``.

    Raises:
        IndexError: a line beyond the crossbar.
    """
    indices: NDArray[np.intp] = np.arange(count, dtype=np.intp)
    if lines is ALL:
        return indices
    return np.atleast_1d(indices[list(lines) if isinstance(lines, tuple) else lines])
