"""One flush in the making: the frames that leave together, and the readings they leave in memory.

A flush takes nothing for granted: it begins by bringing all converters to 0 V, on their standard
range, and the wired channels into the mode it needs, whatever they did before, and ends with all of
them at 0 V and a voltage reading that shows it. The order of the steps follows libarc2,
``src/instrument.rs`` (``amp_prep``, ``ground_all``, ``pulse_slice_fast_open``), with one
difference: the level at which a high-speed driver rests is changed only while both of its outputs
are at 0 V. Changed with the last pulse's levels still set, the driver would put them on the lines
for microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .channels import ALL, CLUSTERS, HALF, HALVES, clusters_of, mask_of
from .endpoint import CHUNK, FLAGS
from .instructions import (
    MOST_FRAMES,
    AmpPrepare,
    CurrentRead,
    DacRange,
    Delay,
    HighSpeedConfig,
    HighSpeedPulse,
    Instruction,
    Mode,
    ModifyChannel,
    SetDac,
    UpdateChannel,
    UpdateDac,
    UpdateLogic,
    VoltageRead,
    encode,
)
from .operations import IDLE, Levels, Measurement, Pulses, Routing
from .words import ZERO

_SETTLE = 30_000  # after a converter has moved, ns
_PREPARED = 100_000  # after feedback resistors were connected, ns
_AFTER_READ = 1_000  # ns
_READING = 10_000  # a reading, ns
_CLOSING = 16  # most frames that end a flush
_SETUP = 64  # most frames before a pulse or a measurement
_EVERY = 64  # pulses between marks
_NO_WIDTH = (0,) * CLUSTERS

Outputs = tuple[Levels, Levels]
"""Low and high output of all channels, codes relative to 0 V."""


@dataclass(frozen=True, slots=True)
class Flush:
    """A finished flush; addresses of its readings still count from 0.

    Attributes:
        instructions: at most ``MOST_FRAMES``.
        given: for each reading, the cell pulses given before it.
        pulses: cell pulses in all.
        duration: s.
    """

    instructions: tuple[Instruction, ...]
    given: tuple[int, ...]
    pulses: int
    duration: float

    def frames(self, first: int, flags: Sequence[int]) -> bytes:
        """The bytes, with readings in memory from chunk ``first`` on, marked by ``flags``."""
        waiting = iter(range(len(flags)))
        located: list[Instruction] = []
        for one in self.instructions:
            if isinstance(one, CurrentRead | VoltageRead):
                k = next(waiting)
                address, flag = CHUNK * (first + k), FLAGS + 4 * (first + k)
                one = replace(one, address=address, flag_address=flag, flag=flags[k])
            located.append(one)
        return encode(located)


class FlushBuilder:
    """Puts operations into a flush as long as they fit.

    Args:
        wired: the channels that the chip hangs on.
        routing: of the daughterboard; None leaves the logic lines that switch it as they are.
    """

    def __init__(self, wired: Iterable[int], routing: Routing | None = None) -> None:
        self._routing = routing
        self._wired = tuple(wired)
        self._mask, self._clusters = mask_of(self._wired), clusters_of(self._wired)
        self._others = ALL & ~self._mask  # stay connected to ground
        self._made: list[Instruction] = []
        self._given: list[int] = []
        self._pulses = self._since = self._time = 0
        self._mode = Mode.KEEP
        self._outputs: Outputs = (IDLE, IDLE)
        self._falling, self._widths = 0, _NO_WIDTH

    @property
    def room(self) -> bool:
        """Whether another operation can begin."""
        return len(self._made) + _SETUP + _CLOSING + 8 <= MOST_FRAMES

    def measure(self, wanted: Measurement) -> None:
        """Add a measurement."""
        self._voltage_mode()
        self._set((wanted.levels, wanted.levels), wanted.settle)
        self._read(CurrentRead(wanted.sensed, 0, 0))
        self._delay(_AFTER_READ)
        # Ranges change after a reading; without this the lines would see it (as libarc2 does).
        self._made.append(AmpPrepare(wanted.sensed))

    def pulse(self, wanted: Pulses) -> Pulses | None:
        """Add pulses; returns those that did not fit."""
        if not self._made:
            self._high_speed_mode() if wanted.fast else self._voltage_mode()
            self._mark()
        count = self._fast(wanted) if wanted.fast else self._slow(wanted)
        self._since += count
        if self._since >= _EVERY:
            self._mark()
        left = wanted.count - count
        return replace(wanted, count=left) if left else None

    def close(self) -> Flush:
        """All channels at 0 V in voltage mode; a voltage reading says so. Then it is finished."""
        if self._mode is Mode.VOLTAGE:
            self._zero()
        self._voltage_mode()
        return self._finished()

    def ground(self) -> Flush:
        """A flush that connects all channels to ground, converters at 0 V, and reads voltages."""
        self._zero()
        everything = range(64)
        self._made += [
            ModifyChannel(0),
            UpdateChannel.of(everything, Mode.OPEN),
            ModifyChannel(ALL),
        ]
        return self._finished()

    def _finished(self) -> Flush:
        self._mark()
        return Flush(tuple(self._made), tuple(self._given), self._pulses, self._time * 1e-9)

    def _fast(self, wanted: Pulses) -> int:
        self._high_speed_mode()
        resting = (self._falling & ~wanted.clusters) | wanted.falling
        if resting != self._falling:
            self._rest(resting)
        low = tuple(min(level, 0) for level in wanted.levels)
        high = tuple(max(level, 0) for level in wanted.levels)
        self._set((low, high), _SETTLE)
        widths = tuple(wanted.width if wanted.clusters >> k & 1 else 0 for k in range(CLUSTERS))
        if widths != self._widths:
            self._made.append(HighSpeedConfig.of(widths))
            self._widths = widths
        # The driver pulses by itself while the board goes on: the delay covers pulse and rest.
        pulse = HighSpeedPulse(wanted.clusters, self._falling & wanted.clusters)
        wait = _up(wanted.width + wanted.rest)
        count = min(
            wanted.count, _EVERY - self._since, (MOST_FRAMES - len(self._made) - _CLOSING) // 2
        )
        for _ in range(count):
            self._made.append(pulse)
            self._delay(wait)
        self._pulses += count * wanted.cells
        return count

    def _slow(self, wanted: Pulses) -> int:
        self._voltage_mode()
        self._set((wanted.levels, wanted.levels), wanted.width)
        self._set((IDLE, IDLE), max(_SETTLE, wanted.rest))
        self._pulses += wanted.cells
        return 1

    def _rest(self, falling: int) -> None:
        """Change the level that drivers rest at, both outputs at 0 V."""
        self._set((IDLE, IDLE), _SETTLE)
        self._made += [
            HighSpeedConfig.of(_NO_WIDTH),
            HighSpeedPulse(self._clusters, falling & self._clusters),
        ]
        self._falling, self._widths = falling, _NO_WIDTH

    def _high_speed_mode(self) -> None:
        if self._mode is Mode.HIGH_SPEED:
            return
        self._zero()
        self._rest(0)
        self._made += [
            UpdateChannel.of(self._wired, Mode.HIGH_SPEED),
            ModifyChannel(self._others),
        ]
        self._mode = Mode.HIGH_SPEED

    def _voltage_mode(self) -> None:
        if self._mode is Mode.VOLTAGE:
            return
        self._zero()
        self._made += [ModifyChannel(ALL), AmpPrepare(self._mask)]
        self._delay(_PREPARED)
        self._made += [
            ModifyChannel(self._others),
            UpdateChannel.of(self._wired, Mode.VOLTAGE),
        ]
        self._mode = Mode.VOLTAGE

    def _zero(self) -> None:
        """All converters to 0 V, whatever they were at, and on whichever range."""
        fresh = not self._made
        self._made += [SetDac.reset(), UpdateDac()]
        if fresh:
            self._made.append(DacRange(ALL))
            if self._routing:  # as libarc2's ``set_control_mode``
                self._made.append(UpdateLogic(int(self._routing == "header")))
        self._delay(_SETTLE)
        self._outputs = (IDLE, IDLE)

    def _set(self, outputs: Outputs, wait: int) -> None:
        changes = _changes(self._outputs, outputs)
        if changes:
            self._made += [*changes, UpdateDac()]
            self._delay(wait)
        self._outputs = outputs

    def _delay(self, nanoseconds: int) -> None:
        delay = Delay.of(nanoseconds)
        self._made.append(delay)
        self._time += delay.nanoseconds

    def _mark(self) -> None:
        """A voltage reading: how far the board got, kept in its own memory."""
        self._read(VoltageRead(self._mask, False, 0, 0))
        self._since = 0

    def _read(self, reading: Instruction) -> None:
        self._made.append(reading)
        self._given.append(self._pulses)
        self._time += _READING


def _changes(before: Outputs, after: Outputs) -> list[Instruction]:
    """Converter instructions for the channels that change, halves that change alike together."""
    if after == (IDLE, IDLE) and before != after:
        return [SetDac.reset()]
    alike: dict[tuple[tuple[bool, ...], tuple[tuple[int, int], ...]], int] = {}
    for half in range(HALVES):
        here = slice(HALF * half, HALF * half + HALF)
        if before[0][here] == after[0][here] and before[1][here] == after[1][here]:
            continue  # nearly always
        these = range(HALF * half, HALF * half + HALF)
        lines = tuple((before[0][k], before[1][k]) != (after[0][k], after[1][k]) for k in these)
        levels = tuple(
            (ZERO + after[0][k], ZERO + after[1][k]) if line else (ZERO, ZERO)
            for k, line in zip(these, lines, strict=True)
        )
        alike[lines, levels] = alike.get((lines, levels), 0) | 1 << half
    return [
        SetDac(halves, (lines[0], lines[1], lines[2], lines[3]), levels)
        for (lines, levels), halves in alike.items()
    ]


def _up(nanoseconds: int) -> int:
    """Rounded up to the grid of delays."""
    return -(-nanoseconds // 20) * 20
