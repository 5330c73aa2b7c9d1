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
from functools import lru_cache

import numpy as np

from .channels import ALL, CLUSTERS, HALF, HALVES, clusters_of, mask_of
from .endpoint import CHUNK, FLAGS
from .instructions import (
    MOST_FRAMES,
    WORDS,
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
_RESET, _UPDATE = SetDac.reset(), UpdateDac()
_delay = lru_cache(maxsize=256)(Delay.of)
_config = lru_cache(maxsize=256)(HighSpeedConfig.of)
_pulse = lru_cache(maxsize=256)(HighSpeedPulse)
_reading = lru_cache(maxsize=16)(CurrentRead)
_prepare = lru_cache(maxsize=16)(AmpPrepare)

_Change = tuple[tuple[bool, bool, bool, bool], tuple[tuple[int, int], ...]]
"""Which of four channels change, and pairs of codes."""

Half = tuple[int, ...]
"""Codes of the four channels of half a cluster."""
Outputs = tuple[tuple[Half, ...], bool]
"""Codes of all half clusters, and whether they are those of one output, the low one where they are
negative, the other being at 0 V; or else of both."""
_OFF: Outputs = (((0,) * HALF,) * HALVES, False)


@dataclass(frozen=True, slots=True)
class Flush:
    """A finished flush; addresses of its readings still count from 0.

    Attributes:
        instructions: at most ``MOST_FRAMES``.
        readings: where among them its readings are, and where in their frames the address is,
            followed by that of the flag and by the flag.
        given: for each reading, the cell pulses given before it.
        pulses: cell pulses in all.
        duration: s.
    """

    instructions: tuple[Instruction, ...]
    readings: tuple[tuple[int, int], ...]
    given: tuple[int, ...]
    pulses: int
    duration: float

    def frames(self, first: int, flags: Sequence[int]) -> bytes:
        """The bytes, with readings in memory from chunk ``first`` on, marked by ``flags``."""
        words = np.frombuffer(encode(self.instructions), "<u4").reshape(-1, WORDS).copy()
        readings = np.array(self.readings, np.intp)
        place, where, numbers = readings[:, 0], readings[:, 1], first + np.arange(len(flags))
        words[place, where] = CHUNK * numbers
        words[place, where + 1] = FLAGS + 4 * numbers
        words[place, where + 2] = flags
        return words.tobytes()


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
        self._readings: list[tuple[int, int]] = []
        self._given: list[int] = []
        self._pulses = self._since = self._time = 0
        self._mode = Mode.KEEP
        self._outputs = _OFF
        self._falling, self._widths = 0, _NO_WIDTH

    @property
    def room(self) -> bool:
        """Whether another operation can begin."""
        return len(self._made) + _SETUP + _CLOSING + 8 <= MOST_FRAMES

    def measure(self, wanted: Measurement) -> None:
        """Add a measurement."""
        self._voltage_mode()
        self._set(wanted.levels, wanted.settle)
        self._read(_reading(wanted.sensed, 0, 0))
        self._delay(_AFTER_READ)
        # Ranges change after a reading; without this the lines would see it (as libarc2 does).
        self._made.append(_prepare(wanted.sensed))

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
        made, readings, given = tuple(self._made), tuple(self._readings), tuple(self._given)
        return Flush(made, readings, given, self._pulses, self._time * 1e-9)

    def _fast(self, wanted: Pulses) -> int:
        self._high_speed_mode()
        clusters, falling = wanted.clusters, wanted.falling
        resting = (self._falling & ~clusters) | falling
        if resting != self._falling:
            self._rest(resting)
        self._set(wanted.levels, _SETTLE, split=True)
        widths = tuple([wanted.width if clusters >> k & 1 else 0 for k in range(CLUSTERS)])
        if widths != self._widths:
            self._made.append(_config(widths))
            self._widths = widths
        # The driver pulses by itself while the board goes on: the delay covers pulse and rest.
        pulse = _pulse(clusters, self._falling & clusters)
        delay = _delay(_up(wanted.width + wanted.rest))
        room = (MOST_FRAMES - len(self._made) - _CLOSING) // 2
        count = min(wanted.count, _EVERY - self._since, room)
        self._made += [pulse, delay] * count
        self._time += count * delay.nanoseconds
        self._pulses += count * wanted.cells
        return count

    def _slow(self, wanted: Pulses) -> int:
        self._voltage_mode()
        self._set(wanted.levels, wanted.width)
        self._set(IDLE, max(_SETTLE, wanted.rest))
        self._pulses += wanted.cells
        return 1

    def _rest(self, falling: int) -> None:
        """Change the level that drivers rest at, both outputs at 0 V."""
        self._set(IDLE, _SETTLE)
        self._made += [
            _config(_NO_WIDTH),
            _pulse(self._clusters, falling & self._clusters),
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
        self._made += [_RESET, _UPDATE]
        if fresh:
            self._made.append(DacRange(ALL))
            if self._routing:  # as libarc2's ``set_control_mode``
                self._made.append(UpdateLogic(int(self._routing == "header")))
        self._delay(_SETTLE)
        self._outputs = _OFF

    def _set(self, levels: Levels, wait: int, split: bool = False) -> None:
        outputs = tuple(zip(*[iter(levels)] * HALF, strict=True)), split
        changes = _changes(self._outputs, outputs)
        if changes:
            self._made += [*changes, _UPDATE]
            self._delay(wait)
        self._outputs = outputs

    def _delay(self, nanoseconds: int) -> None:
        delay = _delay(nanoseconds)
        self._made.append(delay)
        self._time += delay.nanoseconds

    def _mark(self) -> None:
        """A voltage reading: how far the board got, kept in its own memory."""
        self._read(VoltageRead(self._mask, False, 0, 0))
        self._since = 0

    def _read(self, reading: CurrentRead | VoltageRead) -> None:
        self._readings.append((len(self._made), reading.where))
        self._made.append(reading)
        self._given.append(self._pulses)
        self._time += _READING


def _changes(before: Outputs, after: Outputs) -> list[Instruction]:
    """Converter instructions for the channels that change, halves that change alike together."""
    (old, split), (new, splits) = before, after
    if new == _OFF[0]:
        return [_RESET] if old != new else []
    alike: dict[_Change, int] = {}
    for half, (was, will) in enumerate(zip(old, new, strict=True)):
        if was == will and (split == splits or not any(will)):
            continue  # nearly always
        change = _change(was, split, will, splits)
        alike[change] = alike.get(change, 0) | 1 << half
    return [SetDac(halves, *change) for change, halves in alike.items()]


@lru_cache(maxsize=4096)
def _change(was: Half, split: bool, will: Half, splits: bool) -> _Change:
    """Which of four channels change, and what the converters of those are set to."""
    old = [_pair(level, split) for level in was]
    new = [_pair(level, splits) for level in will]
    a, b, c, d = (x != y for x, y in zip(old, new, strict=True))
    held = (ZERO, ZERO)
    levels = [y if x != y else held for x, y in zip(old, new, strict=True)]
    return (a, b, c, d), tuple(levels)


def _pair(level: int, split: bool) -> tuple[int, int]:
    """Codes of the low and the high output."""
    return (ZERO + min(level, 0), ZERO + max(level, 0)) if split else (ZERO + level, ZERO + level)


def _up(nanoseconds: int) -> int:
    """Rounded up to the grid of delays."""
    return -(-nanoseconds // 20) * 20
