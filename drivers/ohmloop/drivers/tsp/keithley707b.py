"""Keithley 707B switching matrix.

Commands: reference manual 707B-901-01, section 7. Relays are never moved by this driver alone
while a source is on: that is the business of whoever drives both (``tsp_crossbar``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ohmloop.drivers.errors import InstrumentError
from ohmloop.drivers.instrument import InstrumentOptions

from .tsp_instrument import TspInstrument

_ROWS, _COLUMNS = "ABCDEFGH", 12
_LINE = 900  # longest list of channels in one command, bytes


def line_of(point: str) -> str:
    """The line of the matrix that a crosspoint connects, on cards of dual 4 x 12 lines.

    Rows A-D and rows E-H are two matrices with lines of their own (Model 7071-4).

    >>> line_of("1A01"), line_of("1D01"), line_of("1H01")
    ('1A-D01', '1A-D01', '1E-H01')
    """
    half = "A-D" if point[1] in "ABCD" else "E-H"
    return f"{point[0]}{half}{point[2:]}"


def unused_ranges(used: Sequence[str]) -> list[str]:
    """Channel ranges of all crosspoints not in ``used``, on the slots of those in it.

    >>> unused_ranges([f"1{row}{c:02d}" for row in "ABCDEFGH" for c in (1, 2)])[0]
    '1A03:1A12'
    """
    ranges: list[str] = []
    for slot in sorted({point[0] for point in used}):
        for row in _ROWS:
            names = [f"{slot}{row}{c:02d}" for c in range(1, _COLUMNS + 1)]
            ranges += _runs([name for name in names if name not in used], names)
    return ranges


def _runs(free: Sequence[str], names: Sequence[str]) -> list[str]:
    runs: list[list[str]] = []
    for name in free:
        follows = runs and names.index(name) == names.index(runs[-1][-1]) + 1
        if follows:
            runs[-1].append(name)
        else:
            runs.append([name])
    return [run[0] if len(run) == 1 else f"{run[0]}:{run[-1]}" for run in runs]


class Keithley707BOptions(InstrumentOptions):
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
        self.end_batch()

    def close_only(self, points: Sequence[str]) -> None:
        """Close these and open all others; none opens everything."""
        self.transport.write(f'channel.exclusiveclose("{",".join(points)}")')
        self.end_batch()

    def open_all(self) -> None:
        """Open every crosspoint."""
        self.transport.write('channel.open("allslots")')
        self.end_batch()

    def allow_only(self, points: Sequence[str]) -> None:
        """Let the matrix refuse to close any other crosspoint on the slots of these.

        Raises:
            ReportedError: it does not know some of them, so the card is not the one expected.
        """
        self.transport.write('channel.clearforbidden("allslots")')
        texts = [""]
        for item in unused_ranges(points):
            if len(texts[-1]) + len(item) > _LINE:
                texts.append("")
            texts[-1] += f",{item}" if texts[-1] else item
        self.transport.write("\n".join(f'channel.setforbidden("{t}")' for t in texts if t))
        self.end_batch()

    def closed(self) -> list[str]:
        """Crosspoints closed now."""
        text = self.transport.query('print(channel.getclose("allslots"))').strip()
        return [] if text in {"", "nil"} else text.split(";")

    @property
    def serial_number(self) -> str:
        """Third field of ``*IDN?``."""
        return self.identity.split(",")[2].strip()

    def make_safe(self) -> None:
        """Open every crosspoint.

        Raises:
            InstrumentError: it says that some are still closed.
        """
        closed = self.interrupt('channel.open("allslots")', 'channel.getclose("allslots")')
        if closed not in {"", "nil"}:
            problem = f"crosspoints {closed} stay closed; switch the matrix off"
            raise InstrumentError(self.name, self.transport.resource, problem)
