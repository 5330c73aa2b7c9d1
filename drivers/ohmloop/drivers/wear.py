"""How often every cell was pulsed in its life: counts that outlive runs, processes and crashes.

The count must never be too low. So a program is booked before it is sent, the file is replaced
whole and is on the disk before ``book`` returns, one process at a time may use a chip that has a
ledger (``Claim``), and a file that somebody else changed meanwhile is not written over.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import BadInputError, ConfigError, LimitError
from .pulses import PulseProgram

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


_MOST_HELD = 1 << 23
"""Bytes of programs that are kept before they are counted."""


class Claim:
    """A chip in use. Ends with ``release``, or with the process, however that ends.

    Args:
        ledger: the file of the chip's wear ledger; the lock is a file beside it, which stays.
        what: the crossbar, for the message.

    Raises:
        BadInputError: the chip is in use already, or the file cannot be made.
    """

    def __init__(self, ledger: Path, what: str) -> None:
        path = ledger.with_suffix(".lock")
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise BadInputError(f"{path}: cannot be made: {error.strerror}") from error
        try:
            _lock(file)
        except OSError as error:
            holder = os.read(file, 200).decode("utf-8", "replace").strip() or "another process"
            os.close(file)
            raise BadInputError(
                f"{what} is in use by {holder}; the pulses of its cells are counted, so one at a"
                " time may use it"
            ) from error
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        self._end = weakref.finalize(self, os.close, file)

    def release(self) -> None:
        """Let others have it; idempotent."""
        self._end()


class WearLedger:
    """Pulses each cell has had in its life, kept in a file across runs.

    In memory, what nobody has asked for yet may still lie there as programs, where to count their
    cells takes longer than the programs themselves.

    Args:
        shape: rows and columns.
        path: ``.npy`` file to keep it in; None keeps it in memory.

    Raises:
        ConfigError: the file holds something else.
    """

    def __init__(self, shape: tuple[int, int], path: Path | None = None) -> None:
        self.path = path
        self._pulses: NDArray[np.int64] = np.zeros(shape, np.int64)
        self._noted: list[PulseProgram] = []
        self._held = 0
        self._counting = threading.Lock()
        self._seen = _signature(path)
        if path is not None and self._seen is not None:
            self._pulses = _load_wear(path, shape)

    @property
    def pulses(self) -> NDArray[np.int64]:
        """Pulses of each cell ``(rows, columns)``; not to be written to."""
        with self._counting:
            self._count()
            return self._pulses

    def note(self, program: PulseProgram) -> None:
        """Add the pulses of a program, in memory: for a ledger that has no file."""
        with self._counting:
            if program.counts_at_once:
                program.add_to(self._pulses)
                return
            self._noted.append(program)
            self._held += program.held
            if self._held > _MOST_HELD:
                self._count()

    def _count(self) -> None:
        for program in self._noted:
            program.add_to(self._pulses)
        self._noted, self._held = [], 0

    def book(self, pulses: NDArray[np.int64]) -> None:
        """Add ``pulses`` ``(rows, columns)`` and write the file, all or nothing.

        Raises:
            LimitError: the file was changed by somebody else, or cannot be written.
        """
        total = self.pulses + pulses
        if self.path is not None:
            if _signature(self.path) != self._seen:
                raise LimitError(
                    f"{self.path}: somebody else changed the wear ledger since it was opened;"
                    " nothing was sent; open the crossbar again"
                )
            try:
                _replace(self.path, total)
            except OSError as error:
                raise LimitError(
                    f"{self.path}: the wear ledger cannot be written ({error.strerror});"
                    " nothing was sent"
                ) from error
            self._seen = _signature(self.path)
        self._pulses = total


def _signature(path: Path | None) -> tuple[int, int, int] | None:
    """What changes when a file is replaced or written to; None where there is none."""
    try:
        found = os.stat(path) if path else None
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found else None


def _replace(path: Path, pulses: NDArray[np.int64]) -> None:
    draft = path.with_suffix(".tmp")
    with draft.open("wb") as file:
        np.save(file, pulses)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    if sys.platform != "win32":  # the new name is on the disk, too
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _load_wear(path: Path, shape: tuple[int, int]) -> NDArray[np.int64]:
    try:
        with path.open("rb") as file:
            stored = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ConfigError(path, "", f"not a wear ledger: {error}") from error
    if stored.shape != shape:
        raise ConfigError(path, "", f"wear ledger is for a crossbar of {stored.shape}, not {shape}")
    if stored.dtype != np.int64 or (stored < 0).any():
        raise ConfigError(path, "", f"not a wear ledger: {stored.dtype}, not counts")
    return np.array(stored)
