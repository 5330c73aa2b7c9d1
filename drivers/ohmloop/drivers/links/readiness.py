"""Whether a socket that never waits has something to read, or room for a message.

One question to the system each. A socket with a time-out of its own asks three times: it sets the
time-out, waits, and reads.
"""

from __future__ import annotations

import select
import socket
from typing import Protocol


class Readiness(Protocol):
    """What can be asked; a connection that broke counts as ready, the next call says how."""

    def look(self) -> tuple[bool, bool]:
        """Whether bytes have arrived, and whether there is room to send; at once."""

    def arrival(self, seconds: float) -> bool:
        """Wait for bytes to arrive; whether they have."""

    def room(self, seconds: float) -> bool:
        """Wait for room to send; whether there is."""


def readiness(opened: socket.socket) -> Readiness:
    """The quickest way that this system has."""
    return _Polled(opened) if hasattr(select, "poll") else _Selected(opened)


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
        return events != select.POLLOUT, bool(events & select.POLLOUT)

    def arrival(self, seconds: float) -> bool:
        return bool(self._arrival.poll(1e3 * seconds))

    def room(self, seconds: float) -> bool:
        return bool(self._room.poll(1e3 * seconds))


class _Selected:
    def __init__(self, opened: socket.socket) -> None:
        self._mine = [opened]

    def look(self) -> tuple[bool, bool]:
        arrived, room, _ = select.select(self._mine, self._mine, [], 0)
        return bool(arrived), bool(room)

    def arrival(self, seconds: float) -> bool:
        return bool(select.select(self._mine, [], [], seconds)[0])

    def room(self, seconds: float) -> bool:
        return bool(select.select([], self._mine, [], seconds)[1])
