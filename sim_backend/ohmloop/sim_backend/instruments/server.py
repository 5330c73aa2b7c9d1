"""A raw-socket server for one emulated instrument, on loopback only.

Lines are read by one thread and run by another, so that ``abort`` reaches a script that runs.
The instrument's state outlives its connections, as on the bench.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import threading
from collections import deque
from collections.abc import Callable
from enum import Enum

from .tsp.tsp_processor import TspProcessor

log = logging.getLogger("ohmloop.emulator")

_MAX_LINE = 1 << 20


class Fault(Enum):
    """What can happen to a reply; queued in ``LineServer.faults``, one for each reply."""

    DROP = "reply dropped"
    DUPLICATE = "reply sent twice"
    GARBLE = "reply garbled"
    TRUNCATE = "half the reply, then hung up"
    HANG_UP = "hung up instead of replying"


class LineServer:
    """Serves ``processor`` at ``127.0.0.1:port``.

    Args:
        name: for the log.
        processor: the instrument.
        port: 0 for any free one.
        describe: the instrument's state in words, logged when a client leaves.
        host: a loopback address.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self,
        name: str,
        processor: TspProcessor,
        port: int = 0,
        describe: Callable[[], str] = lambda: "",
        host: str = "127.0.0.1",
    ) -> None:
        self.name, self.processor, self._describe = name, processor, describe
        self.bytes_received = 0
        self.faults: deque[Fault] = deque()
        self._listener = socket.create_server((host, port))
        self.host, self.port = self._listener.getsockname()[:2]
        self._stopping = threading.Event()
        self._client: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, name=f"emulated {name}", daemon=True)
        self._thread.start()

    @property
    def resource(self) -> str:
        """The VISA resource to reach it at."""
        return f"TCPIP0::{self.host}::{self.port}::SOCKET"

    def close(self) -> None:
        """Hang up and stop."""
        self._stopping.set()
        for connection in (self._listener, self._client):
            if connection is not None:
                _hang_up(connection)
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                self._client, _ = self._listener.accept()
            except OSError:
                return
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            log.info("%s: client connected", self.name)
            self._converse(self._client)
            log.info("%s: client left; %s", self.name, self._describe())

    def _converse(self, client: socket.socket) -> None:
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        worker = threading.Thread(target=self._work, args=(client, lines), daemon=True)
        worker.start()
        try:
            self._receive(client, lines)
        finally:
            lines.put(None)  # a script that runs goes on, as on the instrument
            worker.join()
            _hang_up(client)

    def _receive(self, client: socket.socket, lines: queue.SimpleQueue[str | None]) -> None:
        rest = b""
        while True:
            try:
                data = client.recv(1 << 16)
            except OSError:
                return
            if not data:
                return
            self.bytes_received += len(data)
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                if line.strip() == b"abort":
                    self.processor.aborting = True
                lines.put(line.decode("latin-1"))
            if len(rest) > _MAX_LINE:
                log.error("%s: a line of over %d bytes; hanging up", self.name, _MAX_LINE)
                return

    def _work(self, client: socket.socket, lines: queue.SimpleQueue[str | None]) -> None:
        while (line := lines.get()) is not None:
            reply = self.processor.line(line)
            if reply and self.faults:
                reply = self._spoil(reply, client)
            if reply:
                try:
                    client.sendall(reply)
                except OSError:
                    return

    def _spoil(self, reply: bytes, client: socket.socket) -> bytes:
        """Apply the next fault to a reply; the line that asked for it was carried out."""
        fault = self.faults.popleft()
        log.info("%s: fault: %s", self.name, fault)
        if fault is Fault.HANG_UP or fault is Fault.TRUNCATE:
            with contextlib.suppress(OSError):
                client.sendall(reply[: len(reply) // 2] if fault is Fault.TRUNCATE else b"")
                client.shutdown(socket.SHUT_RDWR)
        if fault is Fault.GARBLE:
            return bytes(byte ^ 0x15 if byte != 10 else byte for byte in reply)
        return reply * 2 if fault is Fault.DUPLICATE else b""


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
