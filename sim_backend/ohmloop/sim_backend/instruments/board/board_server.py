"""A socket on loopback that plays the serial line of an emulated board."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import Protocol

log = logging.getLogger("ohmloop.emulator")

_TICK = 0.02  # time between looks at the watchdog while nothing comes, s
_CHUNK = 1 << 16
_SEND = 10.0  # longest time for the host to take a reply, s


class Firmware(Protocol):
    """What is served: bytes in, bytes out."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes, return the answer."""

    def tick(self) -> None:
        """Look at the clock."""

    def describe(self) -> str:
        """State in words."""


class BoardServer:
    """Serves ``board`` at ``socket://127.0.0.1:port``, one host at a time, as a cable does.

    The board outlives its connections: it does not know whether somebody holds the other end.

    Args:
        name: for the log.
        board: the board.
        port: 0 for any free one.
        host: a loopback address.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, name: str, board: Firmware, port: int = 0, host: str = "127.0.0.1") -> None:
        self.name, self._board = name, board
        self.bytes_received = 0
        self._listener = socket.create_server((host, port))
        self._listener.settimeout(_TICK)
        self.host, self.port = self._listener.getsockname()[:2]
        self._stopping, self._unplugged = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"emulated {name}", daemon=True)
        self._thread.start()

    @property
    def resource(self) -> str:
        """The pySerial URL to reach it at."""
        return f"socket://{self.host}:{self.port}"

    def close(self) -> None:
        """Hang up and stop."""
        self._stopping.set()
        self._thread.join(timeout=5)
        self._listener.close()

    def unplug(self) -> None:
        """Hang up on the host; it may connect again."""
        self._unplugged.set()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._board.tick()
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._unplugged.clear()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            log.info("%s: host connected", self.name)
            with contextlib.suppress(OSError), client:
                self._converse(client)
            log.info("%s: host left; %s", self.name, self._board.describe())

    def _converse(self, client: socket.socket) -> None:
        while not (self._stopping.is_set() or self._unplugged.is_set()):
            client.settimeout(_TICK)
            try:
                data = client.recv(_CHUNK)
            except TimeoutError:
                self._board.tick()
                continue
            if not data:
                return
            self.bytes_received += len(data)
            reply = self._board.feed(data)
            if reply:
                client.settimeout(_SEND)
                client.sendall(reply)
