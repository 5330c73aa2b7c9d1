"""One thing that is wrong with a bench's wiring: what, where, how one knows, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Wrong(StrEnum):
    """What can be found. All but ``OFFSET`` and ``NONLINEAR`` make training wrong."""

    NOTHING_CONDUCTS = "nothing conducts"
    OPEN_ROW = "open row"
    OPEN_COLUMN = "open column"
    OPEN_CELL = "open cell"
    SHORTED_ROW = "shorted row"
    SHORTED_COLUMN = "shorted column"
    SHORTED_CELL = "shorted cell"
    UNREADABLE_ROW = "unreadable row"
    UNREADABLE_COLUMN = "unreadable column"
    UNREADABLE_CELL = "unreadable cell"
    ROWS_TOGETHER = "rows shorted together"
    COLUMNS_TOGETHER = "columns shorted together"
    SWAPPED_ROWS = "swapped rows"
    SWAPPED_COLUMNS = "swapped columns"
    OFFSET = "offset current"
    NONLINEAR = "not linear"

    @property
    def serious(self) -> bool:
        """Whether training on it goes wrong."""
        return self not in (Wrong.OFFSET, Wrong.NONLINEAR)

    @property
    def remedy(self) -> str:
        """What to do."""
        return _REMEDIES[self]


_LINE = "check the wire, the bond, and the crosspoint or channel in the bench file"
_REMEDIES = {
    Wrong.NOTHING_CONDUCTS: "check that the chip is in its socket, and the source's two cables",
    Wrong.OPEN_ROW: _LINE,
    Wrong.OPEN_COLUMN: _LINE,
    Wrong.OPEN_CELL: "a cell that was never formed, or is broken: form it, or leave it out",
    Wrong.SHORTED_ROW: "look for a bridge to the other side at socket, bonds and cards",
    Wrong.SHORTED_COLUMN: "look for a bridge to the other side at socket, bonds and cards",
    Wrong.SHORTED_CELL: "leave the cell out; where it ought to conduct so much, raise"
    " limits.current or the instrument's current range",
    Wrong.UNREADABLE_ROW: "see what the instrument says; check relay or channel",
    Wrong.UNREADABLE_COLUMN: "see what the instrument says; check relay or channel",
    Wrong.UNREADABLE_CELL: "see what the instrument says",
    Wrong.ROWS_TOGETHER: "look for a bridge between the lines, and for relays that stick",
    Wrong.COLUMNS_TOGETHER: "look for a bridge between the lines, and for relays that stick",
    Wrong.SWAPPED_ROWS: "exchange the wires, or the lines in the bench file",
    Wrong.SWAPPED_COLUMNS: "exchange the wires, or the lines in the bench file",
    Wrong.OFFSET: "zero the meter; let cables settle; look for leakage and light",
    Wrong.NONLINEAR: "expect products at other voltages than read.voltage to be off",
}


@dataclass(frozen=True)
class Finding:
    """Something wrong.

    Attributes:
        wrong: what.
        rows: rows concerned; empty where it is columns.
        columns: columns concerned; a cell has one row and one column.
        evidence: how one knows, with units.
    """

    wrong: Wrong
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    evidence: str
