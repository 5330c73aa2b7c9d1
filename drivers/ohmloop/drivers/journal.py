"""The journal of pulse programs: written before a program is sent, and again when it is done.

A run killed at any moment leaves at most its last program open, and the journal says which.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Protocol

from .errors import BadInputError, InDoubtError
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
        row = (crossbar, program.digest, program.to_bytes(), program.total_pulses, time.time())
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

    def close(self) -> None:
        """Close the file."""
        self._db.close()
