"""Serves a recorded instrument: bytes as they come, replies at once or as late as they came."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterable

from ohmloop.sim_backend.instruments.server import SocketServer

from .replayed_instrument import Answer, ReplayedInstrument

log = logging.getLogger("ohmloop.emulator")

_LAST = 0.5  # longest time to read what is on its way when closing, s


class ReplayServer(SocketServer):
    """A socket that plays the link to a recorded instrument.

    Args:
        name: for the log.
        instrument: what answers.
        real_time: wait as long as the recorded instrument took.
        port: 0 for any free one.
        resource: as for ``SocketServer``.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self,
        name: str,
        instrument: ReplayedInstrument,
        real_time: bool = False,
        port: int = 0,
        resource: str = "TCPIP0::{host}::{port}::SOCKET",
    ) -> None:
        self._instrument, self._real_time = instrument, real_time
        self._idle = threading.Event()
        self._idle.set()
        super().__init__(name, instrument, _as_it_comes, port, resource=resource)

    def close(self) -> None:
        """Stop; what a host that has left sent last is looked at first."""
        self._idle.wait(_LAST)
        super().close()

    def _converse(self, client: socket.socket) -> None:
        self._idle.clear()
        try:
            if self._play(client, self._instrument.connected()):
                while data := client.recv(1 << 16):
                    self.bytes_received += len(data)
                    if not self._play(client, self._instrument.feed(data)):
                        break
        except OSError as error:
            log.debug("%s: %s", self.name, error)
        finally:
            self.unplug()
            self._idle.set()

    def _play(self, client: socket.socket, answers: Iterable[Answer]) -> bool:
        """Whether the link lives.

        In real time replies come piece by piece. At once, all that had come before the host's next
        message goes out in one piece: what nobody asked for must be there by then, as it was.
        """
        waiting, alive = b"", True
        for answer in answers:
            waiting += answer.data
            if self._real_time:
                self._stopping.wait(answer.delay)
                client.sendall(waiting)
                waiting = b""
            if answer.hang_up:
                alive = False
                break
        if waiting:
            client.sendall(waiting)
        return alive


def _as_it_comes(data: bytes) -> tuple[list[bytes], bytes]:
    return [data], b""
