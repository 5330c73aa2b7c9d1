"""Keithley 707B switching matrix.

Commands: reference manual 707B-901-01, section 7. Relays are never moved by this driver alone
while a source is on: that is the business of whoever drives both (``tsp_crossbar``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ohmloop.drivers.validation import Record

from .tsp_instrument import TspInstrument


class Keithley707BOptions(Record):
    """Options in the bench file.

    Attributes:
        tsp_link_node: number under which a TSP-Link master reaches the matrix, as ``node[N]``.
    """

    tsp_link_node: Annotated[int, Field(ge=1, le=64)] | None = None


class Keithley707B(TspInstrument):
    """Crosspoints by name: slot, row, column, as in ``1A01``."""

    Options = Keithley707BOptions
    models = ("707B", "708B")

    def close_crosspoints(self, points: Sequence[str]) -> None:
        """Close these besides those closed already."""
        self.transport.write(f'channel.close("{",".join(points)}")')
        self.check_errors()

    def close_only(self, points: Sequence[str]) -> None:
        """Close these and open all others; none opens everything."""
        self.transport.write(f'channel.exclusiveclose("{",".join(points)}")')
        self.check_errors()

    def open_all(self) -> None:
        """Open every crosspoint."""
        self.transport.write('channel.open("allslots")')
        self.check_errors()

    def closed(self) -> list[str]:
        """Crosspoints closed now."""
        text = self.transport.query('print(channel.getclose("allslots"))').strip()
        return [] if text in {"", "nil"} else text.split(";")

    @property
    def serial_number(self) -> str:
        """Third field of ``*IDN?``."""
        return self.identity.split(",")[2].strip()

    def make_safe(self) -> None:
        """Open every crosspoint."""
        self.interrupt('channel.open("allslots")')
