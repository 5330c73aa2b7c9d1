"""KXCI commands, one function a command, each checked before it is made.

Commands and their arguments: 4200A-SCS KXCI manual 4200A-KXCI-907-01 Rev. D, section 7 (PMU) and
section 4 (SMU user mode), and the KXCI examples that the manufacturer publishes
(``tektronix/keithley``, ``Model_4200A/KXCI_Examples``). Times go out as whole nanoseconds with an
exponent, voltages with all their digits: nothing is rounded on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

from ohmloop.drivers.errors import ProgramError

IDENTIFY = "*IDN?"
OPTIONS = "*OPT?"
RESET = "*RST"
CLEAR_BUFFER = "BC"
LAST_ERROR = ":ERROR:LAST:GET"
CLEAR_ERROR = ":ERROR:LAST:CLEAR"
EXECUTE = ":PMU:EXECUTE"
STATUS = ":PMU:TEST:STATUS?"
ABORT = ":PMU:ABORT"
USER_MODE = "US"

CARDS = 6
"""Pulse cards in one mainframe."""
CURRENT_RANGES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""Of a 4225-RPM in the 10 V range, A."""
SOURCE_RANGES = (10.0, 40.0)
"""Of a 4225-PMU, V."""
RESOLUTION = 10
"""Of segment times, ns."""
SHORTEST = 20
"""Shortest segment, ns."""
MOST_VALUES = 128
"""In one array command."""
MOST_SEGMENTS = 2048
"""Of all sequences of a channel."""
MOST_POINTS = 2048
"""In one answer to ``:PMU:DATA:GET``."""


class Mode(IntEnum):
    """What ``:PMU:INIT`` puts the pulse cards into."""

    PULSE = 0
    SEGMENTS = 1


class Measure(IntEnum):
    """What is measured in a segment, and the argument of ``:PMU:MEASURE:MODE``."""

    NOTHING = 0
    SPOT_MEAN = 1
    WAVEFORM = 2
    SPOT_MEAN_AVERAGED = 3
    WAVEFORM_AVERAGED = 4


def channel_name(channel: int) -> str:
    """``PMU2-1`` for channel 3.

    >>> channel_name(3)
    'PMU2-1'
    """
    _between("channel", channel, 1, 2 * CARDS)
    return f"PMU{(channel + 1) // 2}-{2 - channel % 2}"


def seconds(nanoseconds: int) -> str:
    """A time as text that reads back as the nearest double of the decimal number."""
    return f"{nanoseconds}E-9" if nanoseconds else "0"


def initialise(mode: Mode) -> str:
    """All channels to their defaults, buffers empty, sequences forgotten."""
    return f":PMU:INIT {int(mode)}"


def use_rpm(channel: int) -> str:
    """The remote amplifier of a channel connects its pulser."""
    return f":PMU:RPM:CONFIGURE {channel_name(channel)}, 0"


def measure_range(channel: int, largest: float) -> str:
    """A fixed current range.

    Raises:
        ProgramError: the amplifier has no such range.
    """
    if largest not in CURRENT_RANGES:
        raise ProgramError(f"no current range of {largest:g} A; there are {CURRENT_RANGES}")
    return f":PMU:MEASURE:RANGE {_channel(channel)}, 2, {largest!r}"


def measure_mode(mode: Measure) -> str:
    """Standard pulses: what is measured of each."""
    return f":PMU:MEASURE:MODE {int(mode)}"


def source_range(channel: int, largest: float) -> str:
    """The voltage range, V; voltages beyond it are refused by the instrument.

    Raises:
        ProgramError: no such range.
    """
    if largest not in SOURCE_RANGES:
        raise ProgramError(f"no source range of {largest:g} V; there are 10 and 40 V")
    return f":PMU:SOURCE:RANGE {_channel(channel)}, {largest:g}"


def load(channel: int, ohms: float) -> str:
    """The load that the pulser reckons with, ohm."""
    _between("load", ohms, 1.0, 1e7)
    return f":PMU:LOAD {_channel(channel)}, {ohms!r}"


def sequence_times(channel: int, sequence: int, nanoseconds: Sequence[int]) -> str:
    """Segment times of a sequence.

    Raises:
        ProgramError: a time off the grid of 10 ns, or shorter than 20 ns.
    """
    for time in nanoseconds:
        if time < SHORTEST or time % RESOLUTION:
            raise ProgramError(f"no segment can last {time} ns: 20 ns or more, in steps of 10 ns")
    return _array("TIME", channel, sequence, map(seconds, nanoseconds))


