"""The link to a frame endpoint: one request, one reply, matched by number, in bounded time."""

from __future__ import annotations

import threading
import time

from ohmloop.drivers.errors import LinkError, NotConnectedError, ReportedError, WrongInstrumentError
from ohmloop.drivers.links.serial_port import Failures, SerialPort
from ohmloop.drivers.links.transport import Tap, Traffic, tell

from .endpoint import (
    VERSION,
    About,
    EndpointError,
    Reply,
    Request,
    Status,
    Verb,
    next_sequence,
    reply_size,
)

_PAUSE, _LONGEST_PAUSE = 0.02, 0.2  # between attempts to open, s
_RETURN = 3.0  # of the time-out: how long a link that broke may take to come back
_BAUD = 921_600  # without meaning on a socket
_INTRODUCTION = 512  # most bytes of a reply to HELLO


class EndpointLink:
    """Asks an endpoint. After any failure the link is broken, and has to be opened anew.

    So no reply is ever owed: an endpoint serves one connection at a time, and takes up the next
    only when it has carried out, or thrown away, all that it was sent on the last.

    Args:
        name: the instrument, for messages.
        resource: ``socket://HOST:PORT``.
        timeout: time to wait for a reply, s.
        tap: sees every byte.

    Attributes:
        tap: sees every byte, and is told what befalls the link.
        about: what the endpoint said last.
        traffic: messages and bytes so far.

    Raises:
        NotConnectedError: nobody answers.
        WrongInstrumentError: somebody who is no frame endpoint.
    """

    def __init__(self, name: str, resource: str, timeout: float, tap: Tap | None = None) -> None:
        self.name, self.resource, self.timeout = name, resource, timeout
        self.traffic, self.tap = Traffic(), tap
        self._lock = threading.RLock()
        self._sequence = time.monotonic_ns() // 1000 % 65536
        self._port: SerialPort | None = None
        self._closed = self._heard = False
        self.about = self._introduced()

    @property
    def broken(self) -> bool:
        """Whether it has to be opened anew."""
        return self._port is None

    def ask(self, verb: Verb, address: int = 0, length: int = 0, payload: bytes = b"") -> bytes:
        """One request, once.

        Args:
            verb: what is asked.
            address: on the board.
            length: bytes wanted, for a read.
            payload: bytes to write.

        Returns:
            The reply's payload.

        Raises:
            LinkError: no reply in time, a damaged one, or the link broke.
            ReportedError: the endpoint refused it; ``code`` is a ``Status``.
        """
        with self._lock:
            self._sequence = next_sequence(self._sequence)
            size = len(payload) if verb is Verb.WRITE else length
            request = Request(verb, self._sequence, address, size, payload)
            try:
                reply = self._exchange(request.encode(), max(length, _INTRODUCTION))
            except (LinkError, *Failures) as error:
                self._break()
                raise self._failed(getattr(error, "problem", None) or _brief(error)) from error
            if reply.status != Status.OK:
                raise self._refused(verb, reply.status)
            if verb is Verb.READ and len(reply.payload) != length:
                self._break()
                raise self._failed("a reply of another length than asked for")
            return reply.payload

    def reopen(self) -> None:
        """Open anew, with growing pauses, for three time-outs; the same board must answer.

        Raises:
            LinkError: nobody answers.
            WrongInstrumentError: another board does.
        """
        with self._lock:
            self._break()
            deadline, pause = time.monotonic() + _RETURN * self.timeout, _PAUSE
            while True:
                try:
                    about = self._introduced()
                    break
                except (NotConnectedError, WrongInstrumentError) as error:
                    # One damaged reply does not make a stranger: ask again.
                    if self._closed or time.monotonic() > deadline:
                        if isinstance(error, WrongInstrumentError):
                            raise
                        raise self._error(error.problem) from error
                    time.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
            if about.serial != self.about.serial:
                self._break()
                problem = f"another board, {about.serial}, answers since the link broke"
                raise WrongInstrumentError(self.name, self.resource, problem)
            self.about = about

    def close(self) -> None:
        """Let go of it, for good."""
        with self._lock:
            self._closed = True
            self._break()

    def _introduced(self) -> About:
        self._heard = False
        if self._closed:
            raise NotConnectedError(self.name, self.resource, "the link was closed")
        try:
            self._port, self._data = SerialPort(self.resource, _BAUD, self.tap), b""
            tell(self.tap, "opened")
            about = About.parse(self.ask(Verb.HELLO))
        except (LinkError, *Failures) as error:
            self._break()
            stranger = self._stranger(getattr(error, "problem", None) or _brief(error))
            if not isinstance(error, LinkError):  # which has been told of
                tell(self.tap, "failed", stranger.problem)
            raise stranger from error
        if about.version != VERSION:
            self._break()
            problem = f"speaks version {about.version} of the frame endpoint's protocol"
            raise WrongInstrumentError(self.name, self.resource, f"{problem}, not {VERSION}")
        return about

    def _stranger(self, why: str) -> NotConnectedError | WrongInstrumentError:
        if self._heard:
            problem = f"answers, but not as a frame endpoint ({why}); check the resource"
            return WrongInstrumentError(self.name, self.resource, problem)
        problem = f"nobody answers ({why}); check the resource, the endpoint, that the board is on"
        return NotConnectedError(self.name, self.resource, problem)

    def _exchange(self, data: bytes, most: int) -> Reply:
        if self._port is None:
            raise self._error("the link is closed")
        self._port.write(data)
        self.traffic.messages += 1
        self.traffic.bytes_sent += len(data)
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                reply = self._next(most)
            except EndpointError as error:
                raise self._error(str(error)) from error
            if reply is not None and reply.sequence == self._sequence:
                self._heard = False
                return reply
            if reply is None and not self._receive(deadline):
                raise self._error("no reply in time")

    def _next(self, most: int) -> Reply | None:
        """The next whole reply of what has arrived."""
        size = reply_size(self._data, most)
        if size is None or len(self._data) < size:
            return None
        reply, self._data = self._data[:size], self._data[size:]
        return Reply.parse(reply)

    def _receive(self, deadline: float) -> bool:
        left = deadline - time.monotonic()
        if left <= 0 or self._port is None:
            return False
        data = self._port.read(left)
        self.traffic.bytes_received += len(data)
        self._heard |= bool(data)
        self._data += data
        return True

    def _refused(self, verb: Verb, status: int) -> LinkError | ReportedError:
        if status == Status.DAMAGED:
            return self._error("the request arrived damaged; nothing was passed on")
        if status == Status.NO_BOARD:
            return self._error("the endpoint has no board; is it on?")
        known = Status(status).name if status in set(Status) else status
        problem = f"the endpoint refused {verb.name}: {known}"
        return ReportedError(self.name, self.resource, problem, status)

    def _break(self) -> None:
        if self._port is not None:
            self._port.close()
            tell(self.tap, "closed")
        self._port = None

    def _failed(self, problem: str) -> LinkError:
        tell(self.tap, "failed", problem)
        return self._error(problem)

    def _error(self, problem: str) -> LinkError:
        return LinkError(self.name, self.resource, problem)


def _brief(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
