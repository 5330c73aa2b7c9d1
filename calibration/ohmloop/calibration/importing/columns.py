"""Columns by name: what each may be called, which unit it has, and its numbers in SI."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError
from ohmloop.drivers.units import to_si

from .text_table import TextTable

Array = NDArray[np.float64]

TEXT, COUNT, ANY = "text", "1", "any"
COLUMNS: Mapping[str, str] = {
    "cell": TEXT,
    "row": COUNT,
    "column": COUNT,
    "pulse": COUNT,
    "direction": TEXT,
    "pulse_voltage": "V",
    "conductance": "S",
    "resistance": "ohm",
    "current": "A",
    "state": ANY,
    "read_voltage": "V",
    "time": "s",
    "step": COUNT,
    "cycle": COUNT,
    "run": TEXT,
    "phase": TEXT,
}
"""Columns that an import knows, and what their unit must measure."""

_HEAD = re.compile(r"(?P<name>.*?)\s*(?:\[(?P<square>[^\]]*)\]|\((?P<round>[^)]*)\))?")


@dataclass(frozen=True, slots=True)
class Column:
    """Where a column is, and what turns its numbers into SI."""

    place: int
    heading: str
    unit: str
    factor: float


class Columns:
    """The columns of a table that an import uses.

    Args:
        table: the file.
        given: our names -> names in the file, with units where the file has none.

    Raises:
        BadInputError: names the file, and the column or the unit that is wrong.
    """

    def __init__(self, table: TextTable, given: Mapping[str, str]) -> None:
        self.table = table
        unknown = [name for name in given if name not in COLUMNS]
        if unknown:
            raise BadInputError(
                f"there is no column {unknown[0]!r}; known are {', '.join(COLUMNS)}"
            )
        self._found = {name: self._given(name, there) for name, there in given.items()}
        taken = {column.place for column in self._found.values()}
        for place, heading in enumerate(table.header):
            name, unit = _split(heading)
            key = re.sub(r"[\s-]+", "_", name.lower())
            if place not in taken and key in COLUMNS and key not in given:
                if key in self._found:
                    raise BadInputError(f"{table.path}: there are two columns {key!r}; rename one")
                self._found[key] = self._column(key, place, heading, unit)

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def __getitem__(self, name: str) -> Column:
        return self._found[name]

    def first(self, *names: str) -> str:
        """The first of some columns that is there; empty if none is."""
        return next((name for name in names if name in self), "")

    def missing(self, what: str) -> BadInputError:
        """Says that a column is missing, which ones there are, and how to name one."""
        there = ", ".join(repr(h) for h in self.table.header)
        return BadInputError(
            f"{self.table.path}: {what}; there are {there}."
            " Rename one, or say which it is: --column NAME=THEIRS"
        )

    def texts(self, name: str) -> list[str]:
        """Cells of a column as they stand there."""
        place = self[name].place
        return [row[place] for _, row in self.table.rows]

    def numbers(self, name: str, gaps: bool = False) -> Array:
        """Numbers of a column in SI, ``(rows,)``.

        Args:
            name: of the column.
            gaps: whether cells may be empty, or ``nan``; they are nan.

        Raises:
            BadInputError: names the line.
        """
        column = self[name]
        values = np.empty(len(self.table.rows))
        for i, (line, row) in enumerate(self.table.rows):
            text = row[column.place]
            try:
                values[i] = float(text) if text or not gaps else np.nan
            except ValueError:
                raise BadInputError(
                    f"{self.table.path}: line {line}, column {column.heading!r}: {text!r} is not a"
                    " number (a decimal comma cannot be read)"
                    if "," in text
                    else f"{self.table.path}: line {line}, column {column.heading!r}: {text!r} is"
                    " not a number"
                ) from None
        if not gaps:
            self._refuse(~np.isfinite(values), column, "must be a number")
        return values * column.factor

    def counts(
        self, name: str, low: float = -(2.0**31), high: float = 2.0**31 - 1
    ) -> NDArray[np.int64]:
        """Whole numbers of a column, ``(rows,)``.

        Raises:
            BadInputError: names the line.
        """
        values = self.numbers(name)
        self._refuse(values != np.rint(values), self[name], "must be a whole number")
        wrong = (values < low) | (values > high)
        self._refuse(wrong, self[name], f"must be from {low:g} to {high:g}")
        return values.astype(np.int64)

    def _refuse(self, wrong: NDArray[np.bool_], column: Column, problem: str) -> None:
        if wrong.any():
            line, row = self.table.rows[int(wrong.argmax())]
            raise BadInputError(
                f"{self.table.path}: line {line}, column {column.heading!r}:"
                f" {row[column.place]!r} {problem}"
            )

    def _given(self, name: str, there: str) -> Column:
        wanted, unit = _split(there)
        for place, heading in enumerate(self.table.header):
            own, own_unit = _split(heading)
            if there == heading or wanted in (heading, own):
                return self._column(name, place, heading, unit or own_unit)
        near = get_close_matches(wanted, self.table.header, 1)
        hint = f"; is it {near[0]!r}?" if near else ""
        raise self.missing(f"there is no column {wanted!r} to take as {name}{hint}")

    def _column(self, name: str, place: int, heading: str, unit: str) -> Column:
        kind = COLUMNS[name]
        if kind in (TEXT, ANY):
            return Column(place, heading, unit, 1.0)
        if kind == COUNT:
            if unit not in ("", "1", "#"):
                raise self._wrong(heading, f"is a count and has no unit, not {unit!r}")
            return Column(place, heading, "1", 1.0)
        if not unit:
            raise self._wrong(
                heading,
                f"has no unit; write it as in '{name} [{_EXAMPLE[kind]}]', or say it:"
                f" --column '{name}={heading} [{_EXAMPLE[kind]}]'",
            )
        try:
            return Column(place, heading, unit, to_si(f"1 {unit}", unit=kind))
        except ValueError:
            raise self._wrong(
                heading, f"{unit!r} is not a unit of {name}; write one such as {_EXAMPLE[kind]}"
            ) from None

    def _wrong(self, heading: str, problem: str) -> BadInputError:
        return BadInputError(f"{self.table.path}: column {heading!r}: {problem}")


_EXAMPLE = {"V": "mV", "S": "uS", "ohm": "kohm", "A": "uA", "s": "us"}


def _split(heading: str) -> tuple[str, str]:
    """Name and unit of ``conductance [uS]`` or ``conductance (uS)``."""
    found = _HEAD.fullmatch(heading.strip())
    if not found:
        return heading.strip(), ""
    return found["name"].strip(), (found["square"] or found["round"] or "").strip()