def start_voltages(channel: int, sequence: int, volts: Sequence[float]) -> str:
    """Voltages at which the segments start."""
    return _array("STARTV", channel, sequence, map(repr, map(float, volts)))


def stop_voltages(channel: int, sequence: int, volts: Sequence[float]) -> str:
    """Voltages at which the segments end."""
    return _array("STOPV", channel, sequence, map(repr, map(float, volts)))


def measure_types(channel: int, sequence: int, kinds: Sequence[Measure]) -> str:
    """What is measured in each segment."""
    return _array("MEAS:TYPE", channel, sequence, (str(int(kind)) for kind in kinds))


def measure_starts(channel: int, sequence: int, nanoseconds: Sequence[int]) -> str:
    """When in each segment measuring starts."""
    return _array("MEAS:START", channel, sequence, map(seconds, nanoseconds))


def measure_stops(channel: int, sequence: int, nanoseconds: Sequence[int]) -> str:
    """When in each segment measuring ends."""
    return _array("MEAS:STOP", channel, sequence, map(seconds, nanoseconds))


def sequence_list(channel: int, entries: Iterable[tuple[int, int]]) -> str:
    """Sequences in the order they are played, each with its number of loops."""
    flat = [str(number) for entry in entries for number in entry]
    return f":PMU:SARB:WFM:SEQ:LIST {_channel(channel)}, {', '.join(flat)}"


def output(channel: int, on: bool) -> str:
    """Output on with the next execution, or off at once."""
    return f":PMU:OUTPUT:STATE {_channel(channel)}, {int(on)}"


def data_count(channel: int) -> str:
    """How many points a channel's buffer holds."""
    return f":PMU:DATA:COUNT? {_channel(channel)}"


def data_get(channel: int, start: int, count: int) -> str:
    """Points of a channel's buffer: ``V,I,t,status;...``."""
    _between("count", count, 1, MOST_POINTS)
    return f":PMU:DATA:GET {_channel(channel)}, {start}, {count}"


def pulse_train(channel: int, base: float, amplitude: float) -> str:
    """Standard pulses: both levels, V."""
    return f":PMU:PULSE:TRAIN {_channel(channel)}, {base!r}, {amplitude!r}"


def pulse_times(channel: int, period: int, width: int, rise: int, fall: int) -> str:
    """Standard pulses: times in ns; the channels of a card share one period.

    Raises:
        ProgramError: the pulse does not fit its period.
    """
    if not 0 < rise + fall <= 2 * width or width + (rise + fall) // 2 > period:
        raise ProgramError(f"a pulse of {width} ns with these edges does not fit {period} ns")
    times = ", ".join(map(seconds, (period, width, rise, fall)))
    return f":PMU:PULSE:TIMES {_channel(channel)}, {times}"


def burst_count(pulses: int) -> str:
    """Standard pulses: how many."""
    _between("burst count", pulses, 1, 10_000)
    return f":PMU:PULSE:BURST:COUNT {pulses}"


def smu_voltage(smu: int, range_code: int, volts: float, compliance: float) -> str:
    """SMU user mode: source a voltage.

    Args:
        smu: channel.
        range_code: 0 automatic, 1 20 V, 2 200 V.
        volts: V.
        compliance: largest current, A.
    """
    return f"DV{smu}, {range_code}, {volts!r}, {compliance!r}"


def smu_off(smu: int) -> str:
    """SMU user mode: output off."""
    return f"DV{smu}"


def smu_current(smu: int) -> str:
    """SMU user mode: one current reading."""
    return f"TI{smu}"


def integration(speed: int) -> str:
    """SMU integration: 1 short, 2 medium, 3 long."""
    _between("integration", speed, 1, 3)
    return f"IT{speed}"


def _channel(channel: int) -> int:
    _between("channel", channel, 1, 2 * CARDS)
    return channel


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ProgramError(f"{name} {value!r} is not between {low:g} and {high:g}")


def _array(word: str, channel: int, sequence: int, values: Iterable[str]) -> str:
    texts = list(values)
    if not 3 <= len(texts) <= MOST_VALUES:
        raise ProgramError(f"a sequence has 3 to {MOST_VALUES} segments, not {len(texts)}")
    return f":PMU:SARB:SEQ:{word} {_channel(channel)}, {sequence}, {', '.join(texts)}"
