"""The journal of pulse programs: written before a program is sent, and again when it is done.

A run killed at any moment leaves at most its last program open, and the journal says which.
"""

from __future__ import annotations

import sqlite3
import time
import zlib
from pathlib import Path
from typing import Protocol

from .errors import BadInputError, InDoubtError, ProgramError
from .pulses import PulseProgram

_SCHEMA = """
create table if not exists programs (
    entry integer primary key,
    crossbar text not null,
    digest text not null,
    program blob not null,
    pulses integer not null,
    state text not null check (state in ('intended', 'done', 'in doubt')),
    pulses_applied integer,
    note text,
    time real not null
)
"""


class PulseJournal(Protocol):
    """What a crossbar tells while it pulses."""

    def intend(self, crossbar: str, program: PulseProgram) -> int:
        """Record that ``program`` is about to be sent; returns the entry's number."""

    def done(self, entry: int, pulses_applied: int) -> None:
        """Record that it was applied, and how many pulses the hardware counted."""

    def doubt(self, entry: int, error: BaseException) -> None:
        """Record that it was interrupted."""


class SqliteJournal:
    """``journal.sqlite`` of a run folder, in write-ahead mode: survives the end of the process.

    Raises:
        BadInputError: the file is not a journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise BadInputError(f"{path}: cannot be opened: {error}") from error
        try:
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            self._db.execute(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise BadInputError(f"{path}: not a journal: {error}") from error

    def intend(self, crossbar: str, program: PulseProgram) -> int:
        """Write the whole program, state ``intended``."""
        # Trains are mostly empty slots: compressed, a run's journal is a fraction of the size.
        stored = zlib.compress(program.to_bytes(), 1)
        row = (crossbar, program.digest, stored, program.total_pulses, time.time())
        cursor = self._db.execute(
            "insert into programs (crossbar, digest, program, pulses, state, time)"
            " values (?, ?, ?, ?, 'intended', ?)",
            row,
        )
        return int(cursor.lastrowid or 0)

    def done(self, entry: int, pulses_applied: int) -> None:
        """Set the state ``done``."""
        self._db.execute(
            "update programs set state = 'done', pulses_applied = ? where entry = ?",
            (pulses_applied, entry),
        )

    def doubt(self, entry: int, error: BaseException) -> None:
        """Set the state ``in doubt``, with what the hardware counted where it could be asked."""
        applied = error.applied if isinstance(error, InDoubtError) else None
        self._db.execute(
            "update programs set state = 'in doubt', pulses_applied = ?, note = ? where entry = ?",
            (applied, f"{type(error).__name__}: {error}", entry),
        )

    def totals(self) -> dict[str, int]:
        """Programs in each state, and pulses applied in all."""
        counts = dict(self._db.execute("select state, count(*) from programs group by state"))
        pulses = self._db.execute("select coalesce(sum(pulses_applied), 0) from programs")
        return {
            "done": counts.get("done", 0),
            "in_doubt": counts.get("in doubt", 0) + counts.get("intended", 0),
            "pulses_applied": int(pulses.fetchone()[0]),
        }

    def program(self, entry: int) -> PulseProgram:
        """The program of an entry, to look at or to repeat.

        Raises:
            BadInputError: there is no such entry.
            ProgramError: it is damaged.
        """
        found = self._db.execute("select program from programs where entry = ?", (entry,))
        row = found.fetchone()
        if row is None:
            raise BadInputError(f"{self.path}: no entry {entry}")
        try:
            return PulseProgram.from_bytes(zlib.decompress(row[0]))
        except zlib.error as error:
            raise ProgramError(f"{self.path}: entry {entry} is damaged: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()
