"""The measurement store: one append-only SQLite file, written as a chip is measured.

::

    what      who was measured, by which recipe, with which seed
    routines  which were begun, with which parameters, at which pulse conditions; which are through
    steps     what was done to the chip, one row a step, with what came back
    programs  the pulse programs that steps name by their digest, each once

A pulse program is written down before it is sent, and again when it is done; a reading, as soon as
it is there. So a process killed at any moment leaves at most one program open, and that one is in
doubt. A program is on the disk, with all that came before it, when it is sent: a loss of power may
take what came back since, which is then in doubt or read again, but never that a program was sent.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError, PulseProgram

Kind = Literal["read", "currents", "forward", "backward", "pulse", "wait", "note"]
State = Literal["intended", "done", "in doubt", "failed"]

_FORMAT, _VERSION = "ohmloop-measurement", 1
_SCHEMA = """
create table if not exists what (key text primary key, value text not null);
create table if not exists routines (
    name text primary key,
    parameters text not null,
    bench text not null,
    state text not null check (state in ('begun', 'done'))
);
create table if not exists steps (
    number integer primary key,
    routine text not null,
    position integer not null,
    kind text not null,
    label text not null,
    repeat integer not null,
    arguments text not null,
    digest text not null,
    state text not null check (state in ('intended', 'done', 'in doubt', 'failed')),
    program text,
    time real not null,
    seconds real,
    shape text,
    result blob,
    unique (routine, position)
);
create table if not exists programs (digest text primary key, program blob not null);
"""
_COLUMNS = (
    "number, routine, position, kind, label, repeat, arguments, steps.digest, state, time, shape"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done to a chip.

    Attributes:
        number: among all steps of the store, from 1.
        routine: by which routine.
        position: among the routine's steps, from 0.
        kind: reading, currents, product, pulse program, wait, or note.
        label: what the routine calls it.
        repeat: which repetition; -1 where there are none.
        arguments: what was asked for.
        digest: of all that was asked for, program included.
        state: ``done``, ``failed`` (the instruments refused, and would again), ``intended`` or
            ``in doubt`` (a program that may have been applied, in whole, in part, or not).
        time: when it was begun, on the session's clock, s.
        result: what came back; a program gives the pulses that the hardware counted.
        program: the pulse program, where it is one.
    """

    number: int
    routine: str
    position: int
    kind: Kind
    label: str
    repeat: int
    arguments: Mapping[str, Any]
    digest: str
    state: State
    time: float
    result: NDArray[np.float64] | None = None
    program: PulseProgram | None = None


