"""What can go wrong on a bench, on purpose: a plan of faults, one after the other.

A plan belongs to a server (``server.faults``). An entry strikes one message of the host, or the
first reply after it; ``None`` lets a message through. Faults of the link are made by the server,
those of the instrument are handed to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """One fault; happens once."""

    DROP_REQUEST = "the request never arrives"
    CUT_REQUEST = "the link breaks in the middle of the request"
    DROP = "the reply never arrives"
    DELAY = "the reply arrives late"
    GARBLE = "bytes of the reply flip"
    DUPLICATE = "the reply arrives twice"
    TRUNCATE = "part of the reply arrives, then the link breaks"
    HANG_UP = "the link breaks instead of a reply"
    HUNG = "the instrument hangs, and answers nothing until it is power-cycled"
    POWER_BEFORE = "the power fails before the request is read"
    POWER_MIDWAY = "the power fails in the middle of a program"
    POWER_AFTER = "the power fails after the request is carried out, before the reply"
    HARDWARE = "a program stops half-way, and the instrument says so"
    ERROR = "an error appears in the error queue"
    COMPLIANCE = "the source reaches its current limit"
    STUCK_OUTPUT = "the output relay does not open when told to"


ON_REPLY = frozenset(
    {
        Fault.DROP,
        Fault.DELAY,
        Fault.GARBLE,
        Fault.DUPLICATE,
        Fault.TRUNCATE,
        Fault.HANG_UP,
        Fault.POWER_AFTER,
    }
)
"""Faults that wait for the next reply."""

IN_INSTRUMENT = frozenset(
    {Fault.POWER_MIDWAY, Fault.HARDWARE, Fault.ERROR, Fault.COMPLIANCE, Fault.STUCK_OUTPUT}
)
"""Faults that an instrument makes itself (``Served.strike``); it ignores what it cannot."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault and its particulars.

    Attributes:
        fault: which.
        at: share of the message's bytes, 0 to 1, at which a break, cut or flip happens.
        pulses: pulses of a program that are given before power or hardware fail.
        seconds: how late a late reply is.
    """

    fault: Fault
    at: float = 0.5
    pulses: int = 1
    seconds: float = 0.3


class PowerLostError(Exception):
    """Raised inside an instrument whose power fails."""


class FaultPlan:
    """Entries in order; ``None`` lets one message pass."""

    def __init__(self) -> None:
        self._entries: deque[Strike | None] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, fault: Fault | Strike | None) -> None:
        """Add one."""
        self._entries.append(Strike(fault) if isinstance(fault, Fault) else fault)

    def extend(self, faults: Iterable[Fault | Strike | None]) -> None:
        """Add several."""
        for fault in faults:
            self.append(fault)

    def clear(self) -> None:
        """Nothing more goes wrong."""
        self._entries.clear()

    def for_message(self) -> tuple[Strike | None, bool]:
        """What strikes the message that has just arrived, and whether its reply is exempt.

        A fault for replies stays in the plan; an entry that was spent on the message, ``None``
        included, exempts its reply.
        """
        if not self._entries:
            return None, False
        first = self._entries[0]
        if first is not None and first.fault in ON_REPLY:
            return None, False
        return self._entries.popleft(), True

    def for_reply(self) -> Strike | None:
        """What strikes the reply that is about to leave."""
        if self._entries and (first := self._entries[0]) and first.fault in ON_REPLY:
            return self._entries.popleft()
        return None
