"""Slots as segments: rise, (settle), top, fall, rest; and the sequences that each channel knows.

All channels that play together get the same times and lists of the same length and loops; only
their voltages differ. So lines rise and fall together by construction, and a cell between them
sees the difference of two trapezoids of equal times: a pulse whose width, at half its height, is
that of the top and one edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from . import commands
from .commands import Measure

TAG_SEQUENCE = 1
"""Number of the sequence that every execution begins with; see ``TAG_STEP``."""
TAG_STEP = 10_000
"""Unit of the time by which an execution is known, ns: its first point is measured that late."""
TAGS = 200
"""Different tags; then they start anew."""
_TAG_WINDOW = 1_000
_TAG_END = 100
_FIRST, _MOST = 2, 400  # numbers of the other sequences
LIST_LENGTH = 512
"""Entries in a sequence list."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of a slot, ns.

    Attributes:
        edge: of rise and of fall.
        settle: after the rise, before measuring; 0 for none.
        top: measured.
        rest: at 0 V after the fall.
    """

    edge: int
    settle: int
    top: int
    rest: int

    @property
    def times(self) -> list[int]:
        """Of its segments."""
        times = [self.edge, self.settle, self.top, self.edge, self.rest]
        return [time for time in times if time]

    @property
    def total(self) -> int:
        """One slot, ns."""
        return sum(self.times)


@dataclass(frozen=True, slots=True)
class Slot:
    """What one channel does in a slot.

    Attributes:
        timing: the slot's times.
        level: voltage of the top, V.
        measured: whether the top is measured.
    """

    timing: Timing
    level: float
    measured: bool

    def definition(self, channel: int, sequence: int) -> list[str]:
        """Commands that make it a sequence of a channel."""
        times, v = self.timing.times, self.level
        flat = 2 if self.timing.settle else 1  # segments at the top
        window = [0] * len(times)
        window[flat] = self.timing.top if self.measured else 0
        kinds = [Measure.SPOT_MEAN if end else Measure.NOTHING for end in window]
        starts, stops = [0.0, *[v] * flat, v, 0.0], [v, *[v] * flat, 0.0, 0.0]
        return _sequence(channel, sequence, times, (starts, stops), kinds, window)


def tag(channel: int, number: int) -> list[str]:
    """Commands that make the tag: 0 V for a time that tells executions apart, then a point."""
    times = [tag_of(number) * TAG_STEP, _TAG_WINDOW, _TAG_END]
    kinds = [Measure.NOTHING, Measure.SPOT_MEAN, Measure.NOTHING]
    return _sequence(
        channel, TAG_SEQUENCE, times, ([0.0] * 3, [0.0] * 3), kinds, [0, _TAG_WINDOW, 0]
    )


def retag(channel: int, number: int) -> str:
    """The one command that gives the tag of a channel, known already, another number."""
    times = [tag_of(number) * TAG_STEP, _TAG_WINDOW, _TAG_END]
    return commands.sequence_times(channel, TAG_SEQUENCE, times)


def tag_of(number: int) -> int:
    """The tag of execution ``number``, 1 to ``TAGS``."""
    return (number - 1) % TAGS + 1


def tag_at(seconds: float) -> int:
    """The tag of the execution whose first point was measured then.

    Wherever in its window of 1 us an instrument puts the time of a point, the tag is the same.
    """
    return int(seconds * 1e9 + _TAG_END) // TAG_STEP


@dataclass
class Vocabulary:
    """Which slots each channel has as sequences, so that none is sent twice.

    Attributes:
        numbers: sequence number by channel and slot.
    """

    numbers: dict[int, dict[Slot, int]] = field(default_factory=dict)

    def learn(self, channel: int, slots: Iterable[Slot]) -> tuple[dict[Slot, int], list[str]]:
        """Numbers of slots, and commands that define those that the channel has not yet."""
        wanted = list(dict.fromkeys(slots))
        known = self.numbers.setdefault(channel, {})
        if len(known) + sum(slot not in known for slot in wanted) > _MOST:
            known.clear()  # sequences are overwritten
        lines: list[str] = []
        for slot in wanted:
            if slot not in known:
                known[slot] = len(known) + _FIRST
                lines += slot.definition(channel, known[slot])
        return known, lines


def _sequence(
    channel: int,
    sequence: int,
    times: Sequence[int],
    volts: tuple[Sequence[float], Sequence[float]],
    kinds: Sequence[Measure],
    window: Sequence[int],
) -> list[str]:
    return [
        commands.sequence_times(channel, sequence, times),
        commands.start_voltages(channel, sequence, volts[0]),
        commands.stop_voltages(channel, sequence, volts[1]),
        commands.measure_types(channel, sequence, kinds),
        commands.measure_starts(channel, sequence, [0] * len(times)),
        commands.measure_stops(channel, sequence, window),
    ]
