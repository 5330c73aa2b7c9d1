"""A connected TCP socket in as few calls of the system as do, every wait bounded.

Python's own time-out sets the socket, waits, and only then reads: three calls for one. Here the
socket itself never waits; the system is asked whether bytes have arrived, or whether there is room.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Protocol

from .interrupts import interrupts_held

_CHUNK = 1 << 16
_WHOLE = 1 << 12  # bytes that one call of the system takes, or none of them


class SilenceError(Exception):
    """Nothing came in time."""


class PlainSocket:
    """See the module. All methods raise OSError on a broken connection.

    Args:
        opened: a connected socket; Nagle's delay is switched off.
        patience: longest time for the peer to take bytes, s.
    """

    def __init__(self, opened: socket.socket, patience: float) -> None:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setblocking(False)
        self._socket, self._patience = opened, patience
        self._ready: _Ready = _Polled(opened) if hasattr(select, "poll") else _Selected(opened)
        self._arrival, self._look = self._ready.arrival, self._ready.look
        self._room = False  # whether there was any, as seen since the last message left

    def send(self, data: bytes) -> None:
        """Send all of ``data``; Ctrl-C does not cut it in half."""
        room, self._room = self._room, False
        if len(data) > _WHOLE:
            self._send_long(data)
        elif not (room or self._ready.room(self._patience)) or self._socket.send(data) != len(data):
            raise OSError("it takes no more bytes")  # where there is room, it takes it whole

    def receive(self, deadline: float) -> bytes:
        """What comes next, up to 64 KiB.

        Args:
            deadline: monotonic time, s.

        Raises:
            SilenceError: nothing does.
            OSError: the peer hung up.
        """
        left = deadline - time.monotonic()
        if left <= 0 or not self._arrival(left):
            raise SilenceError
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionResetError("closed the connection")
        return data

    def arrived(self) -> bytes:
        """What has come already; a peer that hung up shows at the next ``receive``."""
        arrived, self._room = self._look()
        if not arrived:
            return b""
        found = b""
        while arrived:
            data = self._socket.recv(_CHUNK)
            if not data:
                break
            found += data
            arrived, self._room = self._look()
        return found

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()

    def _send_long(self, data: bytes) -> None:
        with interrupts_held():
            self._socket.settimeout(self._patience)
            try:
                self._socket.sendall(data)
            finally:
                self._socket.setblocking(False)


class _Ready(Protocol):
    """What can be asked; a connection that broke counts as ready, and the next call says how."""

    def look(self) -> tuple[bool, bool]:
        """Whether bytes have arrived, and whether there is room to send; at once."""

    def arrival(self, seconds: float) -> bool:
        """Wait for bytes to arrive; whether they have."""

    def room(self, seconds: float) -> bool:
        """Wait for room to send; whether there is."""


class _Polled:
    def __init__(self, opened: socket.socket) -> None:
        self._arrival, self._room, self._either = (select.poll() for _ in range(3))
        self._arrival.register(opened, select.POLLIN)
        self._room.register(opened, select.POLLOUT)
        self._either.register(opened, select.POLLIN | select.POLLOUT)

    def look(self) -> tuple[bool, bool]:
        found = self._either.poll(0)
        if not found:
            return False, False
        events = found[0][1]
        if events == select.POLLOUT:  # nearly always
            return False, True
        return True, bool(events & select.POLLOUT)

    def arrival(self, seconds: float) -> bool:
        return bool(self._arrival.poll(1e3 * seconds))

    def room(self, seconds: float) -> bool:
        return bool(self._room.poll(1e3 * seconds))


class _Selected:
    """For systems without ``poll``."""

    def __init__(self, opened: socket.socket) -> None:
        self._mine = [opened]

    def look(self) -> tuple[bool, bool]:
        arrived, room, _ = select.select(self._mine, self._mine, [], 0)
        return bool(arrived), bool(room)

    def arrival(self, seconds: float) -> bool:
        return bool(select.select(self._mine, [], [], seconds)[0])

    def room(self, seconds: float) -> bool:
        return bool(select.select([], self._mine, [], seconds)[1])
