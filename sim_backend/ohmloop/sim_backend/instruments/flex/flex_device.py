"""An instrument that speaks FLEX: lines of commands, errors in a queue, two output buffers.

Rules (B1500A Programming Guide, sections 1 and 5): headers in either case; commands of a line
separated by ``;``; an unknown header is error 100, a malformed number 102, a wrong number of them
103, a wrong value 120. The query buffer holds one reply, which the next query replaces; measured
data go to a buffer of their own. Replies end in CR LF.

A loopback socket stands in for GPIB: what the instrument would hold until it is addressed to talk
is sent when the line has been carried out, data before the query's reply.

Not verified on an instrument: that the rest of a line is carried out after an error in it (which is
the harder case for a driver), and the depth of the error queue.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping

from ohmloop.sim_backend.instruments.server import Emulated, SocketServer, lines

ERRORS: Mapping[int, str] = {
    0: "No Error.",
    100: "Undefined GPIB command.",
    102: "Incorrect numeric data syntax.",
    103: "Incorrect terminator position.",
    120: "Incorrect parameter value.",
    121: "Channel number must be corrected.",
    123: "Compliance must be set correctly.",
    124: "Incorrect range value for this channel.",
    150: "Command input buffer is full.",
    200: "Channel output switch must be ON.",
    205: "DZ must be sent before RZ.",
    305: "Excess current in HPSMU.; SLOT1",
}
_DEPTH = 30
_LONGEST = 256  # the input buffer, characters
_COMMAND = re.compile(r"\s*(\*?[A-Za-z]+\??)\s*(.*?)\s*", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class FlexError(Exception):
    """What a command is refused with."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(ERRORS[code])


Handler = Callable[..., str | None]
"""Takes the numbers of a command; returns the reply of a query."""


class FlexDevice(Emulated):
    """Commands, errors and buffers.

    Attributes:
        identity: reply to ``*IDN?``.
    """

    identity: str

    def __init__(self) -> None:
        self._errors: deque[int] = deque()
        self._data: list[str] = []
        self.handlers: dict[str, tuple[Handler, int, int]] = {
            "*IDN?": (lambda: self.identity, 0, 0),
            "*OPC?": (lambda: "1", 0, 0),
            "*STB?": (self._status_byte, 0, 0),
            "ERRX?": (self._next_error, 0, 1),
            "ERR?": (self._four_errors, 0, 1),
            "EMG?": (lambda code: ERRORS.get(int(code), ""), 1, 1),
            "BC": (self._data.clear, 0, 0),
            "NUB?": (lambda: str(len(self._data)), 0, 0),
        }

    def serve(self, name: str, host: str, port: int) -> SocketServer:
        """Serve on a socket."""
        return SocketServer(name, self, lines, port, host)

    def message(self, data: bytes) -> bytes:
        """Carry out one line."""
        text = data.decode("ascii", errors="replace").rstrip("\r")
        if len(text) > _LONGEST:
            self.push(150)
            return b""
        reply: str | None = None
        for part in text.split(";"):
            if part.strip():
                answer = self._obey(part)
                reply = answer if answer is not None else reply
        out = [",".join(self._data)] if self._data else []
        self._data.clear()
        out += [] if reply is None else [reply]
        return "".join(f"{one}\r\n" for one in out).encode("ascii")

    def push(self, code: int) -> None:
        """An error appears."""
        if len(self._errors) < _DEPTH:
            self._errors.append(code)

    def put(self, text: str) -> None:
        """A measured value appears."""
        self._data.append(text)

    def forget(self) -> None:
        """Errors and buffers, at power-on."""
        self._errors.clear()
        self._data.clear()

    def _obey(self, part: str) -> str | None:
        match = _COMMAND.fullmatch(part)
        found = self.handlers.get(match[1].upper()) if match else None
        try:
            if match is None or found is None:
                raise FlexError(100)
            handler, least, most = found
            values = _numbers(match[2])
            if not least <= len(values) <= most:
                raise FlexError(103)
            return handler(*values)
        except FlexError as error:
            self.push(error.code)
            return None

    def _next_error(self, mode: float = 0) -> str:
        code = self._errors.popleft() if self._errors else 0
        return f'{code:+d},"{ERRORS[code]}"' if not mode else f"{code:+d}"

    def _four_errors(self, mode: float = 0) -> str:  # noqa: ARG002
        """The first four of those below 1000; all are cleared."""
        codes = ([code for code in self._errors if code < 1000] + [0] * 4)[:4]
        self._errors.clear()
        return ",".join(map(str, codes))

    def _status_byte(self) -> str:
        return str(16 | (32 if self._errors else 0))


def whole(value: float) -> int:
    """A parameter that must be a whole number.

    Raises:
        FlexError: it is not.
    """
    if value != int(value):
        raise FlexError(120)
    return int(value)


def between(value: float, low: float, high: float) -> float:
    """A parameter that has a range.

    Raises:
        FlexError: it is beyond.
    """
    if not low <= value <= high:
        raise FlexError(120)
    return value


def _numbers(text: str) -> list[float]:
    if not text:
        return []
    items = [item.strip() for item in text.split(",")]
    if any(not _NUMBER.fullmatch(item) for item in items):
        raise FlexError(102)
    return [float(item) for item in items]
