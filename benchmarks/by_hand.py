"""The script somebody writes for one purpose only: the same bytes over raw sockets, and no more.

What the driver says in an operation is recorded off its links once; the script repeats it. Only
what a pulse board refuses to take twice, the number of a program, is counted up, and only what
nobody could use otherwise, the frames that hold numbers, is decoded.
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from ohmloop.drivers.board.frames import Frame, FrameDecoder
from ohmloop.drivers.board.messages import Run
from ohmloop.drivers.board.replies import parse_request

from .apart import BenchApart

_PATIENCE = 60.0  # for a reply, s


@dataclass
class Exchange:
    """What is sent to one instrument, and what comes back before anything else is sent."""

    instrument: str
    messages: list[bytes] = field(default_factory=list)
    reply: bytes = b""


class Conversation:
    """Records what a driver says on an emulated bench.

    Args:
        emulated: the bench; open the crossbar on ``bench``.
    """

    def __init__(self, emulated: BenchApart) -> None:
        self.emulated = emulated
        self.exchanges: list[Exchange] = []
        self._recording = False
        self.bench = emulated.bench
        self.bench.recorder = lambda instrument: _Tap(self, instrument)

    def record(self, operation: Callable[[], object]) -> None:
        """Keep what ``operation`` says; run once before, for what is said only once."""
        operation()
        self._recording = True
        operation()
        self._recording = False

    def totals(self) -> tuple[int, int, int]:
        """Messages, bytes sent, bytes received."""
        sent = [message for exchange in self.exchanges for message in exchange.messages]
        return len(sent), sum(map(len, sent)), sum(len(e.reply) for e in self.exchanges)

    def sent(self, instrument: str, data: bytes) -> None:
        """Called by the tap."""
        if not self._recording:
            return
        last = self.exchanges[-1] if self.exchanges else None
        if last is None or last.instrument != instrument or last.reply:
            last = Exchange(instrument)
            self.exchanges.append(last)
        last.messages.append(data)

    def received(self, instrument: str, data: bytes) -> None:
        """Called by the tap."""
        if self._recording:
            last = next(e for e in reversed(self.exchanges) if e.instrument == instrument)
            last.reply += data


class _Tap:
    def __init__(self, conversation: Conversation, instrument: str) -> None:
        self._conversation, self._instrument = conversation, instrument

    def sent(self, data: bytes) -> None:
        self._conversation.sent(self._instrument, data)

    def received(self, data: bytes) -> None:
        self._conversation.received(self._instrument, data)


class Script:
    """Repeats a conversation. The driver's links are cut first: instruments serve one client."""

    def __init__(self, conversation: Conversation) -> None:
        self._exchanges = conversation.exchanges
        self._sockets: dict[str, socket.socket] = {}
        conversation.emulated.unplug()
        for name, (_, host, port) in conversation.emulated.addresses.items():
            opened = socket.create_connection((host, port))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.settimeout(_PATIENCE)
            self._sockets[name] = opened
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for opened in self._sockets.values():
            opened.close()

    def run(self) -> None:
        """Say it all once more."""
        for exchange in self._exchanges:
            opened = self._sockets[exchange.instrument]
            for message in exchange.messages:
                opened.sendall(self._numbered(message))
            if exchange.reply:
                _await(opened, exchange.reply)

    def _numbered(self, message: bytes) -> bytes:
        """A pulse board's program under its next number; anything else as it is."""
        if not (message[:1] == message[-1:] == b"\0"):
            return message
        frames = FrameDecoder().feed(message)
        if len(frames) != 1 or frames[0].type != Run.type:
            return message
        (frame,), run = frames, parse_request(frames[0])
        assert isinstance(run, Run)
        assert zlib.crc32(run.data) == run.checksum, "a program of one message"
        self._number += 1
        again = replace(run, number=run.number + self._number)
        return Frame(frame.type, frame.sequence, again.payload()).encode()


def _await(opened: socket.socket, like: bytes) -> None:
    """Read a reply: as many lines or frames as there were, or where it is binary as many bytes."""
    end = like[-1:]
    printable = like.replace(end, b"").decode("latin-1").isprintable()
    text = (printable and not like.startswith(b"#")) or end == b"\0"  # a block may hold line feeds
    got = b""
    while (got.count(end) < like.count(end)) if text else (len(got) < len(like)):
        data = opened.recv(1 << 16)
        if not data:
            raise ConnectionResetError("the instrument hung up on the script")
        got += data
    if end == b"\0":
        FrameDecoder().feed(got)
