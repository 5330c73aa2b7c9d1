"""The VISA link: PyVISA, with the pure-Python backend unless the bench file names another.

What PyVISA leaves open is closed here: one lock around a query; interrupts held back while a
message is half written; no Nagle delay (with delayed acknowledgements it costs 44 ms a sequence);
a peer that closed is noticed at once instead of after the time-out; a reply that comes late, twice
or unasked is never taken for the next answer.
"""

from __future__ import annotations

import contextlib
import threading
import time
from functools import cache

import pyvisa
from pyvisa.resources import MessageBasedResource

from ohmloop.drivers.errors import LinkError, NotConnectedError

from .sockets import SilenceError
from .streams import Failures, Stream, stream_of
from .transport import Tap, Traffic, tell

_WAKING = (10.0, 2.0)  # for so long at most, an instrument may take so much longer to reply, s
_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0)  # before each attempt to open a broken link, s


@cache
def _manager(backend: str) -> pyvisa.ResourceManager:
    return pyvisa.ResourceManager(backend)


class VisaTransport:
    """A link to one VISA resource.

    Args:
        name: the instrument, for messages.
        resource: such as ``TCPIP0::192.168.0.5::5025::SOCKET`` or ``GPIB0::26::INSTR``.
        backend: PyVISA backend, such as ``@py`` or a path to a vendor's library.
        timeout: time to wait for a reply beyond what the instrument needs, s.
        end: what ends a message, both ways; replies may end in CR before it.
        tap: sees every byte.

    Attributes:
        waking_until: till then replies may take longer than the time-out, monotonic time, s.

    Raises:
        NotConnectedError: nobody is there, or the resource is not one.
    """

    def __init__(
        self,
        name: str,
        resource: str,
        backend: str = "@py",
        timeout: float = 5.0,
        end: str = "\n",
        tap: Tap | None = None,
    ) -> None:
        self.name, self.resource, self.traffic = name, resource, Traffic()
        self.tap, self._end, self._ends = tap, end, end + "\r\n"
        self._last = end[-1].encode("ascii")
        self._timeout = timeout
        self._lock = threading.RLock()
        self._in_step = True
        self.waking_until = 0.0
        self._backend = backend
        self._stream: Stream | None = None
        self._connect()

    def wake(self) -> None:
        """Be patient until ``awake``: an instrument just taken over resets and compiles."""
        self.waking_until = time.monotonic() + _WAKING[0]

    def awake(self) -> None:
        """From now on the time-out is what the bench file says."""
        self.waking_until = 0.0

    def write(self, text: str) -> None:
        """Send one message; its end is added."""
        with self._lock:
            self._send(self._opened(), text)

    def query(self, text: str, wait: float = 0.0) -> str:
        """Send one message, return one line without its end."""
        with self._lock:
            self._ask(text)
            data = self._read(wait)
            self._in_step = True
        return data.decode("ascii", "replace").rstrip(self._ends)

    def query_block(self, text: str, count: int, wait: float = 0.0) -> bytes:
        """Send one message, return ``count`` bytes; line feeds among them are data."""
        with self._lock:
            self._ask(text)
            data = self._read(wait, count)
            self._in_step = True
            return data

    def read_line(self, wait: float = 0.0) -> str:
        """Another line of the reply."""
        with self._lock:
            self._owe_reply()
            line = self._line(wait)
            self._in_step = True
            return line

    def read_block(self, count: int, wait: float = 0.0) -> bytes:
        """Another ``count`` bytes of the reply."""
        with self._lock:
            self._owe_reply()
            data = self._read(wait, count)
            self._in_step = True
            return data

    def reopen(self) -> None:
        """Close the session and open a new one, with growing pauses.

        Raises:
            LinkError: nobody answers any more.
        """
        with self._lock:
            self._let_go()
            for pause in _PAUSES:
                time.sleep(pause)
                try:
                    self._connect()
                except (NotConnectedError, LinkError):
                    continue
                return
            raise self._error("the link broke and nobody answers any more")

    def restart(self) -> None:
        """``reopen``; on GPIB, USB and VXI-11 a device clear too: no reply is owed after.

        Raises:
            LinkError: nobody answers any more.
        """
        with self._lock:
            self.reopen()
            with contextlib.suppress(NotImplementedError, *Failures):
                self._opened().clear()
            self._in_step = True

    def resync(self, text: str, marker: str, wait: float = 0.0) -> list[str]:
        """Send ``text`` and read lines until one holds ``marker``; returns all lines."""
        with self._lock:
            self.write(text)
            lines: list[str] = []
            deadline = time.monotonic() + self._timeout + wait
            while time.monotonic() < deadline:
                lines.append(self._line(wait))
                if marker in lines[-1]:
                    self._in_step = True
                    return lines
        raise self._error("does not come back in step; power-cycle it")

    def close(self) -> None:
        """Close the session; everything after is a ``LinkError``."""
        with self._lock:
            self._let_go()

    def _connect(self) -> None:
        self._visa = self._open(self._backend)
        try:
            self._stream = stream_of(self._visa)
        except OSError as error:
            self._let_go()
            raise self._nobody(error) from error
        tell(self.tap, "opened")

    def _open(self, backend: str) -> MessageBasedResource:
        try:
            opened = _manager(backend).open_resource(
                self.resource, open_timeout=round(self._timeout * 1e3)
            )
        except (pyvisa.Error, OSError, ValueError) as error:
            raise self._nobody(error) from error
        if not isinstance(opened, MessageBasedResource):
            opened.close()
            raise NotConnectedError(self.name, self.resource, "is no message-based VISA resource")
        return opened

    def _let_go(self) -> None:
        if self._stream is not None:
            self._arrived(self._stream.leftover())
            tell(self.tap, "closed")
        self._stream = None
        with contextlib.suppress(*Failures):
            self._visa.close()

    def _opened(self) -> Stream:
        if self._stream is None:
            raise self._error("the link is closed")
        return self._stream

    def _line(self, wait: float) -> str:
        return self._read(wait).decode("ascii", errors="replace").rstrip(self._ends)

    def _read(self, wait: float, count: int | None = None) -> bytes:
        """One line, or ``count`` bytes."""
        stream, now = self._stream or self._opened(), time.monotonic()
        longest = self._timeout + wait
        if now < self.waking_until:
            longest += _WAKING[1]
        deadline = now + longest
        try:
            if count is None:
                data = stream.read_until(self._last, deadline)
            else:
                data = stream.read_exactly(count, deadline)
        except SilenceError:
            raise self._error(f"no reply within {longest:.3g} s") from None
        except Failures as error:
            raise self._broken("reading", error) from error
        self.traffic.bytes_received += len(data)
        if self.tap:
            self.tap.received(data)
        return data

    def _arrived(self, data: bytes) -> None:
        self.traffic.bytes_received += len(data)
        if data and self.tap:
            self.tap.received(data)

    def _owe_reply(self) -> None:
        """A reply that does not come may come late, and must not be taken for the next one.

        Whoever gets it says so by setting ``_in_step``.
        """
        if not self._in_step:
            raise self._error("an earlier reply is still owed; resynchronise before asking again")
        self._in_step = False

    def _ask(self, text: str) -> None:
        """Send a question; what came unasked before it, such as a second reply, is dropped."""
        if not self._in_step:
            self._owe_reply()
        stream = self._stream or self._opened()
        try:
            unasked = stream.drop_pending()
        except Failures as error:
            raise self._broken("sending", error) from error
        if unasked:
            self._arrived(unasked)
        self._in_step = False
        self._send(stream, text)

    def _send(self, stream: Stream, text: str) -> None:
        data = (text + self._end).encode("ascii")
        try:
            stream.send(data)
        except Failures as error:
            raise self._broken("sending", error) from error
        traffic = self.traffic
        traffic.messages += 1
        traffic.bytes_sent += len(data)
        if self.tap:
            self.tap.sent(data)

    def _broken(self, doing: str, error: BaseException) -> LinkError:
        return self._error(f"the link broke while {doing}: {_brief(error)}")

    def _nobody(self, error: BaseException) -> NotConnectedError:
        tell(self.tap, "failed", f"nobody answers ({_brief(error)})")
        return NotConnectedError(
            self.name,
            self.resource,
            f"nobody answers ({_brief(error)}); check the address, the cable, that it is on",
        )

    def _error(self, problem: str) -> LinkError:
        tell(self.tap, "failed", problem)
        return LinkError(self.name, self.resource, problem)


def _brief(error: BaseException) -> str:
    if isinstance(error, pyvisa.VisaIOError):
        return error.abbreviation
    text = str(error).splitlines()
    return text[0] if text else type(error).__name__
