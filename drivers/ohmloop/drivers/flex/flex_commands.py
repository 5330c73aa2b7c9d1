"""FLEX commands as text: dense as the language is, each checked and in SI units.

A builder raises ValueError for what the instrument would refuse, so that nothing is sent. Numbers
go out with all their digits.

Facts: B1500A Programming Guide (B1500-90010, edition 11): section 1, "Command Input Format";
section 2, "SPGU Module" and "Pulsed Spot Measurements"; section 4, AIT, SER, SPRM and others;
E5260/E5270 Programming Guide, PT (the same module family); parameter lists as in QCoDeS's and
PyMeasure's drivers of the B1500.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import ParamSpec, cast

LONGEST_LINE = 250
"""Characters a line may have here; the instrument's input buffer holds 256."""

VARIABLES = 99
_REMEMBERED = 2048  # texts of each kind
HIGHEST = 40.0
"""Largest voltage here, V; above 42 V the interlock has to be closed."""
SMU_TRAIN = 1001
"""Most steps of a sweep."""
SPGU_TRAIN = 1_000_000
"""Most pulses in count mode."""
SPGU_OHM = 50.0
"""Of the SPGU's output."""

VOLTAGE_RANGES: Sequence[tuple[float, int]] = ((0.5, 5), (2, 20), (5, 50), (20, 200), (40, 400))
"""Full scale in V and its code, HRSMU and MPSMU."""
CURRENT_RANGES: Sequence[tuple[float, int]] = tuple(
    (10.0 ** (code - 20), code) for code in range(11, 20)
)
"""Full scale in A and its code: 11 is 1 nA, 19 is 100 mA."""


P = ParamSpec("P")


def remembered(build: Callable[P, str]) -> Callable[P, str]:
    """Built once: the same cells are asked the same again and again.

    What differs in type differs as text: ``1`` and ``1.0``.
    """
    made = lru_cache(maxsize=_REMEMBERED, typed=True)(build)
    return cast("Callable[P, str]", made)


def number(value: float) -> str:
    """A number as text that reads back exactly.

    >>> number(1e-7), number(2), number(0.15), number(-0.0)
    ('1E-07', '2', '0.15', '0.0')
    """
    return repr(value) if isinstance(value, int) else repr(float(value) + 0.0).upper()


@remembered
def command(header: str, *values: float) -> str:
    """One command."""
    return f"{header} {','.join(map(number, values))}" if values else header


def line(*commands: str) -> str:
    """Several commands in one line.

    Raises:
        ValueError: longer than the instrument's input buffer.
    """
    text = ";".join(commands)
    if len(text) > LONGEST_LINE:
        raise ValueError(f"a line of {len(text)} characters; at most {LONGEST_LINE}")
    return text


def voltage_range(volts: float) -> int:
    """Code of the smallest range that covers a magnitude, V.

    Raises:
        ValueError: beyond 40 V, where the interlock would have to be closed.
    """
    for full, code in VOLTAGE_RANGES:
        if abs(volts) <= full:
            return code
    raise ValueError(f"{volts:g} V is beyond 40 V")


def current_range(amperes: float) -> int:
    """Code of the smallest range that covers a magnitude, A.

    Raises:
        ValueError: beyond 100 mA.
    """
    for full, code in CURRENT_RANGES:
        if abs(amperes) <= full * (1 + 1e-9):
            return code
    raise ValueError(f"{amperes:g} A is beyond 100 mA")


def set_variable(which: int, value: int) -> str:
    """``VAR``: integer variable ``%I1`` to ``%I99`` of the program memory."""
    _between("variable", which, 1, VARIABLES)
    _between("value of a variable", value, 0, 32767)
    return f"VAR 0,{which},{value}"


def ask_variable(which: int) -> str:
    """``VAR?``."""
    return f"VAR? 0,{which}"


@remembered
def force_voltage(channel: int, code: int, volts: float, compliance: float) -> str:
    """``DV``: V, and the current limit in A."""
    _between("voltage", abs(volts), 0, HIGHEST)
    _between("compliance", compliance, 1e-12, 0.1)
    return command("DV", channel, code, float(volts), float(compliance))


@remembered
def measure_current(channel: int, code: int = 0) -> str:
    """``TI``: high-speed spot measurement; 0 ranges by itself, a negative code is a fixed range."""
    return command("TI", channel, code)


