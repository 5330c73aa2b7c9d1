"""What emulated TSP instruments share as things on a link."""

from __future__ import annotations

from ohmloop.sim_backend.instruments.faults import Fault, Strike
from ohmloop.sim_backend.instruments.server import Emulated, SocketServer, lines

from .tsp_processor import RUNTIME, TspProcessor


class TspDevice(Emulated):
    """An instrument with a command processor, served on a raw socket."""

    processor: TspProcessor

    @property
    def identity(self) -> str:
        """Reply to ``*IDN?``."""
        return self.processor.identity

    def serve(self, name: str, host: str, port: int) -> SocketServer:
        """Serve on a socket."""
        return SocketServer(name, self, lines, port, host)

    def message(self, data: bytes) -> bytes:
        """Carry out one line."""
        return self.processor.message(data)

    def urgent(self, data: bytes) -> bool:
        """The word ``abort``."""
        return self.processor.urgent(data)

    def power_cycle(self) -> None:
        """Power-on state, scripts and links forgotten."""
        self.processor.power_cycle()

    def strike(self, strike: Strike) -> None:
        """An error appears in the queue."""
        if strike.fault in (Fault.ERROR, Fault.HARDWARE):
            self.error()

    def error(self) -> None:
        """An error that nothing explains."""
        self.processor.errors.push(RUNTIME, "TSP Runtime error: injected fault")
