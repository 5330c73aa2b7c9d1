"""The bench file: instruments, wiring, limits, and the crossbars they make."""

from __future__ import annotations

from collections.abc import Callable, Sized
from copy import copy
from pathlib import Path
from typing import Any

from .bench_config import BenchConfig, LimitsConfig, PulsesConfig, ReadConfig
from .conditions import PulseConditions, PulseShape, ReadCondition
from .errors import ConfigError, LimitError
from .limits import Limits
from .links.transport import Tap
from .registry import crossbar_kind, instrument_driver
from .validation import load_yaml, validate

NO_OWN = "has pulses, read or limits of its own, which this kind of crossbar does not go by"
"""Said by what knows only of the bench's."""


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
        self._crossbar: str | None = None
        for name, instrument in config.instruments.items():
            key = f"instruments.{name}"
            driver = instrument_driver(instrument.driver, path, f"{key}.driver")
            validate(driver.Options, instrument.options, path, f"{key}.options")
        for name, crossbar in config.crossbars.items():
            kind = crossbar_kind(crossbar.kind, path, f"crossbars.{name}.kind")
            kind.check(self.of(name), name)
        self._check_limits()

    def of(self, crossbar: str) -> Bench:
        """The bench as one crossbar has it: its own pulses, read and limits are the bench's.

        A kind of crossbar is handed this one, so that no kind need know that others differ.
        """
        mine = copy(self)
        mine._crossbar = crossbar
        return mine

    @property
    def conditions(self) -> PulseConditions:
        """The up and down pulses of all crossbars.

        Raises:
            ConfigError: a crossbar has its own: ``of`` or ``conditions_of`` is to be asked. So what
                does not know of them refuses such a bench, instead of giving a chip another's
                pulses.
        """
        return _conditions(self.config.pulses_of(self._common()))

    @property
    def reading(self) -> ReadCondition:
        """The read of all crossbars; as ``conditions``."""
        return _reading(self.config.read_of(self._common()))

    @property
    def limits(self) -> Limits:
        """The limits of all crossbars; as ``conditions``."""
        return _limits(self.config.limits_of(self._common()))

    def has_own(self, crossbar: str) -> bool:
        """Whether a crossbar has pulses, a read or limits other than the bench's."""
        c = self.config
        own = (c.pulses_of(crossbar), c.read_of(crossbar), c.limits_of(crossbar))
        return own != (c.pulses, c.read, c.limits)

    def conditions_of(self, crossbar: str) -> PulseConditions:
        """The up and down pulses of one crossbar."""
        return _conditions(self.config.pulses_of(crossbar))

    def reading_of(self, crossbar: str) -> ReadCondition:
        """The read of one crossbar."""
        return _reading(self.config.read_of(crossbar))

    def limits_of(self, crossbar: str) -> Limits:
        """The limits of one crossbar's chip."""
        return _limits(self.config.limits_of(crossbar))

    @property
    def crossbar_names(self) -> list[str]:
        """All crossbars, in the file's order."""
        return list(self.config.crossbars)

    def tap(self, instrument: str) -> Tap | None:
        """What sees the bytes of an instrument's link, if anybody does."""
        return self.recorder(instrument) if self.recorder else None

    def instruments_of(self, crossbar: str) -> set[str]:
        """The instruments that a crossbar's wiring names."""
        wiring = self.config.crossbars[crossbar].wiring
        named = {value for value in wiring.values() if isinstance(value, str)}
        return named & set(self.config.instruments)

    def require(self, key: str, name: str, wanted: type[Any]) -> None:
        """Make sure that the instrument that a wiring names is there, and is one of ``wanted``.

        Raises:
            ConfigError: at ``key``, says what is there instead.
        """
        known = self.config.instruments
        if name not in known:
            problem = f"no instrument {name!r}; known are {', '.join(known)}"
            raise ConfigError(self.path, key, problem)
        driver = instrument_driver(known[name].driver, self.path, key)
        if not issubclass(driver, wanted):
            problem = f"{name!r} is a {known[name].driver}, which cannot be it"
            raise ConfigError(self.path, key, problem)

    def require_lines(self, name: str, **lines: Sized) -> None:
        """Make sure that the wiring of crossbar ``name`` has as many lines as its shape.

        Args:
            name: the crossbar.
            lines: what is wired, by its key in the wiring: ``rows``, ``columns``, and any other
                that stands for one of the two, such as ``pulse_rows``.

        Raises:
            ConfigError: says how many there are, and how many there should be.
        """
        rows, columns = self.config.crossbars[name].shape
        for line, wired in lines.items():
            count = columns if line.endswith("columns") else rows
            if len(wired) != count:
                problem = f"wires {len(wired)} {line}, but the shape asks for {count}"
                raise ConfigError(self.path, f"crossbars.{name}.wiring.{line}", problem)

    def crossbar_name(self, wanted: str = "") -> str:
        """The crossbar called ``wanted``, or the only one.

        Raises:
            ConfigError: no such crossbar, or several to choose from.
        """
        names = self.crossbar_names
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
        if self.config.limits_of(crossbar).pulses_per_cell is None:
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
        c = self.config
        _check_within_limits(self.path, "", c.pulses, c.read, c.limits)
        for name in c.crossbars:
            if self.has_own(name):
                own = (c.pulses_of(name), c.read_of(name), c.limits_of(name))
                _check_within_limits(self.path, f"crossbars.{name}.", *own)

    def _common(self) -> str:
        """The crossbar that this bench is seen from, or one that is like all others."""
        if self._crossbar is not None:
            return self._crossbar
        for name in self.config.crossbars:
            if self.has_own(name):
                raise ConfigError(self.path, f"crossbars.{name}", NO_OWN)
        return next(iter(self.config.crossbars))


def _check_within_limits(
    path: Path, prefix: str, pulses: PulsesConfig, read: ReadConfig, limits: LimitsConfig
) -> None:
    for name in ("up", "down"):
        if getattr(pulses, name).amplitude == 0:
            key = f"{prefix}pulses.{name}.amplitude"
            raise ConfigError(path, key, "a pulse of 0 V does nothing")
    if read.voltage == 0:
        raise ConfigError(path, f"{prefix}read.voltage", "nothing can be read at 0 V")
    try:
        _limits(limits).check_conditions(_conditions(pulses))
    except LimitError as error:
        raise ConfigError(path, f"{prefix}pulses", str(error)) from None
    try:
        _limits(limits).check_read(read.voltage)
    except LimitError as error:
        raise ConfigError(path, f"{prefix}read.voltage", str(error)) from None


def _conditions(p: PulsesConfig) -> PulseConditions:
    up = PulseShape(p.up.amplitude, p.up.width)
    return PulseConditions(up, PulseShape(p.down.amplitude, p.down.width), p.rest)


def _reading(r: ReadConfig) -> ReadCondition:
    return ReadCondition(r.voltage, r.settle, r.nplc)


def _limits(limits: LimitsConfig) -> Limits:
    return Limits(**limits.model_dump(exclude_none=True))


def load_bench(path: str | Path) -> Bench:
    """Read and check a bench file.

    Raises:
        ConfigError: names file and key, and says what is allowed.
    """
    path = Path(path)
    return Bench(path, validate(BenchConfig, load_yaml(path), path))
