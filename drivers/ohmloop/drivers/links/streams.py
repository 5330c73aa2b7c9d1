"""The bytes under a message link: a raw socket driven directly, or any other VISA session.

PyVISA opens both. On a socket it is then left out: its reads look for the end of a line byte by
byte in Python, it takes a closed peer for a time-out, and it leaves Nagle's delay on.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import Any, Protocol

import pyvisa
from pyvisa.resources import MessageBasedResource

from .interrupts import interrupts_held
from .sockets import PlainSocket, SilenceError

_CHUNK = 1 << 16
_SEND = 30.0  # longest time for a peer to take bytes, s


Failures = (OSError, pyvisa.Error)
"""What a stream raises when its link is broken."""


class Stream(Protocol):
    """Bytes, both ways. All methods raise one of ``Failures`` on a broken link."""

    clears: bool
    """Whether the interface has a device clear, which ``clear`` sends."""

    def send(self, data: bytes) -> None:
        """Send all of ``data``; Ctrl-C must not cut a message in half."""

    def read_until(self, end: bytes, deadline: float) -> bytes:
        """Bytes up to and with ``end``; SilenceError after ``deadline`` (monotonic time, s)."""

    def read_exactly(self, count: int, deadline: float) -> bytes:
        """``count`` bytes."""

    def drop_pending(self) -> bytes:
        """Throw away what has come already; returns it, for who listens."""

    def leftover(self) -> bytes:
        """Bytes that were received and not read, taken out; looks at no link, so cannot fail."""

    def clear(self) -> None:
        """Device clear, where the interface has one."""


class SocketStream(PlainSocket):
    """A TCP socket.

    Args:
        opened: a connected socket.

    Raises:
        OSError: it is not connected (PyVISA-py calls a refused connection open).
    """

    clears = False

    def __init__(self, opened: socket.socket) -> None:
        code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        opened.getpeername()
        super().__init__(opened, _SEND)
        self._buffer = bytearray()

    def read_until(self, end: bytes, deadline: float) -> bytes:
        """Bytes up to and with ``end``."""
        if not self._buffer:
            data = self.receive(deadline)
            if data.find(end) == len(data) - len(end):  # nearly always: one reply, and all of it
                return data
            self._buffer += data
        looked = 0
        while (found := self._buffer.find(end, looked)) < 0:
            looked = max(0, len(self._buffer) - len(end) + 1)
            self._buffer += self.receive(deadline)
        return self._take(found + len(end))

    def read_exactly(self, count: int, deadline: float) -> bytes:
        """``count`` bytes."""
        while len(self._buffer) < count:
            self._buffer += self.receive(deadline)
        return self._take(count)

    def drop_pending(self) -> bytes:
        """Throw away what has come already."""
        come = self.arrived()
        return self.leftover() + come if self._buffer else come

    def leftover(self) -> bytes:
        """What was received and never asked for, such as half a reply."""
        return self._take(len(self._buffer))

    def clear(self) -> None:
        """A raw socket has no device clear; a new connection owes nothing."""

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


class SessionStream:
    """GPIB, USB, VXI-11, HiSLIP, a serial line, or another vendor's VISA: what PyVISA makes of it.

    Args:
        visa: an open session.
    """

    clears = True

    def __init__(self, visa: MessageBasedResource) -> None:
        self._visa = visa
        visa.write_termination = ""

    def send(self, data: bytes) -> None:
        """Send all of ``data``; Ctrl-C waits until it is out."""
        with interrupts_held():
            self._visa.write_raw(data)

    def read_until(self, end: bytes, deadline: float) -> bytes:
        """Bytes up to and with ``end``, or to the interface's own end of a message."""
        self._wait_until(deadline)
        self._visa.read_termination = end[-1:].decode("latin-1")
        with self._silence():
            return bytes(self._visa.read_raw())

    def read_exactly(self, count: int, deadline: float) -> bytes:
        """``count`` bytes."""
        self._wait_until(deadline)
        with self._silence():
            return bytes(self._visa.read_bytes(count, chunk_size=_CHUNK))

    def drop_pending(self) -> bytes:
        """These interfaces say themselves when a reply does not belong to a question."""
        return b""

    def leftover(self) -> bytes:
        """PyVISA keeps nothing that can be had."""
        return b""

    def clear(self) -> None:
        """Device clear."""
        self._visa.clear()

    def _wait_until(self, deadline: float) -> None:
        self._visa.timeout = max(1, round((deadline - time.monotonic()) * 1e3))

    @contextlib.contextmanager
    def _silence(self) -> Any:
        try:
            yield
        except pyvisa.VisaIOError as error:
            if error.error_code == pyvisa.constants.StatusCode.error_timeout:
                raise SilenceError from None
            raise


def stream_of(visa: MessageBasedResource) -> Stream:
    """The quickest stream for an open session.

    Raises:
        OSError: it is a socket that is not connected.
    """
    sessions = getattr(visa.visalib, "sessions", None)  # PyVISA-py has it, others have not
    session = sessions.get(visa.session) if isinstance(sessions, dict) else None
    interface = getattr(session, "interface", None)
    return SocketStream(interface) if isinstance(interface, socket.socket) else SessionStream(visa)
