"""Instruments that speak SCPI over IEEE 488.2.

Policy for errors: commands go out in batches, one message each, and every message ends in
``:SYST:ERR?``; where its code is not 0, the queue is drained (at most ``_DRAIN_AT_MOST`` entries)
and all of it is raised. Errors are told by code, never by text. A message that cannot be parsed
gets no reply; that shows as a link that timed out.

Sources: SCPI-1999 volume 1, chapters 6 and 7 (headers, program messages), volume 2, chapter 21
(error queue); IEEE 488.2-1992, chapters 7, 8, 10.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

from ohmloop.drivers.errors import LinkError, ReportedError, WrongInstrumentError
from ohmloop.drivers.instrument import Instrument

_DRAIN_AT_MOST = 100
_ATTEMPTS = 3  # at what may be repeated
_FIELDS = re.compile(r'((?:"[^"]*"|[^;"])*)(?:;|$)')
_ERROR = re.compile(r'([+-]?\d+),\s*"(.*)"\s*')

T = TypeVar("T")


def number(value: float | int) -> str:
    """A number as SCPI text that reads back exactly.

    >>> number(1e-7), number(True), number(2), number(-0.0)
    ('1e-07', '1', '2', '0.0')
    """
    return str(int(value)) if isinstance(value, int) else repr(float(value) + 0.0)


def fields_of(reply: str) -> list[str]:
    """Replies of the queries of one message, which come joined by ``;``.

    >>> fields_of('1;+0,"none; all well"')
    ['1', '+0,"none; all well"']
    """
    quote = reply.find('"')
    if quote < 0 or reply.find(";", quote) < 0:  # no ; within quotes: nearly always
        return list(map(str.strip, reply.split(";"))) if reply else []
    return [match[1].strip() for match in _FIELDS.finditer(reply) if match.start() < len(reply)]


class ScpiInstrument(Instrument):
    """What SCPI instruments share: batches of commands, the error queue, coming back."""

    maker = "Keysight"
    makers: ClassVar[tuple[str, ...]] = ("Keysight", "Agilent", "Hewlett-Packard")
    """Names under which the maker's instruments answer, by age."""

    @property
    def resource(self) -> str:
        """Where it answers."""
        return self.transport.resource

    @property
    def messages(self) -> int:
        """Messages sent so far."""
        return self.transport.traffic.messages

    def identify(self) -> str:
        """Ask ``*IDN?`` and refuse an instrument of another maker or model.

        Raises:
            WrongInstrumentError: says who answered.
        """
        self.identity = self.transport.query("*IDN?").strip()
        maker, _, rest = self.identity.partition(",")
        model = rest.partition(",")[0].upper()
        if not any(m.upper() in maker.upper() for m in self.makers) or not any(
            known in model for known in self.models
        ):
            raise WrongInstrumentError(
                self.name,
                self.resource,
                f"answers as {self.identity!r}, which is no {self.maker}"
                f" {' or '.join(self.models)}; check the resource and the driver in the bench file",
            )
        return self.identity

    def get_attribute(self, attribute: str) -> str:
        """Query a header, as text."""
        return self.transport.query(f"{self.path(attribute)}?").strip()

    def set_attribute(self, attribute: str, value: float) -> None:
        """Set what a header names, and read the error queue."""
        self.batch([f"{self.path(attribute)} {number(value)}"])

    def path(self, attribute: str) -> str:
        """Full header of an attribute; drivers with channels put theirs in."""
        return attribute

    def ask(
        self, commands: Sequence[str], replies: int, wait: float = 0.0
    ) -> tuple[list[str], int]:
        """Send commands as one message that ends in an error query.

        Args:
            commands: each with its leading colon.
            replies: how many of them are queries.
            wait: time they take beyond a usual message, s.

        Returns:
            Replies, and the code of the oldest error, 0 where there is none.

        Raises:
            LinkError: no reply, or one that cannot be.
        """
        text = self.transport.query(";".join([*commands, ":SYST:ERR?"]), wait)
        found = fields_of(text)
        error = _ERROR.fullmatch(found[-1]) if found else None
        if len(found) != replies + 1 or error is None:
            raise self.garbled(text)
        return found[:-1], int(error[1])

    def batch(self, commands: Sequence[str], replies: int = 0, wait: float = 0.0) -> list[str]:
        """``ask``, and raise what the error queue holds.

        Raises:
            ReportedError: the instrument refused something.
            LinkError: no reply, or one that cannot be.
        """
        found, code = self.ask(commands, replies, wait)
        if code:
            raise self.reported(code)
        return found

    def check_errors(self) -> None:
        """Read the error queue until it is empty.

        Raises:
            ReportedError: it held errors, all listed in the message.
        """
        self.batch([])

    def reported(self, code: int) -> ReportedError:
        """What to raise where the oldest error, read already, has this code; empties the queue."""
        codes = [code]
        try:
            while codes[-1] and len(codes) < _DRAIN_AT_MOST:
                codes.append(self.ask([], 0)[1])
        except LinkError:
            pass  # what is known is told; whoever speaks next comes back first
        text = ", ".join(str(c) for c in codes if c)
        return ReportedError(self.name, self.resource, f"reports error {text}", code)

    def persist(self, action: Callable[[], T]) -> T:
        """Do what may be repeated until the link bears it, a few times at most.

        Raises:
            LinkError: it never did.
        """
        for attempt in range(_ATTEMPTS):
            try:
                return action()
            except LinkError:
                if attempt == _ATTEMPTS - 1:
                    raise
                self.come_back()
        raise AssertionError("unreachable")

    def come_back(self) -> None:
        """After a broken link: open it anew, with growing pauses; nothing is owed afterwards.

        Raises:
            LinkError: nobody answers any more.
        """
        self.transport.restart()

    def garbled(self, reply: str) -> LinkError:
        """What to raise for a reply that cannot be."""
        return LinkError(self.name, self.resource, f"garbled reply {reply!r}")
