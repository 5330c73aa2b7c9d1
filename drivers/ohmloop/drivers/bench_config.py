"""The records of a bench file: what may stand there, in which units and ranges.

Ranges are what an instrument of any kind could mean; a chip's own are its ``limits``.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from .units import Amperes, Seconds, Volts, within
from .validation import Record

_UNSET: Any = None
"""Default of a key that is as on the bench; never validated, so an explicit null is refused."""

Amplitude = Annotated[Volts, within("V", -1000.0, 1000.0)]
"""A signed pulse or read voltage, V."""
Size = Annotated[Volts, within("V", 1e-9, 1000.0)]
"""A limit of a voltage, V."""
Width = Annotated[Seconds, within("s", 1e-12, 1000.0)]
"""Of a pulse, s."""
Wait = Annotated[Seconds, within("s", 0.0, 3600.0)]
"""A rest or a settling, s."""
Current = Annotated[Amperes, within("A", 1e-15, 100.0)]
"""A limit of a current, A."""
Share = Annotated[float, Field(gt=0, le=1)]
"""Of time."""
Cycles = Annotated[float, Field(ge=0.001, le=25)]
"""Power-line cycles."""
Pulses = Annotated[int, Field(gt=0, le=2**62)]
"""A number of pulses."""
Lines = Annotated[int, Field(gt=0, le=1 << 16)]
"""Rows or columns."""


def _plain(text: str) -> str:
    """Names become parts of file names, of messages and of ``bench.yaml#NAME``."""
    if not text or not all(c.isalnum() or c in " _-." for c in text) or text != text.strip(" ."):
        raise ValueError(f"{text!r} is no name: use letters, digits, space, '_', '-' and '.'")
    return text


def _printable(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError(f"{text!r} is empty, or holds what cannot be printed")
    return text


Name = Annotated[str, AfterValidator(_plain)]
"""Of an instrument or a crossbar."""
Text = Annotated[str, AfterValidator(_printable)]
"""A resource or a file's name."""


class InstrumentConfig(Record):
    """One instrument: which driver, where it answers, its options."""

    driver: str
    resource: Text
    options: dict[str, Any] = Field(default_factory=dict)


class PulseConfig(Record):
    """One pulse: signed amplitude (V) and width (s)."""

    amplitude: Amplitude
    width: Width


class PulsesConfig(Record):
    """The up and the down pulse, and the rest (s) at 0 V after each."""

    up: PulseConfig
    down: PulseConfig
    rest: Wait


class ReadConfig(Record):
    """Read voltage (V), settling after the lines are selected (s), integration time."""

    voltage: Amplitude
    settle: Wait = 0.0
    nplc: Cycles = 0.1


class LimitsConfig(Record):
    """What the chip may be given; see ``Limits``."""

    voltage: Size
    width: Width
    read_voltage: Size
    current: Current
    duty_cycle: Share = 1.0
    pulses_per_program: Pulses | None = None
    pulses_per_cell: Pulses | None = None


class OwnPulse(Record):
    """What one crossbar's pulse has of its own."""

    amplitude: Amplitude = _UNSET
    width: Width = _UNSET


class OwnPulses(Record):
    """What one crossbar's pulses have of their own."""

    up: OwnPulse = OwnPulse()
    down: OwnPulse = OwnPulse()
    rest: Wait = _UNSET


class OwnRead(Record):
    """What one crossbar's read has of its own."""

    voltage: Amplitude = _UNSET
    settle: Wait = _UNSET
    nplc: Cycles = _UNSET


class OwnLimits(Record):
    """What one crossbar's limits have of their own; ``null`` lifts a limit on pulse counts."""

    voltage: Size = _UNSET
    width: Width = _UNSET
    read_voltage: Size = _UNSET
    current: Current = _UNSET
    duty_cycle: Share = _UNSET
    pulses_per_program: Pulses | None = None
    pulses_per_cell: Pulses | None = None


class CrossbarConfig(Record):
    """One crossbar: how it is made (``kind``), its shape, its wiring, its calibration.

    ``pulses``, ``read`` and ``limits`` say, key by key, what it has of its own: two chips on one
    bench rarely take the same pulse. Everything else is as on the bench.
    """

    kind: str
    shape: tuple[Lines, Lines]
    wiring: dict[str, Any]
    calibration: Text | None = None
    pulses: OwnPulses = OwnPulses()
    read: OwnRead = OwnRead()
    limits: OwnLimits = OwnLimits()


class VisaConfig(Record):
    """PyVISA: which backend (``@py`` is the pure-Python one), and the time to wait for a reply."""

    backend: str = "@py"
    timeout: Annotated[Seconds, within("s", 1e-3, 3600.0)] = 5.0


class BenchConfig(Record):
    """A whole bench file. ``emulation`` is read by the emulators only."""

    name: Name
    instruments: dict[Name, InstrumentConfig]
    crossbars: Annotated[dict[Name, CrossbarConfig], Field(min_length=1)]
    pulses: PulsesConfig
    read: ReadConfig
    limits: LimitsConfig
    visa: VisaConfig = VisaConfig()
    emulation: dict[str, Any] | None = None

    def pulses_of(self, crossbar: str) -> PulsesConfig:
        """The pulses of one crossbar."""
        own = self.crossbars[crossbar].pulses.model_dump(exclude_unset=True)
        for name in ("up", "down"):
            own[name] = getattr(self.pulses, name).model_copy(update=own.get(name, {}))
        return self.pulses.model_copy(update=own)

    def read_of(self, crossbar: str) -> ReadConfig:
        """The read of one crossbar."""
        own = self.crossbars[crossbar].read.model_dump(exclude_unset=True)
        return self.read.model_copy(update=own)

    def limits_of(self, crossbar: str) -> LimitsConfig:
        """The limits of one crossbar."""
        own = self.crossbars[crossbar].limits.model_dump(exclude_unset=True)
        return self.limits.model_copy(update=own)
