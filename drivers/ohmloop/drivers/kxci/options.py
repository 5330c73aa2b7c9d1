"""Options of a 4200A-SCS in the bench file, held against what its cards have."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from ohmloop.drivers.units import Amperes, Seconds, to_si
from ohmloop.drivers.validation import Record

from . import commands


def _ohms(value: object) -> float:
    return to_si(value, unit="ohm")


class Keithley4200AOptions(Record):
    """Options in the bench file.

    Attributes:
        current_range: measuring range of reads and products, A.
        pulse_current_range: range while pulsing, A; the amplifier holds back larger currents. Left
            out: the largest within ``limits.current``.
        source_range: voltage range, V: 10 or 40.
        watch_current: fetch what the rows measured during pulses, to count runs beyond the range.
        edge: rise and fall time, s; a multiple of 10 ns.
        load: what the pulsers reckon with, ohm.
        line_frequency: what a power-line cycle of ``read.nplc`` is, Hz.
        start: longest time from ``:PMU:EXECUTE`` until the instrument says that it runs, s; only
            after it is an execution believed not to have been played.
        commands_per_message: most commands sent before their replies are read; 1 waits for each.
    """

    current_range: Amperes = 1e-4
    pulse_current_range: Amperes | None = None
    watch_current: bool = True
    source_range: Annotated[float, Field(ge=10, le=40)] = 10.0
    edge: Seconds = 100e-9
    load: Annotated[float, BeforeValidator(_ohms), Field(ge=1, le=1e7)] = 1e6
    line_frequency: Annotated[float, Field(ge=50, le=60)] = 50.0
    start: Annotated[Seconds, Field(gt=0)] = 1.0
    commands_per_message: Annotated[int, Field(ge=1, le=256)] = 64

    @field_validator("current_range", "pulse_current_range")
    @classmethod
    def _known_range(cls, value: float | None) -> float | None:
        if value is not None and value not in commands.CURRENT_RANGES:
            raise ValueError("the 4225-RPM has 100 nA, 1 uA, 10 uA, 100 uA, 1 mA and 10 mA")
        return value

    @field_validator("source_range")
    @classmethod
    def _known_source(cls, value: float) -> float:
        if value not in commands.SOURCE_RANGES:
            raise ValueError("the 4225-PMU has the ranges 10 and 40 (V)")
        return value

    @field_validator("edge")
    @classmethod
    def _known_edge(cls, value: float) -> float:
        whole_nanoseconds(value)
        return value


def whole_nanoseconds(value: float) -> int:
    """A time in ns on the instrument's grid of 10 ns.

    Raises:
        ValueError: off the grid, or under 20 ns.
    """
    ns = round(value * 1e9)
    if ns < commands.SHORTEST or ns % commands.RESOLUTION or float(f"{ns}E-9") != value:
        raise ValueError(f"{value:g} s is no time for a segment: 20 ns or more, in steps of 10 ns")
    return ns