@remembered
def pause(seconds: float) -> str:
    """``PA``: 100 us resolution, rounded up."""
    _between("pause", seconds, 0, 99.9999)
    return command("PA", -(-round(seconds * 1e9) // 100_000) / 1e4)


def averaging(nplc: float) -> str:
    """``AIT`` of the high-speed converter: power-line cycles, or a share of one's 128 samples."""
    if nplc >= 1:
        return command("AIT", 0, 2, min(100, round(nplc)))
    return command("AIT", 0, 1, max(1, round(128 * nplc)))


@remembered
def smu_timing(width: float, period: float) -> str:
    """``PT``: no hold; width and period, s, in steps of 0.1 ms."""
    if problem := smu_refusal(width, period):
        raise ValueError(problem)
    return command("PT", 0, float(width), float(period))


def smu_refusal(width: float, period: float) -> str:
    """Why an SMU cannot play such pulses; empty where it can."""
    least = width + (2e-3 if width <= 0.1 else 10e-3)
    if not (_on_grid(width, 1e-4) and _on_grid(period, 1e-4)):
        return f"an SMU times pulses in steps of 0.1 ms, not {width:g} s and {period:g} s"
    if not 0.5e-3 <= width <= 2:
        return f"an SMU pulses for 0.5 ms to 2 s, not {width:g} s"
    if period < least - 1e-9 or not 5e-3 <= period <= 5:
        return (
            f"an SMU's pulses of {width:g} s come every {max(least, 5e-3):g} to 5 s, not every"
            f" {period:g} s: change pulses.rest"
        )
    return ""


@remembered
def smu_train(channel: int, code: int, volts: float, count: int, compliance: float) -> str:
    """``PWV``: a pulsed sweep from ``volts`` to ``volts``: ``count`` equal pulses from 0 V."""
    _between("voltage", abs(volts), 0, HIGHEST)
    _between("pulses in a train", count, 1, SMU_TRAIN)
    _between("compliance", compliance, 1e-12, 0.1)
    return command("PWV", channel, 1, code, 0, volts, volts, count, compliance)


@remembered
def spgu_timing(channel: int, width: float, edge: float) -> str:
    """``SPT`` of pulse source 1: no delay; width and both edges, s."""
    _between("width", width, 10e-9, 10)
    _between("edge", edge, 8e-9, 0.4)
    return command("SPT", channel, 1, 0, float(width), float(edge), float(edge))


@remembered
def spgu_voltage(channel: int, volts: float) -> str:
    """``SPV`` of pulse source 1: base 0 V, peak, V."""
    _between("voltage", abs(volts), 0, HIGHEST)
    return command("SPV", channel, 1, 0, float(volts))


@remembered
def spgu_period(seconds: float) -> str:
    """``SPPER``, s."""
    _between("period", seconds, 20e-9, 10)
    return command("SPPER", float(seconds))


@remembered
def spgu_count(pulses: int) -> str:
    """``SPRM 1``: so many pulses, then stop."""
    _between("pulses in a train", pulses, 1, SPGU_TRAIN)
    return command("SPRM", 1, pulses)


def spgu_load(channel: int, ohm: float) -> str:
    """``SER``: what hangs on the channel; at 50 ohm, as at power-on, an open end gets twice."""
    _between("load", ohm, 0.1, 1e6)
    return command("SER", channel, float(ohm))


def spgu_refusal(
    volts: float, width: float, period: float, edge: float, load: float, largest: float
) -> str:
    """Why an SPGU cannot play such pulses; empty where it can.

    Args:
        volts: amplitude at the load, V.
        width: s.
        period: s.
        edge: rise and fall, s.
        load: what the SPGU is told of its load, ohm.
        largest: voltage that an open end may get, V.
    """
    open_end = round(abs(volts) * (1 + SPGU_OHM / load), 3)
    if open_end > largest:
        return (
            f"{volts:g} V into a load of {load:g} ohm is {open_end:g} V where nothing draws"
            f" current, beyond limits.voltage, {largest:g} V: raise options.load"
        )
    if not (_on_grid(width, 1e-8) and _on_grid(period, 1e-8)):
        return f"an SPGU times pulses in steps of 10 ns, not {width:g} s and {period:g} s"
    if not _on_grid(volts, 1e-3) or abs(volts) > HIGHEST:
        return f"an SPGU makes up to 40 V in steps of 1 mV, not {volts:g} V"
    if not width >= 10e-9 or not 20e-9 <= period <= 10:
        return f"an SPGU pulses for 10 ns or more, every 20 ns to 10 s, not {width:g}, {period:g} s"
    if width + 2 * edge > period:
        return (
            f"an SPGU's pulse of {width:g} s with its edges does not fit into {period:g} s:"
            " lengthen pulses.rest"
        )
    return ""


def _on_grid(value: float, step: float) -> bool:
    steps = value / step
    return abs(steps - round(steps)) < 1e-6 * max(1.0, abs(steps))


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} {value:g} is not between {low:g} and {high:g}")
