"""Text tables from disk: comma, tab or semicolon, also gzipped; what else is refused by name."""

from __future__ import annotations

import csv
import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

from ohmloop.drivers import BadInputError

_FOREIGN = {
    b"PK": "a zip archive or a spreadsheet (xlsx); save it as CSV",
    b"\x89HDF": "an HDF5 or NetCDF file, not a table of text",
    b"CDF": "a NetCDF file, not a table of text",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (xls); save it as CSV",
    b"%PDF": "a PDF; save the table as CSV",
    b"SQLite format 3": "an SQLite database, not a table of text",
}
_MARK = "\ufeff"
_LARGEST = 1 << 30
"""Bytes of text that are read, at most."""


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table as it stands in a file.

    Attributes:
        path: the file.
        header: names of the columns.
        rows: line number in the file, and its cells, as many as there are names.
    """

    path: Path
    header: tuple[str, ...]
    rows: list[tuple[int, list[str]]]


def read_text_table(path: Path) -> TextTable:
    """Read a table; lines that are empty or begin with ``#`` are left out.

    Raises:
        BadInputError: no such file, no text, no header, or lines of different lengths.
    """
    text = _text(path).removeprefix(_MARK)
    lines = [
        (n, s) for n, s in enumerate(text.splitlines(), 1) if s.strip() and s.lstrip()[0] != "#"
    ]
    if not lines:
        raise BadInputError(f"{path}: is empty")
    delimiter = max("\t;,", key=lines[0][1].count)
    try:
        cells = list(csv.reader((s for _, s in lines), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise BadInputError(f"{path}: not a table of text: {error}") from error
    if len(cells) != len(lines):
        raise BadInputError(f"{path}: a quoted cell goes over several lines; take its quotes away")
    header = tuple(cell.strip() for cell in cells[0])
    _check_header(path, header)
    rows = [(n, [c.strip() for c in row]) for (n, _), row in zip(lines[1:], cells[1:], strict=True)]
    for number, row in rows:
        if len(row) != len(header):
            raise BadInputError(
                f"{path}: line {number} has {len(row)} cells, the header {len(header)}"
            )
    if not rows:
        raise BadInputError(f"{path}: has a header, but no readings")
    return TextTable(path, header, rows)


def _text(path: Path) -> str:
    data = _bytes(path)
    for magic, what in _FOREIGN.items():
        if data.startswith(magic):
            raise BadInputError(f"{path}: is {what}")
    if b"\0" in data[:4096]:
        raise BadInputError(f"{path}: is binary, not a table of text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"{path}: byte {error.start} is not UTF-8 text; save the table as CSV in UTF-8"
        ) from error


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise BadInputError(f"{path}: no such file")
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadInputError(f"{path}: the gzip file is damaged or cut off: {error}") from error
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read: {error}") from error
    if len(data) > _LARGEST:
        raise BadInputError(f"{path}: holds more than 1 GB of text; split it")
    return data


def _check_header(path: Path, header: tuple[str, ...]) -> None:
    if all(_is_number(cell) for cell in header):
        raise BadInputError(
            f"{path}: the first line holds numbers; put a line with the names of the columns above"
            " it, such as 'pulse,conductance [uS]'"
        )
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise BadInputError(f"{path}: there are two columns {twice[0]!r}; rename one")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
