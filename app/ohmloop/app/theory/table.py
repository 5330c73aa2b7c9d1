"""Results of a study: one table in long form, kept as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Value = str | float


@dataclass
class Table:
    """Rows of equal columns.

    Attributes:
        columns: names.
        rows: one value each.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]] = field(default_factory=list)

    def add(self, *values: Value) -> None:
        """One more row."""
        self.rows.append(tuple(v if isinstance(v, str) else float(v) for v in values))

    def of(self, **wanted: Value) -> Table:
        """The rows in which columns have these values."""
        at = {self.columns.index(name): value for name, value in wanted.items()}
        kept = [row for row in self.rows if all(row[k] == value for k, value in at.items())]
        return Table(self.columns, kept)

    def names(self, column: str) -> list[Value]:
        """The different values of a column, in their order."""
        return list(dict.fromkeys(self._values(column)))

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A column of numbers."""
        return np.array(list(self._values(column)), np.float64)

    def write(self, file: Path) -> None:
        """As CSV, numbers in full."""
        with file.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([self.columns, *self.rows])

    @classmethod
    def read(cls, file: Path) -> Table:
        """What ``write`` wrote."""
        with file.open(newline="", encoding="utf-8") as lines:
            first, *rest = csv.reader(lines)
        return cls(tuple(first), [_parsed(row) for row in rest])

    def _values(self, column: str) -> Iterator[Value]:
        k = self.columns.index(column)
        return (row[k] for row in self.rows)


def _parsed(row: Sequence[str]) -> tuple[Value, ...]:
    def value(text: str) -> Value:
        try:
            return float(text)
        except ValueError:
            return text

    return tuple(map(value, row))
