"""A socket on loopback that plays the link to one emulated instrument, whatever its language.

Messages are split off the stream by one thread and carried out by another, so that a word like
``abort`` reaches an instrument that is busy. The instrument's state outlives its connections, as on
the bench. Faults and the time a link takes are made here, once for all families.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol

from ohmloop.sim_backend.clock import VirtualClock

from .faults import IN_INSTRUMENT, Fault, FaultPlan, PowerLostError, Strike
from .latency import LinkModel

log = logging.getLogger("ohmloop.emulator")

_TICK = 0.02  # between looks at the clock while nothing comes, s
_LONGEST = 1 << 24  # message, bytes
_LOOK = 0.005  # between looks whether a host is served, s
_SEND = 10.0  # longest time for the host to take a reply, s

Framing = Callable[[bytes], tuple[list[bytes], bytes]]
"""Splits what has arrived into whole messages, each without its end, and the rest."""


Messages = queue.SimpleQueue[tuple[bytes, bool] | None]
"""Messages and whether they are urgent, on their way to the instrument; None ends."""


class Served(Protocol):
    """An instrument as its link sees it. ``Emulated`` has defaults for all but ``message``."""

    def message(self, data: bytes) -> bytes:
        """Carry out one message; returns the reply, often empty. May raise PowerLostError."""

    def urgent(self, data: bytes) -> bool:
        """See a message as soon as it arrives, while another may be carried out; whether it is."""

    def tick(self) -> None:
        """Look at the clock; called every few hundredths of a second."""

    def strike(self, strike: Strike) -> None:
        """Arm a fault of the instrument itself."""

    def power_cycle(self) -> None:
        """Off and on: outputs off, all that is not on the chip forgotten."""

    def describe(self) -> str:
        """State in words."""


class Emulated:
    """Defaults for an instrument that only answers messages."""

    def urgent(self, data: bytes) -> bool:  # noqa: ARG002
        """Nothing is urgent."""
        return False

    def tick(self) -> None:
        """Nothing depends on time."""

    def strike(self, strike: Strike) -> None:
        """Nothing can fail."""

    def power_cycle(self) -> None:
        """Nothing is remembered."""

    def describe(self) -> str:
        """Nothing to say."""
        return ""


class Wire:
    """The link without its socket: messages in, replies out, and what goes wrong between.

    Args:
        name: for the log.
        device: the instrument.
        framing: how messages are told apart.
        survives_power: the link outlives the instrument's power, as a serial line does.

    Attributes:
        faults: what goes wrong next.
        link: how long the link takes.
        hung: the instrument answers nothing until it is power-cycled.
    """

    def __init__(
        self, name: str, device: Served, framing: Framing, survives_power: bool = False
    ) -> None:
        self.name, self.device, self.framing = name, device, framing
        self._survives_power = survives_power
        self.faults, self.link = FaultPlan(), LinkModel()
        self.hung = False

    def power_cycle(self) -> None:
        """Switch the instrument off and on; a hung one answers again."""
        self.hung = False
        try:
            self.device.power_cycle()
        except PowerLostError:  # a failure that was armed came while the power went
            self.device.power_cycle()

    def answer(self, message: bytes, urgent: bool = False) -> tuple[bytes, bool]:
        """Carry out a message; returns what arrives of the reply, and whether the link lives.

        An urgent message has been seen already: nothing strikes it.
        """
        if self.hung:
            return b"", True
        strike, exempt = (None, True) if urgent else self.faults.for_message()
        if strike is not None:
            log.info("%s: fault: %s", self.name, strike.fault.value)
            if strike.fault in (Fault.DROP_REQUEST, Fault.CUT_REQUEST, Fault.HUNG):
                self.hung = strike.fault is Fault.HUNG
                return b"", strike.fault is not Fault.CUT_REQUEST
            if strike.fault is Fault.POWER_BEFORE:
                self.power_cycle()
                if not self._survives_power:
                    return b"", False
            if strike.fault in IN_INSTRUMENT:
                self.device.strike(strike)
        try:
            reply = self.device.message(message)
        except PowerLostError:
            return self._power_fails()
        return self._spoiled(reply) if reply and not exempt else (reply, True)

    def _power_fails(self) -> tuple[bytes, bool]:
        self.power_cycle()
        return b"", self._survives_power

    def _spoiled(self, reply: bytes) -> tuple[bytes, bool]:
        """What arrives of a reply; what asked for it has been carried out."""
        strike = self.faults.for_reply()
        if strike is None:
            return reply, True
        log.info("%s: fault: %s", self.name, strike.fault.value)
        match strike.fault:
            case Fault.DROP:
                return b"", True
            case Fault.DELAY:
                time.sleep(strike.seconds)
            case Fault.GARBLE:
                return garbled(reply, strike.at), True
            case Fault.DUPLICATE:
                return reply * 2, True
            case Fault.TRUNCATE:
                return reply[: int(strike.at * len(reply))], False
            case Fault.HANG_UP:
                return b"", False
            case Fault.POWER_AFTER:
                return self._power_fails()
        return reply, True


class SocketServer(Wire):
    """Serves an instrument at a loopback address, one client at a time, until closed.

    Args:
        name: for the log.
        device: the instrument.
        framing: how messages are told apart.
        port: 0 for any free one.
        host: a loopback address.
        resource: what a bench file calls the address, with ``{host}`` and ``{port}``.
        survives_power: see ``Wire``.

    Attributes:
        clock: the instrument's time, to be waited for in real time; None does not wait.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self,
        name: str,
        device: Served,
        framing: Framing,
        port: int = 0,
        host: str = "127.0.0.1",
        resource: str = "TCPIP0::{host}::{port}::SOCKET",
        survives_power: bool = False,
    ) -> None:
        super().__init__(name, device, framing, survives_power)
        self.bytes_received = 0
        self.clock: VirtualClock | None = None
        self._resource = resource
        self._listener = socket.create_server((host, port))
        self._listener.settimeout(_TICK)
        self.host, self.port = self._listener.getsockname()[:2]
        self._stopping, self._unfinished = threading.Event(), 0
        self._client: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, name=f"emulated {name}", daemon=True)
        self._thread.start()

    @property
    def resource(self) -> str:
        """The resource to reach it at."""
        return self._resource.format(host=self.host, port=self.port)

    def close(self) -> None:
        """Hang up and stop."""
        self._stopping.set()
        self.unplug()
        _hang_up(self._listener)  # nobody waits for the next look at the clock
        self._thread.join(timeout=5)

    def settle(self, seconds: float = 0.5) -> None:
        """Wait, so long at most, until all that hosts have sent has been carried out."""
        deadline, quiet = time.monotonic() + seconds, 0
        while quiet < 2 and time.monotonic() < deadline:
            quiet = 0 if self._unfinished or self._pending() else quiet + 1
            time.sleep(_LOOK)

    def _pending(self) -> bool:
        """Whether a host waits for its turn, or bytes of one to be read."""
        watched = [self._listener, *([self._client] if self._client else [])]
        try:
            return bool(select.select([s for s in watched if s.fileno() >= 0], [], [], 0)[0])
        except (OSError, ValueError):  # closed meanwhile
            return False

    def unplug(self) -> None:
        """Hang up on the host; it may connect again."""
        if self._client is not None:
            _hang_up(self._client)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self.device.tick()
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.settimeout(None)
            self._client, self._unfinished = client, 0
            log.info("%s: client connected", self.name)
            self._converse(client)
            log.info("%s: client left; %s", self.name, self.device.describe())

    def _converse(self, client: socket.socket) -> None:
        messages: Messages = queue.SimpleQueue()
        worker = threading.Thread(target=self._work, args=(client, messages), daemon=True)
        worker.start()
        try:
            self._receive(client, messages)
        finally:
            messages.put(None)  # what runs goes on, as on the instrument
            worker.join()
            _hang_up(client)
            self._client, self._unfinished = None, 0

    def _receive(self, client: socket.socket, messages: Messages) -> None:
        rest = b""
        while True:
            try:
                data = client.recv(1 << 16)
            except OSError:
                return
            if not data:
                return
            self.bytes_received += len(data)
            self.link.receive(len(data))
            whole, rest = self.framing(rest + data)
            for message in whole:
                self._unfinished += 1
                messages.put((message, self.device.urgent(message)))
            if len(rest) > _LONGEST:
                log.error("%s: a message of over %d bytes; hanging up", self.name, _LONGEST)
                return

    def _work(self, client: socket.socket, messages: Messages) -> None:
        while True:
            try:
                found = messages.get(timeout=_TICK)
            except queue.Empty:
                self.device.tick()
                continue
            if found is None:
                return
            started = self.clock.ns if self.clock else 0
            reply, alive = self.answer(*found)
            if self.clock:
                time.sleep((self.clock.ns - started) * 1e-9)
            sent = self._send(client, reply)
            self._unfinished -= 1
            if not sent or not alive:
                _hang_up(client)
                return

    def _send(self, client: socket.socket, reply: bytes) -> bool:
        if reply:
            self.link.send(len(reply))
            try:
                client.sendall(reply)
            except OSError:
                return False
        return True


def lines(data: bytes) -> tuple[list[bytes], bytes]:
    """Messages that end in LF."""
    return _split(data, b"\n")


def zero_ended(data: bytes) -> tuple[list[bytes], bytes]:
    """Messages that end in NUL."""
    return _split(data, b"\0")


def _split(data: bytes, end: bytes) -> tuple[list[bytes], bytes]:
    *whole, rest = data.split(end)
    return [message for message in whole if message], rest


def garbled(reply: bytes, at: float = 0.5) -> bytes:
    """``reply`` with bytes flipped from a share ``at`` of it on; its last byte, its end, stays."""
    start = min(int(at * len(reply)), max(0, len(reply) - 2))
    spoiled = bytes(
        byte ^ 0x15 if byte not in (0x0A, 0x0A ^ 0x15, 0x15) else byte for byte in reply[start:-1]
    )
    return reply[:start] + spoiled + reply[-1:]


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
