"""The pulse cards of an emulated 4200A-SCS: what each channel is told, played and measured.

Arguments are checked as they come, sequences against each other when they are executed. An
execution is worked out at once; the instrument then stays busy for as long as it would take, and
who asks meanwhile has waited for it (see ``PulseCards.running``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ohmloop.drivers.kxci.commands import (
    CURRENT_RANGES,
    MOST_POINTS,
    MOST_SEGMENTS,
    MOST_VALUES,
    SHORTEST,
    SOURCE_RANGES,
)
from ohmloop.drivers.kxci.waveform import LIST_LENGTH
from ohmloop.sim_backend.clock import VirtualClock

from .channel_chip import ChannelChip
from .sequences import RefusedError, check_continuous, on_grid, segments_of
from .traces import Floats, Segments, Trace, trace_of

_SETUP = 0.1  # from EXECUTE to the first edge, s
_MOST_LOOPS = 1e12
_OVERFLOW = 1  # status of a point beyond its range


@dataclass
class Channel:
    """What one channel knows.

    Attributes:
        arrays: of each sequence, by the word of the command that set them.
        played: sequence list.
        wanted: output on with the next execution.
        on: whether its output relay is closed.
        stuck: its relay does not open any more.
        points: buffer: V, A, s, status.
    """

    arrays: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    played: list[tuple[int, int]] = field(default_factory=list)
    wanted: bool = False
    on: bool = False
    stuck: bool = False
    current_range: float | None = None
    source_range: float = 10.0
    load: float = 1e6
    train: tuple[float, float] = (0.0, 0.0)
    train_times: tuple[int, int, int, int] | None = None
    points: list[tuple[float, float, float, int]] = field(default_factory=list)


class PulseCards:
    """All channels.

    Args:
        cards: numbers of the cards that are fitted.
        chips: what hangs on their channels.
        clock: the bench's time.

    Attributes:
        overloaded: points of the next execution are flagged as beyond their range.
        hot_switches: how often an output was opened while it played.
        lag: how often the next execution is not noticed yet by who asks for the status: it says
            idle, and the buffers are those of before.
    """

    def __init__(
        self, cards: Sequence[int], chips: Sequence[ChannelChip], clock: VirtualClock
    ) -> None:
        self.cards, self._chips, self._clock = tuple(cards), chips, clock
        self.channels: dict[int, Channel] = {}
        self.hot_switches = 0
        self.overloaded = False
        self.lag = 0
        self._former: dict[int, list[tuple[float, float, float, int]]] = {}
        self._busy_until = 0
        self.power_cycle()

    def power_cycle(self) -> None:
        """Outputs off, stuck relays loose, nothing remembered, no mode chosen."""
        self.channels = {2 * card - side: Channel() for card in self.cards for side in (1, 0)}
        self.mode: int | None = None
        self._burst, self._measure, self._busy_until = 1, 0, 0
        self.overloaded, self.lag, self._former = False, 0, {}

    @property
    def outputs_on(self) -> bool:
        """Whether any channel drives its line."""
        return any(channel.on for channel in self.channels.values())

    @property
    def busy(self) -> bool:
        """Whether an execution would still go on."""
        return self._clock.ns < self._busy_until

    def running(self) -> bool:
        """``:PMU:TEST:STATUS?``: who hears that it runs has waited until it does not."""
        if self._former and self.lag:
            self.lag -= 1
            return False
        self._former = {}
        was = self.busy
        if was:
            self._clock.sleep((self._busy_until - self._clock.ns) * 1e-9)
        return was

    def initialise(self, mode: int) -> None:
        """``:PMU:INIT``."""
        self._idle()
        if mode not in (0, 1):
            raise RefusedError("Invalid PMU mode")
        for number, channel in self.channels.items():
            self.switch_off(number)
            self.channels[number] = Channel(on=channel.on, stuck=channel.stuck)
        self.mode, self._burst, self._measure, self._former = mode, 1, 0, {}

    def abort(self) -> None:
        """``:PMU:ABORT``: nothing runs any more, outputs off; data stay."""
        if self.busy:
            self._busy_until = self._clock.ns
        for number in self.channels:
            self.switch_off(number)

    def switch_off(self, number: int) -> bool:
        """An output off; whether it is."""
        channel = self.channels[number]
        if channel.on and self.busy:
            self.hot_switches += 1
        channel.wanted = False
        channel.on = channel.on and channel.stuck
        return not channel.on

    def output(self, number: int, state: int) -> None:
        """``:PMU:OUTPUT:STATE``."""
        if state not in (0, 1):
            raise RefusedError("Invalid output state")
        if state:
            self._idle()
            self.channel(number).wanted = True
        elif self.channel(number) and not self.switch_off(number):
            raise RefusedError("Output relay failure")

    def channel(self, number: int) -> Channel:
        """A channel that is fitted."""
        if number not in self.channels:
            raise RefusedError("Invalid PMU channel")
        return self.channels[number]

    def settable(self, number: int, mode: int | None = None) -> Channel:
        """A channel that may be told something now."""
        self._idle()
        if self.mode is None or mode not in (None, self.mode):
            raise RefusedError("PMU not initialized for this command")
        return self.channel(number)

    def configure_rpm(self, name: str, route: int) -> None:
        """``:PMU:RPM:CONFIGURE``: routes only; all routes but the pulser's leave lines open."""
        self._idle()
        known = {f"PMU{(c + 1) // 2}-{2 - c % 2}" for c in self.channels}
        if name not in known or route not in (0, 1, 2, 3):
            raise RefusedError("Invalid RPM channel")

    def set_range(self, number: int, kind: int, *values: float) -> None:
        """``:PMU:MEASURE:RANGE``."""
        channel = self.settable(number)
        if kind == 2 and len(values) == 1 and values[0] in CURRENT_RANGES:
            channel.current_range = values[0]
        elif kind in (0, 1):
            channel.current_range = None
        else:
            raise RefusedError("Invalid measure range")

    def set_source(self, number: int, volts: float) -> None:
        """``:PMU:SOURCE:RANGE``."""
        channel = self.settable(number)
        if volts not in SOURCE_RANGES:
            raise RefusedError("Invalid source range")
        channel.source_range = volts

    def set_load(self, number: int, ohms: float) -> None:
        """``:PMU:LOAD``."""
        channel = self.settable(number)
        if not 1.0 <= ohms <= 1e7:
            raise RefusedError("Invalid load")
        channel.load = ohms

    def set_measure(self, mode: int) -> None:
        """``:PMU:MEASURE:MODE``, of standard pulses."""
        self._idle()
        if self.mode != 0 or mode not in range(5):
            raise RefusedError("Invalid measure mode")
        self._measure = mode

    def set_burst(self, count: int) -> None:
        """``:PMU:PULSE:BURST:COUNT``."""
        self._idle()
        if self.mode != 0 or not 1 <= count <= 10_000:
            raise RefusedError("Invalid burst count")
        self._burst = count

    def set_train(self, number: int, base: float, amplitude: float) -> None:
        """``:PMU:PULSE:TRAIN``."""
        self.settable(number, 0).train = (base, amplitude)

    def set_times(self, number: int, *times: float) -> None:
        """``:PMU:PULSE:TIMES``; both channels of a card share the period."""
        channel = self.settable(number, 0)
        if len(times) != 4:
            raise RefusedError("Invalid pulse times")
        period, width, rise, fall = map(on_grid, times)
        if min(rise, fall) < SHORTEST or width < (rise + fall) / 2 or width + rise >= period:
            raise RefusedError("Invalid pulse times")
        channel.train_times = (period, width, rise, fall)
        other = self.channels[number + 1 if number % 2 else number - 1]
        if other.train_times:
            other.train_times = (period, *other.train_times[1:])

    def set_array(self, word: str, number: int, sequence: int, *values: float) -> None:
        """``:PMU:SARB:SEQ:...``: one array of a sequence."""
        channel = self.settable(number, 1)
        if not 1 <= sequence <= 512 or not 3 <= len(values) <= MOST_VALUES:
            raise RefusedError("Invalid segment arb sequence")
        if not np.isfinite(values).all():
            raise RefusedError("Invalid segment arb value")
        channel.arrays.setdefault(sequence, {})[word] = list(values)

    def set_list(self, number: int, *flat: float) -> None:
        """``:PMU:SARB:WFM:SEQ:LIST``."""
        channel = self.settable(number, 1)
        pairs = list(zip(flat[::2], flat[1::2], strict=False))
        whole = all(float(value).is_integer() for value in flat)
        if not whole or len(flat) % 2 or not 1 <= len(pairs) <= LIST_LENGTH:
            raise RefusedError("Invalid sequence list")
        for sequence, loops in pairs:
            if int(sequence) not in channel.arrays or not 1 <= loops <= _MOST_LOOPS:
                raise RefusedError("Undefined sequence or loop count in list")
        channel.played = [(int(sequence), int(loops)) for sequence, loops in pairs]

    def buffer(self, number: int) -> list[tuple[float, float, float, int]]:
        """A channel's points, as who asks now finds them."""
        return self._former.get(number, self.channel(number).points)

    def points(self, number: int, start: int = 0, count: int = MOST_POINTS) -> str:
        """``:PMU:DATA:GET``."""
        buffer = self.buffer(number)
        if not 1 <= count <= MOST_POINTS or not 0 <= start < len(buffer):
            raise RefusedError("No data")
        part = buffer[start : start + count]
        return ";".join(f"{v:.6E},{i:.6E},{t:.9E},{status}" for v, i, t, status in part)

    def execute(self, pulses: int | None = None) -> float:
        """``:PMU:EXECUTE``.

        Args:
            pulses: give up after so many.

        Returns:
            When it gave up, ns from its first edge; infinite where it did not.
        """
        self._idle()
        if self.mode is None:
            raise RefusedError("PMU not initialized")
        traces = {
            number: self._trace(channel)
            for number, channel in self.channels.items()
            if channel.wanted
        }
        if not traces:
            raise RefusedError("No PMU output is on")
        for number in traces:
            self.channels[number].on = True
        former = {number: channel.points for number, channel in self.channels.items()}
        stopped = self._play(traces, pulses)
        self._former = former if self.lag else {}
        last = max(int(trace.times[-1]) for trace in traces.values())
        self._busy_until = self._clock.ns + round(_SETUP * 1e9) + last
        return stopped

    def _play(self, traces: Mapping[int, Trace], pulses: int | None) -> float:
        stopped = float("inf")
        currents: dict[int, Floats] = {}
        for chip in self._chips:
            before = chip.cells.visible
            end = chip.play(traces, pulses)
            currents |= chip.currents(traces, before, end)
            stopped = min(stopped, end)
        for number, trace in traces.items():
            windows = trace.windows[trace.windows[:, 1] <= stopped]
            volts = trace.at(windows.mean(axis=1))
            amperes = currents.get(number, np.zeros(len(windows)))[: len(windows)]
            largest = self.channels[number].current_range or CURRENT_RANGES[-1]
            self.channels[number].points = [
                (v, max(-largest, min(largest, i)), end * 1e-9, self._status(i, largest))
                for v, i, end in zip(
                    volts.tolist(), amperes.tolist(), windows[:, 1].tolist(), strict=True
                )
            ]
        self.overloaded = False
        return stopped

    def _status(self, amperes: float, largest: float) -> int:
        return _OVERFLOW if self.overloaded or abs(amperes) > largest else 0

    def _trace(self, channel: Channel) -> Trace:
        if self.mode == 0:
            return self._train(channel)
        if not channel.played:
            raise RefusedError("No sequence list")
        if channel.current_range is None:
            raise RefusedError("Segment arb needs a fixed current range")
        total = sum(len(arrays.get("TIME", ())) for arrays in channel.arrays.values())
        if total > MOST_SEGMENTS:
            raise RefusedError("Too many segments")
        used = {sequence for sequence, _ in channel.played}
        known = {
            sequence: segments_of(channel.arrays[sequence], channel.source_range)
            for sequence in used
        }
        entries = [(known[sequence], loops) for sequence, loops in channel.played]
        check_continuous(entries)
        return trace_of(entries)

    def _train(self, channel: Channel) -> Trace:
        """Standard pulses as segments: rest, rise, top, fall; the width is that at half height."""
        if channel.train_times is None:
            raise RefusedError("No pulse times")
        base, top = channel.train
        if max(abs(base), abs(top)) > channel.source_range:
            raise RefusedError("Voltage beyond the source range")
        period, width, rise, fall = channel.train_times
        flat = width - (rise + fall) // 2
        times = np.array([rise, flat, fall, period - rise - flat - fall], np.int64)
        window = np.zeros((4, 2), np.int64)
        window[1] = (0, flat)
        measured = np.array([False, self._measure in (1, 3), False, False])
        start, stop = np.array([base, top, top, base]), np.array([top, top, base, base])
        one = Segments(times, start, stop, measured, window)
        return trace_of([(one, self._burst)])

    def _idle(self) -> None:
        if self.busy:
            raise RefusedError("A test is running")