class MeasurementStore:
    """A measurement in a file; made where there is none.

    Args:
        path: the file; None keeps it in memory.
        make: whether one is made where there is none.

    Raises:
        BadInputError: not a measurement, in use by another process, or it cannot be made.
    """

    def __init__(self, path: Path | None = None, *, make: bool = True) -> None:
        self.path = path
        self._programs: set[str] = set()  # that are known to be in the file
        self._ends: dict[str, int] = {}  # first position of a routine that has no step
        if path is not None and not path.parent.is_dir():
            raise BadInputError(f"{path}: there is no folder {path.parent}")
        if path is not None and not make and not path.is_file():
            raise BadInputError(f"{path}: no such file")
        try:
            self._db = sqlite3.connect(
                path or ":memory:", isolation_level=None, timeout=0, check_same_thread=False
            )
        except sqlite3.OperationalError as error:
            raise BadInputError(f"{path}: cannot be opened: {error}") from error
        try:
            self._open(make)
        except sqlite3.OperationalError as error:
            self._db.close()
            busy = "locked" in str(error)
            problem = "is being written by another process" if busy else f"cannot be used: {error}"
            raise BadInputError(f"{path}: {problem}") from error
        except (sqlite3.DatabaseError, BadInputError) as error:
            self._db.close()
            raise BadInputError(f"{path}: not a measurement of ohmloop") from error

    def _open(self, make: bool) -> None:
        self._db.execute("pragma locking_mode = exclusive")  # ends with the process
        # before anything is written: a foreign file is left as it is
        tables = {name for (name,) in self._db.execute("select name from sqlite_master")}
        if ("what" not in tables) if tables else not make:
            raise BadInputError("other tables, or none")
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.execute("pragma wal_autocheckpoint = 4000")  # pages: it waits for the disk
        if not tables:
            self._db.executescript(_SCHEMA)
            self.tell(format=_FORMAT, version=_VERSION)
        if self.what().get("format") != _FORMAT:
            raise BadInputError("other tables")
        if self.what()["version"] != _VERSION:
            raise BadInputError("another version")

    @property
    def name(self) -> str:
        """For messages."""
        return str(self.path or "measurement")

    def what(self) -> dict[str, Any]:
        """All that was told of the measurement as a whole."""
        rows = self._db.execute("select key, value from what")
        return {key: json.loads(value) for key, value in rows}

    def tell(self, **what: Any) -> None:
        """Keep facts about the measurement as a whole; later ones replace earlier ones."""
        rows = [(key, json.dumps(value)) for key, value in what.items()]
        self._db.executemany("insert or replace into what values (?, ?)", rows)

    def begin(self, routine: str, parameters: str, bench: str) -> str:
        """Note that a routine begins, or goes on.

        Args:
            routine: its name.
            parameters: as text.
            bench: conditions, reading, limits and capabilities it is measured under, as text.

        Returns:
            What ``bench`` was when the routine began.

        Raises:
            BadInputError: it was begun with other parameters.
        """
        row = (routine, parameters, bench, "begun")
        self._db.execute("insert or ignore into routines values (?, ?, ?, ?)", row)
        found = self._routine(routine)
        assert found is not None
        if found[0] != parameters:
            raise BadInputError(
                f"{self.name}: {routine} was begun with other parameters, {found[0]}; go on with"
                " those, or begin a new measurement"
            )
        return str(found[1])

    def finish(self, routine: str) -> None:
        """Note that a routine is through."""
        self._db.execute("update routines set state = 'done' where name = ?", (routine,))

    def is_done(self, routine: str) -> bool:
        """Whether a routine is through."""
        found = self._routine(routine)
        return found is not None and found[2] == "done"

    def bench(self, routine: str) -> str:
        """Under which conditions a routine was begun.

        Raises:
            BadInputError: it was not.
        """
        found = self._routine(routine)
        if found is None:
            raise BadInputError(f"{self.name}: {routine} was not measured")
        return str(found[1])

    def routines(self) -> list[str]:
        """Those begun, in order."""
        return [name for (name,) in self._db.execute("select name from routines order by rowid")]

    def write(
        self,
        routine: str,
        position: int,
        kind: Kind,
        digest: str,
        arguments: Mapping[str, Any],
        *,
        label: str = "",
        repeat: int = -1,
        state: State = "intended",
        program: PulseProgram | None = None,
        result: NDArray[np.float64] | None = None,
        time: float,
        seconds: float | None = None,
    ) -> int:
        """Write a step down, before it is done or after; returns its number.

        A program that is intended is on the disk when this returns.
        """
        if program is not None and program.digest not in self._programs:
            # first, so that no step names one that is not there
            self._db.execute(
                "insert or ignore into programs values (?, ?)",
                (program.digest, program.to_bytes()),
            )
            self._programs.add(program.digest)
        cannot_be_undone = kind == "pulse" and state == "intended"
        if cannot_be_undone:  # the commit then waits for the disk, for this and all before it
            self._db.execute("pragma synchronous = full")
        cursor = self._db.execute(
            "insert into steps (routine, position, kind, label, repeat, arguments, digest, state,"
            " result, shape, program, time, seconds)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                routine, position, kind, label, repeat, json.dumps(arguments), digest, state,
                *_bytes(result), None if program is None else program.digest, time, seconds,
            ),
        )  # fmt: skip
        if cannot_be_undone:
            self._db.execute("pragma synchronous = normal")
        self._ends[routine] = max(self._end(routine), position + 1)
        return int(cursor.lastrowid or 0)

    def settle(
        self,
        number: int,
        state: State,
        result: NDArray[np.float64] | None = None,
        seconds: float | None = None,
    ) -> None:
        """Write down what became of a step that was intended."""
        self._db.execute(
            "update steps set state = ?, result = ?, shape = ?, seconds = ? where number = ?",
            (state, *_bytes(result), seconds, number),
        )

    def forget(self, number: int) -> None:
        """Take back a step that was written down and then not begun."""
        self._db.execute("delete from steps where number = ? and state = 'intended'", (number,))
        self._ends.clear()

    def step(self, routine: str, position: int) -> Step | None:
        """One step of a routine, if it came to it."""
        if position >= self._end(routine):
            return None
        rows = self._select("where routine = ? and position = ?", (routine, position))
        return rows[0] if rows else None

    def steps(self, *routines: str) -> list[Step]:
        """All steps of some routines, or all there are, in the order of time."""
        if not routines:
            return self._select("order by number", ())
        marks = ", ".join("?" * len(routines))
        return self._select(f"where routine in ({marks}) order by number", routines)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _end(self, routine: str) -> int:
        """First position of a routine that has no step, nor has any after it."""
        if routine not in self._ends:
            ((last,),) = self._db.execute(
                "select coalesce(max(position), -1) from steps where routine = ?", (routine,)
            )
            self._ends[routine] = int(last) + 1
        return self._ends[routine]

    def _routine(self, name: str) -> tuple[str, str, str] | None:
        found: tuple[str, str, str] | None = self._db.execute(
            "select parameters, bench, state from routines where name = ?", (name,)
        ).fetchone()
        return found

    def _select(self, where: str, values: tuple[Any, ...]) -> list[Step]:
        rows = self._db.execute(
            f"select {_COLUMNS}, result, programs.program from steps"
            f" left join programs on programs.digest = steps.program {where}",
            values,
        )
        return [_step(*row) for row in rows]


def _step(*row: Any) -> Step:
    values = dict(zip(Step.__slots__, row[:10], strict=False))  # the columns are in its order
    shape, result, program = row[10:]
    values["arguments"] = json.loads(values["arguments"])
    if result is not None:
        values["result"] = np.frombuffer(result).reshape(json.loads(shape))
    if program is not None:
        values["program"] = PulseProgram.from_bytes(program)
    return Step(**values)


def _bytes(values: NDArray[np.float64] | None) -> tuple[memoryview | None, str | None]:
    if values is None:
        return None, None
    kept = np.ascontiguousarray(values, np.float64)
    return kept.data, json.dumps(kept.shape)
