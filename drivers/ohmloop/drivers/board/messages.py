"""Requests of the pulse board as typed values, and back to bytes. Strict: no spare byte passes.

Field tables: ``docs/reference/pulse-board.md``. All numbers are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

_WATCHDOG = (0.01, 3600.0)  # s
NO_LIMIT = 2**64 - 1
"""``SetLimits.pulses`` where there is no limit."""


class MessageError(ValueError):
    """A payload that is not what its type says."""


class Message:
    """A message; its fields are its payload."""

    type: ClassVar[int]
    layout: ClassVar[struct.Struct] = struct.Struct("<")

    def payload(self) -> bytes:
        """As bytes."""
        values: Any = self
        return self.layout.pack(*(getattr(values, field.name) for field in fields(values)))

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """From bytes.

        Raises:
            MessageError: not a message of this type.
        """
        if len(payload) != cls.layout.size:
            raise MessageError(f"{cls.__name__} of {len(payload)} bytes, not {cls.layout.size}")
        return cls(*cls.layout.unpack(payload))


@dataclass(frozen=True, slots=True)
class Identify(Message):
    """Who are you? Answered by ``Identity``, in any version of the protocol."""

    type: ClassVar[int] = 0x01


@dataclass(frozen=True, slots=True)
class Status(Message):
    """How are you? Answered by ``Report``, at any time."""

    type: ClassVar[int] = 0x02


@dataclass(frozen=True, slots=True)
class Safe(Message):
    """Stop a program that runs, outputs off. Answered by ``Done``."""

    type: ClassVar[int] = 0x03


@dataclass(frozen=True, slots=True)
class SetLimits(Message):
    """What the chip may be given. Answered by ``Done``.

    Attributes:
        voltage: largest pulse amplitude, V.
        width: longest pulse, s.
        read_voltage: largest voltage of a read or product, V.
        current: compliance, A.
        duty_cycle: largest share of time under voltage.
        pulses: most pulses of a cell in one program; ``NO_LIMIT``: any number.
    """

    voltage: float
    width: float
    read_voltage: float
    current: float
    duty_cycle: float
    pulses: int
    type: ClassVar[int] = 0x04
    layout: ClassVar[struct.Struct] = struct.Struct("<5dQ")

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Refuses limits that are not positive, and a duty cycle above 1."""
        made = super(SetLimits, cls).parse(payload)
        values = (made.voltage, made.width, made.read_voltage, made.current, made.duty_cycle)
        if not all(v > 0 for v in values) or made.duty_cycle > 1:
            raise MessageError("limits must be above 0, and the duty cycle at most 1")
        return made


@dataclass(frozen=True, slots=True)
class SetWatchdog(Message):
    """Outputs go off after ``seconds`` without a frame, 0.01 to 3600 s. Answered by ``Done``."""

    seconds: float
    type: ClassVar[int] = 0x05
    layout: ClassVar[struct.Struct] = struct.Struct("<d")

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Refuses times out of range."""
        made = super(SetWatchdog, cls).parse(payload)
        if not _WATCHDOG[0] <= made.seconds <= _WATCHDOG[1]:
            raise MessageError("the watchdog's time must be 0.01 s to 3600 s")
        return made


@dataclass(frozen=True, slots=True)
class Chunk(Message):
    """A part of program ``number``, from byte ``offset`` on. Answered by ``Done``."""

    number: int
    offset: int
    data: bytes
    type: ClassVar[int] = 0x10
    layout: ClassVar[struct.Struct] = struct.Struct("<QI")

    def payload(self) -> bytes:
        """Head and data."""
        return self.layout.pack(self.number, self.offset) + self.data

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Refuses a chunk without data."""
        head, data = split_head(cls, payload)
        if not data:
            raise MessageError("a chunk without data")
        return cls(*(*head, data))


@dataclass(frozen=True, slots=True)
class Run(Message):
    """Run program ``number``, of which ``data`` is the last part. Answered by ``Result``.

    Attributes:
        boot: the power-up that the host speaks to.
        number: of the program; above all numbers before, or the last one again.
        length: of the whole program, bytes.
        checksum: CRC-32 of the whole program.
        data: its last part, which may be all of it.
    """

    boot: int
    number: int
    length: int
    checksum: int
    data: bytes
    type: ClassVar[int] = 0x11
    layout: ClassVar[struct.Struct] = struct.Struct("<IQII")

    def payload(self) -> bytes:
        """Head and data."""
        return self.layout.pack(self.boot, self.number, self.length, self.checksum) + self.data

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Refuses number 0 and more data than the program has."""
        head, data = split_head(cls, payload)
        made = cls(*(*head, data))
        if not made.number or len(data) > made.length:
            raise MessageError("a program of number 0, or longer than it says")
        return made


def split_head(kind: type[Message], payload: bytes) -> tuple[tuple[Any, ...], bytes]:
    """The fields of ``kind.layout``, and the bytes after them.

    Raises:
        MessageError: too short.
    """
    if len(payload) < kind.layout.size:
        raise MessageError(f"{kind.__name__} of {len(payload)} bytes")
    return kind.layout.unpack_from(payload), payload[kind.layout.size :]
