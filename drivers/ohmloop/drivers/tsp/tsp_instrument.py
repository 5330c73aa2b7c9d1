"""Instruments that speak TSP, Keithley's Lua dialect.

Facts: Series 2600B reference manual 2600BS-901-01, sections 5 (remote commands), 6 (scripts) and
8 (error queue). An empty error queue is known by code 0, never by its text, which differs between
firmware versions.
"""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from ohmloop.drivers.errors import LinkError, NotConnectedError, ReportedError
from ohmloop.drivers.instrument import Instrument

_DRAIN_AT_MOST = 100


def number(value: float | bool | int) -> str:
    """A number as Lua text that reads back exactly.

    >>> number(1e-7), number(True), number(2)
    ('1e-07', 'true', '2')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int) else repr(float(value))


def boolean(text: str) -> bool:
    """Read ``true``/``false``, or the 0/1 that attributes answer with."""
    text = text.strip()
    return text == "true" or (text != "false" and float(text) != 0.0)


class TspInstrument(Instrument):
    """What all TSP instruments share: attributes, scripts, the error queue, resynchronising."""

    maker = "KEITHLEY"

    def get_attribute(self, attribute: str) -> str:
        """``print(attribute)``, as text."""
        return self.transport.query(f"print({self.path(attribute)})")

    def set_attribute(self, attribute: str, value: Any) -> None:
        """Assign; when the error queue is read is ``options.errors``."""
        self.transport.write(f"{self.path(attribute)} = {number(value)}")
        self.changed()

    def path(self, attribute: str) -> str:
        """Full name of an attribute; drivers with channels put theirs before it."""
        return attribute

    def upload(self, name: str, source: str) -> None:
        """Load a script and run it once, so that its functions exist.

        Raises:
            ReportedError: the instrument found it faulty.
        """
        self.transport.write(f"loadscript {name}\n{source}\nendscript\n{name}()")
        self.check_errors()

    def check_errors(self) -> None:
        """Read the error queue until it is empty.

        Raises:
            ReportedError: it held errors, all listed in the message.
        """
        count = int(float(self.transport.query("print(errorqueue.count)")))
        found = [self._next_error() for _ in range(min(count, _DRAIN_AT_MOST))]
        found = [entry for entry in found if entry[0] != 0]
        if found:
            text = "; ".join(f"error {code}, {message}" for code, message in found)
            raise ReportedError(self.name, self.transport.resource, text, found[0][0])

    def reset(self) -> None:
        """Stop a running script, reset, clear the error queue."""
        self.transport.write("abort\n*CLS\nreset()\nerrorqueue.clear()")

    def interrupt(self, then: str = "", tell: str = "nil") -> str:
        """Stop a running script, run ``then``, and throw away replies still on their way.

        A broken link is opened anew, once.

        Returns:
            What the expression ``tell`` came to afterwards, as text.

        Raises:
            LinkError: it does not come back.
        """
        marker = f"ohmloop-{token_hex(4)}"
        text = f'\nabort\n{then}\nprint("{marker}", {tell})'
        try:
            lines = self.transport.resync(text, marker)
        except LinkError:
            self.transport.restart()
            lines = self.transport.resync(text, marker)
        return lines[-1].rpartition("\t")[2]

    def come_back(self, busy: float = 0.0) -> None:
        """After a broken link: open it anew and throw away what is still on its way.

        Stops nothing: a script that runs goes on, for ``busy`` seconds at most, and the instrument
        answers when it is done.

        Raises:
            NotConnectedError: nobody is there any more.
            LinkError: it is there, and does not come back in step.
        """
        try:
            self.transport.reopen()
        except LinkError as error:
            resource = self.transport.resource
            raise NotConnectedError(self.name, resource, error.problem) from error
        marker = f"ohmloop-{token_hex(4)}"
        self.transport.resync(f'\nprint("{marker}")', marker, busy)

    def _next_error(self) -> tuple[int, str]:
        fields = self.transport.query("print(errorqueue.next())").split("\t")
        return int(float(fields[0])), fields[1] if len(fields) > 1 else ""
