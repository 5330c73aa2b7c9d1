"""Answers of the pulse board as typed values, and back to bytes; strict as the requests."""

from __future__ import annotations

import math
import struct
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import ClassVar, Self

from .messages import Message, MessageError, split_head

_MAGIC = b"OHPB"


class Code(IntEnum):
    """Why the board refuses a request. Nothing was done, except after ``HARDWARE``."""

    TYPE = 1
    PAYLOAD = 2
    VERSION = 3
    NO_LIMITS = 4
    LIMIT = 5
    RAISED = 6
    NUMBER = 7
    INCOMPLETE = 8
    REBOOTED = 9
    TOO_LARGE = 10
    HARDWARE = 11


class State(IntEnum):
    """What became of a program."""

    NONE = 0
    RUNNING = 1
    DONE = 2
    STOPPED = 3


@dataclass(frozen=True, slots=True)
class Done(Message):
    """What was asked is done."""

    type: ClassVar[int] = 0x80


@dataclass(frozen=True, slots=True)
class Identity(Message):
    """Who answers.

    Attributes:
        protocol: version spoken.
        rows: lines of the board.
        columns: lines of the board.
        capabilities: bit 0 products, bit 1 coincidences.
        max_payload: longest payload taken and given, bytes.
        voltage: largest amplitude the board can make, V.
        shortest: pulse the board can time, s.
        longest: pulse the board can time, s.
        name: of the board.
        version: of board and firmware.
        serial: serial number.
    """

    protocol: int
    rows: int
    columns: int
    capabilities: int
    max_payload: int
    voltage: float
    shortest: float
    longest: float
    name: str
    version: str
    serial: str
    type: ClassVar[int] = 0x81
    layout: ClassVar[struct.Struct] = struct.Struct("<4sBHHBI3d")

    def payload(self) -> bytes:
        """Head, then three strings, each led by its length."""
        *numbers, name, version, serial = astuple(self)
        texts = [text.encode()[:255] for text in (name, version, serial)]
        tail = b"".join(bytes([len(text)]) + text for text in texts)
        return self.layout.pack(_MAGIC, *numbers) + tail

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Refuses a board that cannot exist."""
        (magic, *numbers), tail = split_head(cls, payload)
        if magic != _MAGIC:
            raise MessageError("an identity that does not begin with OHPB")
        made = cls(*numbers, *_texts(tail))
        smallest = 8 * max(made.rows, made.columns) + 64
        times = 0 < made.shortest <= made.longest < math.inf
        if not made.rows or not made.columns or made.max_payload < smallest or not times:
            raise MessageError("an identity of a board that cannot be")
        return made


@dataclass(frozen=True, slots=True)
class Result(Message):
    """What became of a program.

    Attributes:
        number: of the program, 0 if there was none since power-up.
        checksum: of the program.
        state: see ``State``.
        applied: pulses given.
        clipped: runs in which a line reached the current limit.
    """

    number: int
    checksum: int
    state: int
    applied: int
    clipped: int
    type: ClassVar[int] = 0x83
    layout: ClassVar[struct.Struct] = struct.Struct("<QIBQI")

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Refuses unknown states."""
        made = super(Result, cls).parse(payload)
        if made.state not in set(State):
            raise MessageError(f"a program in state {made.state}")
        return made


@dataclass(frozen=True, slots=True)
class Report(Message):
    """The board's state.

    Attributes:
        boot: another number at every power-up.
        flags: bit 0 limits are set, bit 1 outputs are on, bit 2 the watchdog has switched off
            since the last SAFE or power-up.
        damaged: damaged frames received since power-up.
        result: of the last program.
    """

    boot: int
    flags: int
    damaged: int
    result: Result
    type: ClassVar[int] = 0x82
    layout: ClassVar[struct.Struct] = struct.Struct("<IBI")

    def payload(self) -> bytes:
        """State, then the last result."""
        return self.layout.pack(self.boot, self.flags, self.damaged) + self.result.payload()

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Refuses unknown flags."""
        head, tail = split_head(cls, payload)
        if head[1] > 7:
            raise MessageError(f"flags {head[1]:#x}")
        return cls(*(*head, Result.parse(tail)))


@dataclass(frozen=True, slots=True)
class Refusal(Message):
    """The request was refused: a ``Code`` and a text for people."""

    code: int
    text: str
    type: ClassVar[int] = 0xFF
    layout: ClassVar[struct.Struct] = struct.Struct("<H")

    def payload(self) -> bytes:
        """Code, then UTF-8."""
        return self.layout.pack(self.code) + self.text.encode()

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Takes any code; what is no UTF-8 is shown as such."""
        (code,), text = split_head(cls, payload)
        return cls(code, text.decode(errors="replace"))


def _texts(data: bytes) -> list[str]:
    texts = []
    for _ in range(3):
        if not data or len(data) <= data[0]:
            raise MessageError("a text is cut short")
        texts.append(data[1 : 1 + data[0]].decode(errors="replace"))
        data = data[1 + data[0] :]
    if data:
        raise MessageError("bytes after the end")
    return texts
