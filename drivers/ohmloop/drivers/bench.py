"""The bench file: instruments, wiring, limits, and the crossbars they make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from .conditions import PulseConditions, PulseShape, ReadCondition
from .errors import ConfigError, LimitError
from .limits import Limits
from .links.transport import Tap
from .registry import crossbar_kind, instrument_driver
from .units import Amperes, Seconds, Volts
from .validation import Record, load_yaml, validate

Positive = Annotated[float, Field(gt=0)]


class InstrumentConfig(Record):
    """One instrument: which driver, where it answers, its options."""

    driver: str
    resource: str
    options: dict[str, Any] = Field(default_factory=dict)


class PulseConfig(Record):
    """One pulse: signed amplitude (V) and width (s)."""

    amplitude: Volts
    width: Annotated[Seconds, Field(gt=0)]


class PulsesConfig(Record):
    """The up and the down pulse, and the rest (s) at 0 V after each."""

    up: PulseConfig
    down: PulseConfig
    rest: Annotated[Seconds, Field(ge=0)]


class ReadConfig(Record):
    """Read voltage (V), settling after the lines are selected (s), integration time."""

    voltage: Volts
    settle: Annotated[Seconds, Field(ge=0)] = 0.0
    nplc: Annotated[float, Field(ge=0.001, le=25)] = 0.1


class LimitsConfig(Record):
    """What the chip may be given; see ``Limits``."""

    voltage: Annotated[Volts, Field(gt=0)]
    width: Annotated[Seconds, Field(gt=0)]
    read_voltage: Annotated[Volts, Field(gt=0)]
    current: Annotated[Amperes, Field(gt=0)]
    duty_cycle: Annotated[float, Field(gt=0, le=1)] = 1.0
    pulses_per_program: Annotated[int, Field(gt=0)] | None = None
    pulses_per_cell: Annotated[int, Field(gt=0)] | None = None


class CrossbarConfig(Record):
    """One crossbar: how it is made (``kind``), its shape, its wiring, its calibration."""

    kind: str
    shape: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    wiring: dict[str, Any]
    calibration: str | None = None


class VisaConfig(Record):
    """PyVISA: which backend (``@py`` is the pure-Python one), and the time to wait for a reply."""

    backend: str = "@py"
    timeout: Annotated[Seconds, Field(gt=0)] = 5.0


class BenchConfig(Record):
    """A whole bench file. ``emulation`` is read by the emulators only."""

    name: str
    instruments: dict[str, InstrumentConfig]
    crossbars: Annotated[dict[str, CrossbarConfig], Field(min_length=1)]
    pulses: PulsesConfig
    read: ReadConfig
    limits: LimitsConfig
    visa: VisaConfig = VisaConfig()
    emulation: dict[str, Any] | None = None


class Bench:
    """A checked bench file.

    Args:
        path: the file, for messages and for paths relative to it.
        config: its content.

    Attributes:
        recorder: makes a tap for each instrument's link, if what goes over it is to be recorded.

    Raises:
        ConfigError: names file and key.
    """

    def __init__(self, path: Path, config: BenchConfig) -> None:
        self.path, self.config = path, config
        self.recorder: Callable[[str], Tap] | None = None
        for name, instrument in config.instruments.items():
            key = f"instruments.{name}"
            driver = instrument_driver(instrument.driver, path, f"{key}.driver")
            validate(driver.Options, instrument.options, path, f"{key}.options")
        for name, crossbar in config.crossbars.items():
            kind = crossbar_kind(crossbar.kind, path, f"crossbars.{name}.kind")
            kind.check(self, name)
        self._check_limits()

    @property
    def conditions(self) -> PulseConditions:
        """The bench's up and down pulses."""
        p = self.config.pulses
        up = PulseShape(p.up.amplitude, p.up.width)
        return PulseConditions(up, PulseShape(p.down.amplitude, p.down.width), p.rest)

    @property
    def reading(self) -> ReadCondition:
        """The bench's read."""
        r = self.config.read
        return ReadCondition(r.voltage, r.settle, r.nplc)

    @property
    def limits(self) -> Limits:
        """The chip's limits."""
        known = self.config.limits.model_dump(exclude_none=True)
        return Limits(**known)

    def tap(self, instrument: str) -> Tap | None:
        """What sees the bytes of an instrument's link, if anybody does."""
        return self.recorder(instrument) if self.recorder else None

    def instruments_of(self, crossbar: str) -> set[str]:
        """The instruments that a crossbar's wiring names."""
        wiring = self.config.crossbars[crossbar].wiring
        named = {value for value in wiring.values() if isinstance(value, str)}
        return named & set(self.config.instruments)

    def crossbar_name(self, wanted: str = "") -> str:
        """The crossbar called ``wanted``, or the only one.

        Raises:
            ConfigError: no such crossbar, or several to choose from.
        """
        names = list(self.config.crossbars)
        if wanted in names:
            return wanted
        if not wanted and len(names) == 1:
            return names[0]
        what = f"no crossbar {wanted!r}" if wanted else "several crossbars"
        raise ConfigError(
            self.path, "crossbars", f"{what}; name one as {self.path}#NAME, NAME in {names}"
        )

    def ledger_path(self, crossbar: str) -> Path | None:
        """Where pulses a cell are counted for life, if the limits ask for it."""
        if self.config.limits.pulses_per_cell is None:
            return None
        return self.path.with_name(f"{self.path.stem}.{crossbar}.wear.npy")

    def with_resources(self, resources: dict[str, str]) -> Bench:
        """The same bench at other resources: ``{instrument name: resource}``."""
        data = self.config.model_copy(
            update={
                "instruments": {
                    name: i.model_copy(update={"resource": resources.get(name, i.resource)})
                    for name, i in self.config.instruments.items()
                }
            }
        )
        return Bench(self.path, data)

    def _check_limits(self) -> None:
        for name in ("up", "down"):
            if getattr(self.config.pulses, name).amplitude == 0:
                raise ConfigError(
                    self.path, f"pulses.{name}.amplitude", "a pulse of 0 V does nothing"
                )
        if self.config.read.voltage == 0:
            raise ConfigError(self.path, "read.voltage", "nothing can be read at 0 V")
        try:
            self.limits.check_conditions(self.conditions)
        except LimitError as error:
            raise ConfigError(self.path, "pulses", str(error)) from None
        try:
            self.limits.check_read(self.config.read.voltage)
        except LimitError as error:
            raise ConfigError(self.path, "read.voltage", str(error)) from None


def load_bench(path: str | Path) -> Bench:
    """Read and check a bench file.

    Raises:
        ConfigError: names file and key, and says what is allowed.
    """
    path = Path(path)
    return Bench(path, validate(BenchConfig, load_yaml(path), path))
