"""The wiring of a crossbar of kind ``kxci``, checked before anything is sent."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.conditions import PulseConditions
from ohmloop.drivers.errors import ConfigError, LimitError
from ohmloop.drivers.units import Volts, with_unit
from ohmloop.drivers.validation import Record, validate

from .commands import CARDS, CURRENT_RANGES, SHORTEST
from .keithley4200a import Keithley4200A
from .options import Keithley4200AOptions, whole_nanoseconds
from .waveform import Timing

_CHANNEL = re.compile(rf"PMU([1-{CARDS}])-([12])")


class KxciWiring(Record):
    """The ``wiring`` of a crossbar of kind ``kxci``.

    Attributes:
        analyser: name of the 4200A-SCS.
        rows: channel of every row, in order: 1 for ``PMU1-1``, 2 for ``PMU1-2``, 3 for ``PMU2-1``.
        columns: channel of every column.
        undisturbed: voltage that leaves a cell alone for sure, of either polarity, V: what cells
            on one firing line may see.
    """

    analyser: str
    rows: list[int]
    columns: list[int]
    undisturbed: Annotated[Volts, Field(gt=0)]

    @field_validator("rows", "columns", mode="before")
    @classmethod
    def _expand(cls, value: object, info: ValidationInfo) -> list[int]:
        if not isinstance(value, str):
            example = "'PMU1-1..PMU2-2, PMU3-1'"
            raise ValueError(f"write {info.field_name} as channels, such as {example}")
        return channels_of(value)


def channels_of(text: str) -> list[int]:
    """Channels of a list of channels and ranges: ``"PMU1-1..PMU2-2, PMU4-1"``.

    >>> channels_of("PMU1-1..PMU2-1, PMU4-1")
    [1, 2, 3, 7]

    Raises:
        ValueError: not a channel, a range that goes backward, or a repetition.
    """
    found: list[int] = []
    for item in re.split(r"[,\s]+", text.strip()):
        first, dots, last = item.partition("..")
        start = _channel(first)
        stop = _channel(last) if dots else start
        if stop < start:
            raise ValueError(f"{item} must run up")
        found += range(start, stop + 1)
    if len(set(found)) < len(found):
        raise ValueError("a channel is listed twice")
    return found


def _channel(text: str) -> int:
    match = _CHANNEL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no channel of a pulse card: PMU1-1, PMU1-2 to PMU{CARDS}-2")
    return 2 * int(match[1]) - 2 + int(match[2])


def wiring_of(bench: Bench, name: str) -> KxciWiring:
    """The wiring of crossbar ``name``.

    Raises:
        ConfigError: names the key.
    """
    config = bench.config.crossbars[name]
    return validate(KxciWiring, config.wiring, bench.path, f"crossbars.{name}.wiring")


def check_wiring(bench: Bench, name: str) -> None:
    """Refuse wiring and pulses that cannot be; sends nothing.

    Raises:
        ConfigError: names the key.
    """
    wiring = wiring_of(bench, name)
    key = f"crossbars.{name}.wiring"
    bench.require_lines(name, rows=wiring.rows, columns=wiring.columns)
    _check_shared(bench, name, wiring, key)
    options = _check_analyser(bench, wiring.analyser, f"{key}.analyser")
    try:
        check_pulses(bench.conditions, options, wiring.undisturbed)
        read_timing(bench, options)
    except LimitError as error:
        raise ConfigError(bench.path, "pulses", str(error)) from None
    key = f"instruments.{wiring.analyser}.options"
    pulse_range(bench, options, f"{key}.pulse_current_range")
    if options.current_range > bench.limits.current:
        problem = f"is beyond limits.current, {with_unit(bench.limits.current, 'A')}"
        raise ConfigError(bench.path, f"{key}.current_range", problem)


def pulse_range(bench: Bench, options: Keithley4200AOptions, key: str) -> float:
    """The current range while pulsing, A: never above ``limits.current``.

    Raises:
        ConfigError: the range asked for is above the limit, or none is within it.
    """
    limit = bench.limits.current
    within = [value for value in CURRENT_RANGES if value <= limit]
    asked = options.pulse_current_range or max(within, default=0.0)
    if asked not in within:
        problem = f"no current range within limits.current, {with_unit(limit, 'A')}"
        raise ConfigError(bench.path, key, problem)
    return asked


def check_pulses(
    conditions: PulseConditions, options: Keithley4200AOptions, undisturbed: float
) -> None:
    """Refuse pulses that the cards cannot make, or whose half would disturb cells.

    Raises:
        LimitError: says which.
    """
    pulse_timings(conditions, options)
    largest = max(abs(conditions.up.amplitude), abs(conditions.down.amplitude))
    if not largest / 2 <= undisturbed:
        raise LimitError(
            f"cells on one firing line would see half of {with_unit(largest, 'V')}, beyond"
            f" wiring.undisturbed, {with_unit(undisturbed, 'V')}"
        )
    if largest / 2 > options.source_range:
        raise LimitError(
            f"half of {with_unit(largest, 'V')} is beyond options.source_range,"
            f" {with_unit(options.source_range, 'V')}"
        )


def pulse_timings(
    conditions: PulseConditions, options: Keithley4200AOptions
) -> tuple[Timing, Timing]:
    """Slots of an up and of a down pulse.

    Raises:
        LimitError: times off the grid of 10 ns, or too short for the edges.
    """
    edge = whole_nanoseconds(options.edge)
    rest = _nanoseconds("pulses.rest", conditions.rest) - edge
    found = []
    for name, pulse in (("up", conditions.up), ("down", conditions.down)):
        top = _nanoseconds(f"pulses.{name}.width", pulse.width) - edge
        if min(top, rest) < SHORTEST:
            raise LimitError(
                f"a width of {with_unit(pulse.width, 's')} and a rest of"
                f" {with_unit(conditions.rest, 's')} must each be {SHORTEST} ns longer than"
                f" options.edge, {with_unit(options.edge, 's')}"
            )
        found.append(Timing(edge, 0, top, rest))
    return found[0], found[1]


def read_timing(bench: Bench, options: Keithley4200AOptions) -> Timing:
    """The slot of a read: settle for ``read.settle``, integrate over ``read.nplc``."""
    edge = whole_nanoseconds(options.edge)
    reading = bench.reading
    top = 10 * round(reading.nplc / options.line_frequency * 1e8)
    settle = max(10 * round(reading.settle * 1e8), SHORTEST)
    return Timing(edge, settle, max(top, SHORTEST), max(edge, SHORTEST))


def _nanoseconds(key: str, value: float) -> int:
    try:
        return whole_nanoseconds(value)
    except ValueError as error:
        raise LimitError(f"{key}: {error}") from None


def _check_shared(bench: Bench, name: str, wiring: KxciWiring, key: str) -> None:
    """No channel may drive two lines, of this crossbar or of two."""
    for other, config in bench.config.crossbars.items():
        theirs: set[int] = set(wiring.rows)
        if other != name:
            if config.kind != "kxci":
                continue
            second = wiring_of(bench, other)
            if second.analyser != wiring.analyser:
                continue
            theirs = {*second.rows, *second.columns}
        ours = wiring.columns if other == name else [*wiring.rows, *wiring.columns]
        twice = theirs & set(ours)
        if twice:
            channel = min(twice)
            shown = f"PMU{(channel + 1) // 2}-{2 - channel % 2}"
            whose = "a row and to a column" if other == name else f"crossbar {other!r} too"
            raise ConfigError(bench.path, key, f"{shown} is wired to {whose}")


def _check_analyser(bench: Bench, name: str, key: str) -> Keithley4200AOptions:
    bench.require(key, name, Keithley4200A)
    options = bench.config.instruments[name].options
    return validate(Keithley4200AOptions, options, bench.path, f"instruments.{name}.options")
