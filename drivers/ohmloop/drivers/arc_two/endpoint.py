"""The frame endpoint's byte protocol: requests and replies, and how a stream splits into them.

A frame endpoint is a small program beside the board (or the emulator) that carries out the board's
USB transfers for whoever connects: a block of frames into the board's buffer, the buffer's state, a
block of its memory, its configuration. The protocol is specified in
``docs/reference/arc-two-bench.md``. All numbers are little-endian.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

VERSION = 1
FIFO = 0x80000000
"""Address that frames are written to; it does not count up."""
FIFO_EMPTY = 0x80020000
"""Register that reads 1 when the buffer is empty."""
FLAGS = 0x78000000
"""Where flags are kept by convention, one word for each chunk of memory."""
CHUNK = 256
"""Bytes of one reading in memory: a word a channel."""
MEMORY = 1 << 30
"""Bytes of memory for readings, from address 0."""
LONGEST = 1 << 20
"""Most bytes of one read."""

_REQUEST, _REPLY = b"A2Q1", b"A2R1"
_REQUEST_HEAD = struct.Struct("<4sBxHII")
_REPLY_HEAD = struct.Struct("<4sBxHI")
_CHECK = struct.Struct("<I")
_ABOUT = struct.Struct("<HQB")
_SEQUENCES = 1 << 16


class EndpointError(ValueError):
    """Bytes that are no request, or no reply."""


class Verb(IntEnum):
    """What is asked."""

    HELLO = 0
    WRITE = 1
    READ = 2
    CONFIGURE = 3


class Status(IntEnum):
    """How it went; nothing was passed on to the board unless it is ``OK``."""

    OK = 0
    DAMAGED = 1
    UNKNOWN = 2
    BUSY = 3
    TOO_LONG = 4
    ADDRESS = 5
    NO_BOARD = 6


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        verb: what is asked.
        sequence: number of the request; the reply repeats it.
        address: on the board.
        length: bytes to write or read.
        payload: what to write.
    """

    verb: int
    sequence: int
    address: int = 0
    length: int = 0
    payload: bytes = b""

    def encode(self) -> bytes:
        """The bytes that go out."""
        head = _REQUEST_HEAD.pack(_REQUEST, self.verb, self.sequence, self.address, self.length)
        return _checked(head + self.payload)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Back.

        Raises:
            EndpointError: it is none, or was damaged.
        """
        body = _sound(data, _REQUEST_HEAD.size)
        magic, verb, sequence, address, length = _REQUEST_HEAD.unpack_from(body)
        if magic != _REQUEST:
            raise EndpointError("not a request to a frame endpoint")
        return cls(verb, sequence, address, length, body[_REQUEST_HEAD.size :])


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply.

    Attributes:
        status: a ``Status``.
        sequence: of the request.
        payload: what was read.
    """

    status: int
    sequence: int
    payload: bytes = b""

    def encode(self) -> bytes:
        """The bytes that go back."""
        head = _REPLY_HEAD.pack(_REPLY, self.status, self.sequence, len(self.payload))
        return _checked(head + self.payload)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Back.

        Raises:
            EndpointError: it is none, or was damaged.
        """
        body = _sound(data, _REPLY_HEAD.size)
        _, status, sequence, _ = _REPLY_HEAD.unpack_from(body)
        return cls(status, sequence, body[_REPLY_HEAD.size :])


@dataclass(frozen=True, slots=True)
class About:
    """What the endpoint says of itself and its board.

    Attributes:
        version: of the protocol.
        generation: another number whenever the board was configured anew, as after a power-up.
        serial: of the board.
    """

    version: int
    generation: int
    serial: str

    def encode(self) -> bytes:
        """The payload of the reply to HELLO."""
        text = self.serial.encode()[:255]
        return _ABOUT.pack(self.version, self.generation, len(text)) + text

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Back.

        Raises:
            EndpointError: cut short, or too long.
        """
        if len(data) < _ABOUT.size:
            raise EndpointError("an introduction that is cut short")
        version, generation, length = _ABOUT.unpack_from(data)
        text = data[_ABOUT.size :]
        if len(text) != length:
            raise EndpointError("an introduction of another length than it says")
        return cls(version, generation, text.decode(errors="replace"))


def split_requests(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole requests, and the rest. What is no request goes through as it is, to be refused."""
    whole: list[bytes] = []
    while len(data) >= _REQUEST_HEAD.size:
        magic, verb, _, _, length = _REQUEST_HEAD.unpack_from(data)
        if magic != _REQUEST:
            return [*whole, data], b""
        size = _REQUEST_HEAD.size + (length if verb == Verb.WRITE else 0) + _CHECK.size
        if len(data) < size:
            break
        whole.append(data[:size])
        data = data[size:]
    return whole, data


def reply_size(data: bytes, most: int) -> int | None:
    """Bytes of the reply that ``data`` begins with; None while that cannot be told.

    Args:
        data: what has arrived.
        most: longest payload that was asked for.

    Raises:
        EndpointError: it begins no reply.
    """
    if len(data) < _REPLY_HEAD.size:
        return None
    magic, _, _, length = _REPLY_HEAD.unpack_from(data)
    if magic != _REPLY or length > most:
        raise EndpointError("bytes that are no reply of a frame endpoint")
    return _REPLY_HEAD.size + int(length) + _CHECK.size


def next_sequence(sequence: int) -> int:
    """The number after."""
    return (sequence + 1) % _SEQUENCES


def _checked(data: bytes) -> bytes:
    return data + _CHECK.pack(zlib.crc32(data))


def _sound(data: bytes, least: int) -> bytes:
    body, check = data[: -_CHECK.size], data[-_CHECK.size :]
    if len(body) < least or _CHECK.unpack(check)[0] != zlib.crc32(body):
        raise EndpointError("damaged bytes")
    return body
