"""What may differ between two sessions that do the same, language by language; nothing else may.

Three things do today. Text drivers draw eight hex digits anew each time, as a marker that ends a
resynchronisation (``ohmloop-1a2b3c4d``) or as a name of what they configured (``1a2b3c4d-1``), and
wait until they are printed. A pulse board's host numbers its frames from its clock, and takes only
the reply of the same number. So does an ArC TWO's, which draws the flags of its readings as well
(see ``requests``). A language tells whether a message is the recorded one apart from that, and puts
today's digits or number into the reply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from ohmloop.drivers.board.frames import Frame, FrameError, decode_frame
from ohmloop.drivers.registry import lookup

_DRAWN = re.compile(
    rb"(?<=ohmloop-)[0-9a-f]{8}(?![0-9a-f])"  # ohmloop-1a2b3c4d
    rb"|(?<![0-9A-Za-z-])[0-9a-f]{8}(?=-[0-9])"  # 1a2b3c4d-1
)
_NUMBERS = 1 << 16


class Language(Protocol):
    """How an instrument is spoken to, as far as replays care. One for each instrument."""

    def connected(self) -> None:
        """A host has connected: what was learned of the last one no longer holds."""

    def split(self, data: bytes) -> list[bytes]:
        """Bytes that were sent, as messages with their ends; joined, they are ``data``."""

    def take(self, data: bytes, recorded: bytes) -> int:
        """How many bytes of ``data`` stand where ``recorded`` stood; 0 while more must come."""

    def same(self, message: bytes, recorded: bytes) -> bool:
        """Whether a message says what was recorded; learns from it what differs."""

    def reply(self, recorded: bytes) -> bytes:
        """What to answer today where ``recorded`` was answered."""

    def show(self, message: bytes) -> str:
        """A message for people."""


class Text:
    """Lines, or any bytes: the same but for markers. What is not in ``LANGUAGES`` speaks this."""

    def __init__(self) -> None:
        self._today: dict[bytes, bytes] = {}

    def connected(self) -> None:
        """Markers come with the messages that hold them."""

    def split(self, data: bytes) -> list[bytes]:
        """Lines; what follows the last line feed is one too. CR and its like are data."""
        *ended, last = data.split(b"\n")
        return [line + b"\n" for line in ended] + ([last] if last else [])

    def take(self, data: bytes, recorded: bytes) -> int:
        """As many bytes as were recorded, or the line that is there if it already differs."""
        if _begins(data, recorded):
            return len(recorded) if len(data) >= len(recorded) else 0
        return data.find(b"\n") + 1 or len(data)

    def same(self, message: bytes, recorded: bytes) -> bool:
        """Equal around what is drawn."""
        if _DRAWN.split(message) != _DRAWN.split(recorded):
            return False
        pairs = zip(_DRAWN.findall(recorded), _DRAWN.findall(message), strict=True)
        self._today.update(pairs)
        return True

    def reply(self, recorded: bytes) -> bytes:
        """With the host's marker in place of the recorded one."""
        return _DRAWN.sub(lambda found: self._today.get(found[0], found[0]), recorded)

    def show(self, message: bytes) -> str:
        """As it is written in Python."""
        return repr(message)[1:]


class Frames:
    """Frames of the pulse board: the same but for their numbers, which differ by one constant."""

    def __init__(self) -> None:
        self._shift: int | None = None

    def connected(self) -> None:
        """Another host counts from another number."""
        self._shift = None

    def split(self, data: bytes) -> list[bytes]:
        """Frames with the delimiters around them."""
        found = re.findall(rb"\0*[^\0]+\0?|\0+", data)
        return list(found)

    def take(self, data: bytes, recorded: bytes) -> int:
        """A frame with its delimiters, however long; COBS may make it a byte longer."""
        del recorded
        end = data.find(b"\0", len(data) - len(data.lstrip(b"\0")))
        return end + 1

    def same(self, message: bytes, recorded: bytes) -> bool:
        """Equal in all but number, and the number as far from the recorded one as ever."""
        now, then = _frame(message), _frame(recorded)
        if now is None or then is None:
            return message == recorded
        shift = (now.sequence - then.sequence) % _NUMBERS
        if self._shift is None:
            self._shift = shift
        alike = (now.version, now.type, now.payload) == (then.version, then.type, then.payload)
        return alike and shift == self._shift

    def reply(self, recorded: bytes) -> bytes:
        """With the host's numbers; what is no frame, as line noise is, stays as it was."""
        return b"".join(self._renumbered(piece) for piece in self.split(recorded))

    def show(self, message: bytes) -> str:
        """Type, payload and number."""
        frame = _frame(message)
        if frame is None:
            return f"no frame: {message!r}"
        payload = frame.payload.hex(" ")
        return f"frame of type {frame.type:#04x} with [{payload}], number {frame.sequence}"

    def _renumbered(self, piece: bytes) -> bytes:
        frame = _frame(piece)
        if frame is None or not piece.startswith(b"\0") or not piece.endswith(b"\0"):
            return piece
        number = (frame.sequence + (self._shift or 0)) % _NUMBERS
        return Frame(frame.type, number, frame.payload, frame.version).encode()


LANGUAGES: Mapping[str, str] = {
    "arc-two": "ohmloop.sim_backend.instruments.replay.requests:Requests",
    "pulse-board": "ohmloop.sim_backend.instruments.replay.languages:Frames",
}
"""Bench file ``driver`` -> its language. Others extend it by entry points ``ohmloop.languages``."""


def language_of(driver: str) -> Language:
    """A new one for an instrument of ``driver``; ``Text`` unless it has one of its own."""
    try:
        made: Language = lookup(LANGUAGES, "languages", driver)()
    except KeyError:
        return Text()
    return made


def _begins(data: bytes, recorded: bytes) -> bool:
    """Whether ``data`` may be or become ``recorded``, whatever markers hold."""
    if data[: len(recorded)] == recorded[: len(data)]:
        return True
    free = {at for found in _DRAWN.finditer(recorded) for at in range(*found.span())}
    return all(a == b or at in free for at, (a, b) in enumerate(zip(data, recorded, strict=False)))


def _frame(data: bytes) -> Frame | None:
    try:
        return decode_frame(data.strip(b"\0"))
    except FrameError:
        return None
