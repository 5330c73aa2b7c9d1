"""Messages that read cells and multiply: voltages out, currents back, both as float64."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .messages import Message, MessageError, split_head


@dataclass(frozen=True, slots=True)
class ReadRectangle(Message):
    """Read neighbouring rows and columns, row by row. Answered by ``Currents``.

    Attributes:
        voltage: V, row against column.
        settle: wait after a cell is selected, s.
        integration: time a cell is measured, s.
        row: the first.
        rows: how many.
        column: the first.
        columns: how many.
    """

    voltage: float
    settle: float
    integration: float
    row: int
    rows: int
    column: int
    columns: int
    type: ClassVar[int] = 0x20
    layout: ClassVar[struct.Struct] = struct.Struct("<3d4H")

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Refuses times that cannot be."""
        made = super(ReadRectangle, cls).parse(payload)
        _check_times(made.settle, made.integration)
        _check_finite(np.array([made.voltage]))
        return made


@dataclass(frozen=True, slots=True, eq=False)
class ReadCells(Message):
    """Read cells of a list, in its order. Answered by ``Currents``.

    Attributes:
        cells: uint16 ``(cells, 2)``, row and column.
    """

    voltage: float
    settle: float
    integration: float
    cells: NDArray[np.uint16]
    type: ClassVar[int] = 0x21
    layout: ClassVar[struct.Struct] = struct.Struct("<3d")

    def payload(self) -> bytes:
        """Head, then the list."""
        head = self.layout.pack(self.voltage, self.settle, self.integration)
        return head + self.cells.astype("<u2").tobytes()

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Refuses half a cell."""
        head, tail = split_head(cls, payload)
        _check_times(*head[1:])
        _check_finite(np.array(head[:1]))
        if len(tail) % 4:
            raise MessageError("half a cell at the end of the list")
        return cls(*(*head, np.frombuffer(tail, "<u2").reshape(-1, 2)))


@dataclass(frozen=True, slots=True, eq=False)
class Product(Message):
    """Drive all lines of one side at once. Answered by ``Currents``, ``(batch, other lines)``.

    Attributes:
        settle: wait after each vector is set, s.
        integration: time a vector is measured, s.
        volts: float64 ``(batch, lines)``, V.
    """

    settle: float
    integration: float
    volts: NDArray[np.float64]
    layout: ClassVar[struct.Struct] = struct.Struct("<2dHH")

    def payload(self) -> bytes:
        """Head, then the vectors one after the other."""
        head = self.layout.pack(self.settle, self.integration, *self.volts.shape)
        return head + np.ascontiguousarray(self.volts, "<f8").tobytes()

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Refuses another number of voltages than announced."""
        (settle, integration, batch, lines), tail = split_head(cls, payload)
        _check_times(settle, integration)
        if len(tail) != 8 * batch * lines or not batch or not lines:
            raise MessageError("another number of voltages than announced")
        volts = np.frombuffer(tail, "<f8").reshape(batch, lines)
        _check_finite(volts)
        return cls(settle, integration, volts)


class Forward(Product):
    """Drive columns, sense rows."""

    type: ClassVar[int] = 0x22


class Backward(Product):
    """Drive rows, sense columns."""

    type: ClassVar[int] = 0x23


@dataclass(frozen=True, slots=True, eq=False)
class Currents(Message):
    """Measured currents.

    Attributes:
        values: float64, A, in the order of what was asked for.
    """

    values: NDArray[np.float64]
    type: ClassVar[int] = 0x84

    def payload(self) -> bytes:
        """The values, nothing else."""
        return np.ascontiguousarray(self.values, "<f8").tobytes()

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Refuses part of a number."""
        if len(payload) % 8:
            raise MessageError("part of a number at the end")
        return cls(np.frombuffer(payload, "<f8"))


def _check_times(settle: float, integration: float) -> None:
    if not (0 <= settle <= 1e3 and 0 <= integration <= 1e3):
        raise MessageError("settling and integration must be 0 to 1000 s")


def _check_finite(volts: NDArray[np.float64]) -> None:
    if not np.isfinite(volts).all():
        raise MessageError("a voltage that is no number")
