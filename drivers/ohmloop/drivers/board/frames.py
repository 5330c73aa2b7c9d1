"""Frames of the pulse board: COBS between zero bytes, a CRC-32 in each. No input or output here.

COBS: Cheshire and Baker, IEEE/ACM Trans. Networking 7, 159, 1999. CRC-32: IEEE 802.3.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

PROTOCOL = 1
"""Version of the protocol that is spoken here."""

MAX_PAYLOAD = 1 << 20
"""Largest payload that any frame may have, bytes."""

_HEAD, _CRC = struct.Struct("<BBH"), struct.Struct("<I")
_BLOCK = 254  # bytes without a zero that one COBS code byte can lead
_OVERHEAD = _HEAD.size + _CRC.size


class FrameError(ValueError):
    """Bytes that are no frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Attributes:
        type: of the message, 0 to 255.
        sequence: number of the request, 0 to 65535; its reply repeats it.
        payload: the message.
        version: of the protocol, 0 to 255.
    """

    type: int
    sequence: int
    payload: bytes = b""
    version: int = PROTOCOL

    def encode(self) -> bytes:
        """The bytes on the wire, delimiters included."""
        body = _HEAD.pack(self.version, self.type, self.sequence) + self.payload
        return b"\0" + cobs_encode(body + _CRC.pack(zlib.crc32(body))) + b"\0"


def decode_frame(data: bytes) -> Frame:
    """Read what stood between two delimiters.

    Raises:
        FrameError: it is damaged.
    """
    whole = cobs_decode(data)
    if len(whole) < _OVERHEAD:
        raise FrameError("too short for a frame")
    body, (crc,) = whole[: -_CRC.size], _CRC.unpack(whole[-_CRC.size :])
    if zlib.crc32(body) != crc:
        raise FrameError("the checksum does not match")
    version, kind, sequence = _HEAD.unpack_from(body)
    return Frame(kind, sequence, body[_HEAD.size :], version)


class FrameDecoder:
    """Finds frames in a stream of bytes, and its way back after damaged ones.

    Args:
        max_payload: longest payload to accept, bytes; what is longer is dropped as it comes.

    Attributes:
        damaged: stretches between delimiters that were no frame.
    """

    def __init__(self, max_payload: int = MAX_PAYLOAD) -> None:
        self.damaged = 0
        longest = max_payload + _OVERHEAD
        self._limit = longest + longest // _BLOCK + 1
        self._rest, self._overlong = bytearray(), False

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes as they come; return the frames that are whole now. Never raises."""
        frames: list[Frame] = []
        *ended, rest = data.split(b"\0")
        for piece in ended:
            self._keep(piece)
            self._end(frames)
        self._keep(rest)
        return frames

    def clear(self) -> None:
        """Forget a frame that has begun."""
        self._rest.clear()
        self._overlong = False

    def _keep(self, piece: bytes) -> None:
        if not self._overlong:
            self._rest += piece
            self._overlong = len(self._rest) > self._limit
        if self._overlong:
            self._rest.clear()

    def _end(self, frames: list[Frame]) -> None:
        try:
            if self._overlong:
                raise FrameError("too long for a frame")
            if self._rest:  # delimiters may follow one another
                frames.append(decode_frame(bytes(self._rest)))
        except FrameError:
            self.damaged += 1
        self.clear()


def cobs_encode(data: bytes) -> bytes:
    """The same bytes without a zero among them."""
    out = bytearray()
    *inner, last = data.split(b"\0")
    for segment in inner:
        _append(out, segment, ends_in_zero=True)
    _append(out, last, ends_in_zero=False)
    return bytes(out)


def _append(out: bytearray, segment: bytes, ends_in_zero: bool) -> None:
    full = len(segment) // _BLOCK * _BLOCK
    for start in range(0, full, _BLOCK):
        out.append(255)
        out += segment[start : start + _BLOCK]
    if full == len(segment) > 0 and not ends_in_zero:
        return  # a full block leads to no zero: nothing is left to say
    out.append(len(segment) - full + 1)
    out += segment[full:]


def cobs_decode(data: bytes) -> bytes:
    """What ``cobs_encode`` was given.

    Raises:
        FrameError: no such encoding.
    """
    pieces, at, size = [], 0, len(data)
    if 0 in data:
        raise FrameError("no COBS encoding")
    while at < size:
        code = data[at]
        pieces.append(data[at + 1 : at + code])
        at += code
        if code <= _BLOCK and at < size:
            pieces.append(b"\0")
    if at != size:
        raise FrameError("no COBS encoding")
    return b"".join(pieces)
