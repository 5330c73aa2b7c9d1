"""The message processor of an emulated SCPI instrument, and the instrument as a thing on a link.

Faithful in what a driver can notice: short and long headers, optional nodes, the path rule between
commands joined by ``;``, replies of one message joined by ``;``, blocks, the error queue by code,
status registers and common commands. A command error (-1xx) ends its message, an execution error
lets the rest go on (IEEE 488.2-1992, 6.1.7 and 11.5.1.1). Messages are carried out to their end
before the next: overlapped commands are over when the message is, so ``*OPC?`` and ``*WAI`` never
wait. Not modelled: query errors (-4xx), service requests.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import ClassVar

from ohmloop.sim_backend.instruments.faults import Fault, Strike
from ohmloop.sim_backend.instruments.server import Emulated, SocketServer

from .scpi_parameters import MESSAGES, ScpiError, Setting
from .scpi_text import header_pattern, scpi_lines, split

Reply = str | bytes
Verb = Callable[[list[str]], None]
Query = Callable[[list[str]], Reply]

_POWER_ON = 128  # bit of the standard event status register
_KNOWN = 4096  # headers remembered


class ScpiDevice(Emulated):
    """An emulated SCPI instrument.

    Subclasses register commands with ``command`` and ``setting``.

    Args:
        identity: reply to ``*IDN?``.
        options: reply to ``*OPT?``.

    Attributes:
        errors: codes in the error queue, oldest first.
    """

    queue_size: ClassVar[int] = 100

    def __init__(self, identity: str, options: str = "0") -> None:
        self._identity, self.errors = identity, deque[int]()
        self._commands: list[tuple[re.Pattern[str], Verb | None, Query | None]] = []
        self._found: dict[str, tuple[Verb | None, Query | None]] = {}
        self._settings: list[Setting] = []
        self.event_enable = self.request_enable = 0
        self.event_status = _POWER_ON
        self._common: dict[str, Callable[[list[str]], Reply | None]] = {
            "*IDN?": lambda _: identity,
            "*OPT?": lambda _: options,
            "*RST": lambda _: self.reset(),
            "*CLS": lambda _: self._clear(),
            "*ESE": self._set_event_enable,
            "*ESE?": lambda _: str(self.event_enable),
            "*SRE": self._set_request_enable,
            "*SRE?": lambda _: str(self.request_enable),
            "*ESR?": lambda _: self._take_event_status(),
            "*STB?": lambda _: str(self._status_byte()),
            "*OPC": lambda _: self._complete(),
            "*OPC?": lambda _: "1",
            "*WAI": lambda _: None,
            "*TST?": lambda _: "0",
            "*TRG": lambda _: self.trigger(),
        }
        self.command(":SYSTem:ERRor[:NEXT]", get=lambda _: self._next_error())

    @property
    def identity(self) -> str:
        """Reply to ``*IDN?``."""
        return self._identity

    def serve(self, name: str, host: str, port: int) -> SocketServer:
        """Serve on a socket."""
        return SocketServer(name, self, scpi_lines, port, host)

    def command(self, header: str, do: Verb | None = None, get: Query | None = None) -> None:
        """Register a command, its query, or both; ``header`` as manuals print it."""
        self._commands.append((header_pattern(header), do, get))

    def setting(self, header: str, setting: Setting, do: Verb | None = None) -> Setting:
        """Register a parameter that is kept; ``do`` sets it where that takes more."""
        self._settings.append(setting)
        self.command(header, do or setting.set, setting.get)
        return setting

    def message(self, data: bytes) -> bytes:
        """Carry out one program message."""
        replies: list[bytes] = []
        path = ""
        for unit in split(data.decode("latin-1").strip(), ";"):
            header, _, rest = unit.strip().partition(" ")
            if not header:
                continue
            try:
                if header.startswith("*"):
                    reply = self._do_common(header.upper(), _arguments(rest))
                else:
                    full = header if header.startswith(":") else f"{path}:{header}"
                    path = full.rpartition(":")[0]
                    reply = self._do(full.upper(), _arguments(rest))
            except ScpiError as error:
                self.error(error.code)
                if -200 < error.code < -99:
                    break
                continue
            if reply is not None:
                replies.append(reply if isinstance(reply, bytes) else reply.encode("latin-1"))
        return b";".join(replies) + b"\n" if replies else b""

    def error(self, code: int) -> None:
        """Queue an error; a full queue's last entry becomes an overflow."""
        classes = ((-199, -100, 32), (-299, -200, 16), (-399, -300, 8), (-499, -400, 4))
        self.event_status |= next((bit for low, high, bit in classes if low <= code <= high), 8)
        if len(self.errors) >= self.queue_size:
            self.errors[-1] = -350
        else:
            self.errors.append(code)

    def reset(self) -> None:
        """``*RST``: settings to their defaults; registers and error queue stay."""
        for setting in self._settings:
            setting.value = setting.default

    def trigger(self) -> None:
        """``*TRG``, or a bus trigger; ignored where nothing waits for it."""

    def power_cycle(self) -> None:
        """Settings to their defaults, registers and error queue empty."""
        self.reset()
        self.errors.clear()
        self.event_enable = self.request_enable = 0
        self.event_status = _POWER_ON

    def strike(self, strike: Strike) -> None:
        """An error that nothing explains appears in the queue."""
        if strike.fault is Fault.ERROR:
            self.error(-310)

    def _do(self, header: str, arguments: list[str]) -> Reply | None:
        asks = header.endswith("?")
        do, get = self._lookup(header.removesuffix("?"))
        if asks:
            if get is None:
                raise ScpiError(-113)
            return get(arguments)
        if do is None:
            raise ScpiError(-113)
        do(arguments)
        return None

    def _lookup(self, header: str) -> tuple[Verb | None, Query | None]:
        found = self._found.get(header)
        if found is None:
            found = next(
                ((do, get) for pattern, do, get in self._commands if pattern.fullmatch(header)),
                (None, None),
            )
            if len(self._found) < _KNOWN:
                self._found[header] = found
        return found

    def _do_common(self, header: str, arguments: list[str]) -> Reply | None:
        if header not in self._common:
            raise ScpiError(-113)
        return self._common[header](arguments)

    def _set_event_enable(self, arguments: list[str]) -> None:
        self.event_enable = _byte(arguments)

    def _set_request_enable(self, arguments: list[str]) -> None:
        self.request_enable = _byte(arguments) & ~64

    def _take_event_status(self) -> str:
        taken, self.event_status = self.event_status, 0
        return str(taken)

    def _status_byte(self) -> int:
        queue = 4 if self.errors else 0
        events = 32 if self.event_status & self.event_enable else 0
        summary = 64 if (queue | events) & self.request_enable else 0
        return queue | events | summary

    def _complete(self) -> None:
        self.event_status |= 1

    def _clear(self) -> None:
        self.errors.clear()
        self.event_status = 0

    def _next_error(self) -> str:
        code = self.errors.popleft() if self.errors else 0
        return f'{code:+d},"{MESSAGES.get(code, "Device error")}"'


def _arguments(text: str) -> list[str]:
    return [part.strip() for part in split(text, ",")] if text.strip() else []


def _byte(arguments: list[str]) -> int:
    if len(arguments) != 1:
        raise ScpiError(-108 if arguments else -109)
    try:
        value = round(float(arguments[0]))
    except ValueError:
        raise ScpiError(-104) from None
    if not 0 <= value <= 255:
        raise ScpiError(-222)
    return value
