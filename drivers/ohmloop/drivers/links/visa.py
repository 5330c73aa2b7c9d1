"""The VISA link: PyVISA, with the pure-Python backend unless the bench file names another.

What PyVISA leaves open is closed here: one lock around a query; interrupts held back while a
message is half written; TCP_NODELAY on sockets (the delayed-acknowledge trap costs 44 ms a
sequence); a peer that closed is noticed at once instead of after the time-out.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pyvisa
from pyvisa.resources import MessageBasedResource

from ohmloop.drivers.errors import LinkError, NotConnectedError

from .interrupts import interrupts_held
from .transport import Tap, Traffic, tell

_SLICE = 0.25  # longest wait before looking whether the peer is still there, s
_CHUNK = 1 << 16
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
        self.tap, self._end = tap, end
        self._timeout = timeout
        self._lock = threading.RLock()
        self._in_step = True
        self._backend = backend
        self._connect()

    def _connect(self) -> None:
        self._visa = self._open(self._backend)
        self._visa.timeout = round(self._timeout * 1e3)
        self._visa.read_termination = self._end[-1]
        self._visa.write_termination = ""
        self._socket = _raw_socket(self._visa)
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tell(self.tap, "opened")

    def write(self, text: str) -> None:
        """Send one message; its end is added."""
        data = (text + self._end).encode("ascii")
        with self._lock, self._failures("sending"):
            with interrupts_held():
                self._visa.write_raw(data)
            self.traffic.messages += 1
            self.traffic.bytes_sent += len(data)
            if self.tap:
                self.tap.sent(data)

    def query(self, text: str, wait: float = 0.0) -> str:
        """Send one message, return one line without its line feed."""
        with self._lock:
            self._drop_unasked()
            with self._reply_expected():
                self.write(text)
                return self._line(wait)

    def query_block(self, text: str, count: int, wait: float = 0.0) -> bytes:
        """Send one message, return ``count`` bytes; line feeds among them are data."""
        with self._lock:
            self._drop_unasked()
            with self._reply_expected():
                self.write(text)
                self._await(wait)
                with self._failures("reading"):
                    data = bytes(self._visa.read_bytes(count, chunk_size=_CHUNK))
            self._arrived(data)
            return data

    def read_line(self, wait: float = 0.0) -> str:
        """Another line of the reply."""
        with self._lock, self._reply_expected():
            return self._line(wait)

    def reopen(self) -> None:
        """Close the session and open a new one, with growing pauses.

        Raises:
            LinkError: nobody answers any more.
        """
        with self._lock:
            with contextlib.suppress(pyvisa.Error, OSError):
                self._visa.close()
            tell(self.tap, "closed")
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
            if self._socket is None:
                with contextlib.suppress(pyvisa.Error, NotImplementedError):
                    self._visa.clear()
            self._in_step = True

    def resync(self, text: str, marker: str, wait: float = 0.0) -> list[str]:
        """Send ``text`` and read lines until one holds ``marker``; returns the lines before it."""
        with self._lock:
            self.write(text)
            lines: list[str] = []
            deadline = time.monotonic() + self._timeout + wait
            while time.monotonic() < deadline:
                line = self._line(wait)
                if marker in line:
                    self._in_step = True
                    return [*lines, line]
                lines.append(line)
        raise self._error("does not come back in step; power-cycle it")

    def close(self) -> None:
        """Close the session."""
        with self._lock:
            self._visa.close()
            tell(self.tap, "closed")

    def _line(self, wait: float) -> str:
        self._await(wait)
        with self._failures("reading"):
            data = self._visa.read_raw()
        self._arrived(data)
        return data.decode("ascii", errors="replace").rstrip(self._end + "\r\n")

    def _arrived(self, data: bytes) -> None:
        self.traffic.bytes_received += len(data)
        if self.tap:
            self.tap.received(data)

    @contextmanager
    def _reply_expected(self) -> Iterator[None]:
        """A reply that did not come may come late, and must not be taken for the next one."""
        if not self._in_step:
            raise self._error("an earlier reply is still owed; resynchronise before asking again")
        self._in_step = False
        yield
        self._in_step = True

    def _drop_unasked(self) -> None:
        """Throw away what nobody asked for, such as a reply that came twice."""
        if self._socket is None or not self._in_step:
            return
        pending = getattr(_session(self._visa), "_pending_buffer", None)
        if pending:
            self._arrived(bytes(pending))
            pending.clear()
        with self._failures("sending"):
            while select.select([self._socket], [], [], 0)[0]:
                if not (data := self._socket.recv(_CHUNK)):
                    return
                self._arrived(data)

    def _open(self, backend: str) -> MessageBasedResource:
        try:
            opened = _manager(backend).open_resource(
                self.resource, open_timeout=round(self._timeout * 1e3)
            )
        except (pyvisa.Error, OSError, ValueError) as error:
            tell(self.tap, "failed", f"nobody answers ({_brief(error)})")
            raise NotConnectedError(
                self.name,
                self.resource,
                f"nobody answers ({_brief(error)}); check the address, the cable, that it is on",
            ) from error
        if not isinstance(opened, MessageBasedResource):
            opened.close()
            raise NotConnectedError(self.name, self.resource, "is no message-based VISA resource")
        return opened

    def _await(self, wait: float) -> None:
        """Wait for the first byte, looking now and then whether the peer is still there."""
        if self._socket is None:
            self._visa.timeout = round((self._timeout + wait) * 1e3)
            return
        deadline = time.monotonic() + self._timeout + wait
        while not _pending(self._visa):
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._error(f"no reply within {self._timeout + wait:.3g} s")
            ready, _, _ = select.select([self._socket], [], [], min(left, _SLICE))
            if ready:
                if not self._socket.recv(1, socket.MSG_PEEK):
                    raise self._error("closed the connection")
                return

    @contextmanager
    def _failures(self, doing: str) -> Iterator[None]:
        try:
            yield
        except pyvisa.VisaIOError as error:
            raise self._error(f"failed while {doing}: {_brief(error)}") from error
        except OSError as error:
            raise self._error(f"the link broke while {doing}: {_brief(error)}") from error

    def _error(self, problem: str) -> LinkError:
        tell(self.tap, "failed", problem)
        return LinkError(self.name, self.resource, problem)


def _brief(error: BaseException) -> str:
    if isinstance(error, pyvisa.VisaIOError):
        return error.abbreviation
    text = str(error).splitlines()
    return text[0] if text else type(error).__name__


def _session(visa: MessageBasedResource) -> Any:
    """PyVISA-py's own session, or None with another backend."""
    sessions = getattr(visa.visalib, "sessions", None)
    return sessions.get(visa.session) if isinstance(sessions, dict) else None


def _raw_socket(visa: MessageBasedResource) -> socket.socket | None:
    interface = getattr(_session(visa), "interface", None)
    return interface if isinstance(interface, socket.socket) else None


def _pending(visa: MessageBasedResource) -> bool:
    """Whether PyVISA-py holds received bytes back."""
    return bool(getattr(_session(visa), "_pending_buffer", b""))
