"""The link to a pulse board: one request, one reply, matched by number; every wait is bounded."""

from __future__ import annotations

import threading
import time

from ohmloop.drivers.errors import LinkError, NotConnectedError, WrongInstrumentError
from ohmloop.drivers.links.serial_port import Failures, SerialPort
from ohmloop.drivers.links.transport import Tap, Traffic, tell

from .frames import PROTOCOL, Frame, FrameDecoder
from .messages import Message, MessageError
from .replies import parse_reply

_BITS = 10  # on the line for a byte: start, 8 data, stop
_PAUSE = 0.05  # between attempts to open, s
_SEQUENCES = 1 << 16


class BoardLink:
    """Asks a board. Late, repeated and foreign replies are dropped by their sequence number.

    Args:
        name: the instrument, for messages.
        resource: pySerial URL.
        baud: bit/s.
        timeout: time to wait beyond what the request needs, s.
        first: sequence number of the first request; by default from the clock, so that replies
            owed to a program that ended are not taken for ours.
        tap: sees every byte.

    Attributes:
        traffic: messages and bytes so far.
        heard: whether anything was received: somebody is there.

    Raises:
        NotConnectedError: nobody is there.
    """

    def __init__(
        self,
        name: str,
        resource: str,
        baud: int = 921_600,
        timeout: float = 2.0,
        first: int | None = None,
        tap: Tap | None = None,
    ) -> None:
        self.name, self.resource, self.traffic = name, resource, Traffic()
        self.heard, self.tap = False, tap
        self._baud, self._timeout = baud, timeout
        self._sequence = (time.monotonic_ns() // 1000 if first is None else first) % _SEQUENCES
        self._lock = threading.RLock()
        self._decoder = FrameDecoder()
        self._closed = False
        self._port: SerialPort | None = self._open()

    @property
    def broken(self) -> bool:
        """Whether the line has to be opened anew."""
        return self._port is None

    def ask(self, message: Message, wait: float = 0.0, reply_bytes: int = 0) -> Message:
        """Send one request, return its reply.

        Args:
            message: the request.
            wait: time the board is busy with it, s.
            reply_bytes: length of a long reply, for the time it takes on the line.

        Raises:
            LinkError: no reply in time, a damaged one, or the line broke.
            WrongInstrumentError: it speaks another version of the protocol.
        """
        with self._lock:
            self._sequence = (self._sequence + 1) % _SEQUENCES
            data = Frame(message.type, self._sequence, message.payload()).encode()
            self._send(data)
            line_time = (len(data) + reply_bytes) * _BITS / self._baud
            return self._message(self._reply(time.monotonic() + self._timeout + wait + line_time))

    def reopen(self) -> None:
        """Open a broken line again; tries until the time-out (a board may be booting).

        Raises:
            LinkError: it stays broken.
        """
        with self._lock:
            deadline = time.monotonic() + self._timeout
            while self._port is None and not self._closed:
                try:
                    self._port = self._open()
                except NotConnectedError as error:
                    if time.monotonic() > deadline:
                        raise self._error(error.problem) from error
                    time.sleep(_PAUSE)
            if self._closed:
                raise self._error("the link was closed")

    def close(self) -> None:
        """Let go of the line, for good."""
        with self._lock:
            self._closed = True
            self._break()

    def _open(self) -> SerialPort:
        self._decoder.clear()
        try:
            port = SerialPort(self.resource, self._baud, self.tap)
        except Failures as error:
            tell(self.tap, "failed", f"nobody answers ({_brief(error)})")
            raise NotConnectedError(
                self.name,
                self.resource,
                f"nobody answers ({_brief(error)}); check the resource, the cable, that it is on",
            ) from error
        tell(self.tap, "opened")
        return port

    def _send(self, data: bytes) -> None:
        if self._port is None:
            raise self._error("the link is closed")
        try:
            self._port.write(data)
        except Failures as error:
            self._break()
            raise self._error(f"the link broke while sending: {_brief(error)}") from error
        self.traffic.messages += 1
        self.traffic.bytes_sent += len(data)

    def _reply(self, deadline: float) -> Frame:
        damaged = self._decoder.damaged
        while (left := deadline - time.monotonic()) > 0:
            for frame in self._decoder.feed(self._receive(left)):
                if frame.sequence == self._sequence:
                    return frame
            if self._decoder.damaged != damaged:
                self.heard = True
                raise self._error("a damaged reply")
        raise self._error("no reply in time")

    def _receive(self, left: float) -> bytes:
        if self._port is None:
            raise self._error("the link is closed")
        try:
            data = self._port.read(left)
        except Failures as error:
            self._break()
            raise self._error(f"the link broke while reading: {_brief(error)}") from error
        self.traffic.bytes_received += len(data)
        self.heard |= bool(data)
        return data

    def _message(self, frame: Frame) -> Message:
        if frame.version != PROTOCOL:
            raise WrongInstrumentError(
                self.name,
                self.resource,
                f"speaks version {frame.version} of the pulse-board protocol, not {PROTOCOL};"
                " update the board or ohmloop",
            )
        try:
            return parse_reply(frame)
        except MessageError as error:
            raise self._error(f"a reply that cannot be: {error}") from error

    def _break(self) -> None:
        if self._port is not None:
            self._port.close()
            tell(self.tap, "closed")
        self._port = None

    def _error(self, problem: str) -> LinkError:
        tell(self.tap, "failed", problem)
        return LinkError(self.name, self.resource, problem)


def _brief(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
