"""Names select implementations, loaded on demand: so no import points upward.

Third parties extend the tables by entry points: groups ``ohmloop.instruments``,
``ohmloop.crossbars`` and ``ohmloop.sources``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .errors import BadInputError, ConfigError

if TYPE_CHECKING:
    from .bench import Bench
    from .crossbar import Crossbar
    from .instrument import Instrument

INSTRUMENTS: Mapping[str, str] = {
    "keithley-2600b": "ohmloop.drivers.tsp.keithley2600b:Keithley2600B",
    "keithley-707b": "ohmloop.drivers.tsp.keithley707b:Keithley707B",
    "keithley-4200a": "ohmloop.drivers.kxci.keithley4200a:Keithley4200A",
    "keysight-33600a": "ohmloop.drivers.scpi.keysight_33600a:Keysight33600A",
    "keysight-b1500a": "ohmloop.drivers.flex.b1500a:B1500A",
    "keysight-b2200": "ohmloop.drivers.scpi.keysight_b2200:KeysightB2200",
    "keysight-b2900": "ohmloop.drivers.scpi.keysight_b2900:KeysightB2900",
    "pulse-board": "ohmloop.drivers.board:PulseBoard",
    "arc-two": "ohmloop.drivers.arc_two:ArcTwo",
}
"""Bench file ``driver`` -> instrument class."""

CROSSBARS: Mapping[str, str] = {
    "tsp": "ohmloop.drivers.tsp.tsp_crossbar:TspKind",
    "kxci": "ohmloop.drivers.kxci.kxci_crossbar:KxciKind",
    "flex": "ohmloop.drivers.flex.flex_crossbar:FlexKind",
    "pulse-board": "ohmloop.drivers.board:PulseBoardKind",
    "arc-two": "ohmloop.drivers.arc_two:ArcTwoKind",
    "scpi": "ohmloop.drivers.scpi.scpi_crossbar:ScpiKind",
}
"""Bench file ``kind`` -> ``CrossbarKind``."""

SOURCES: Mapping[str, str] = {
    ".yaml": "ohmloop.drivers.opening:open_bench_crossbar",
    ".yml": "ohmloop.drivers.opening:open_bench_crossbar",
    ".nc": "ohmloop.sim_backend.opening:open_chip_file",
    "sim:": "ohmloop.sim_backend.opening:open_sim",
}
"""Suffix or prefix of a crossbar's name -> function that opens it."""

BENCHES = (".yaml", ".yml")
"""How the name of a bench file ends."""

CHIP_FILE = "ohmloop.sim_backend.chip_file:load_characteristics"
"""What reads the calibration that a bench file points to."""


class CrossbarKind(Protocol):
    """A way to make a crossbar of instruments.

    A kind whose lines have names of their own in the bench file may say them by a static method
    ``lines(bench, name) -> (names of rows, names of columns)``, for messages.
    """

    @staticmethod
    def check(bench: Bench, name: str) -> None:
        """Raise ConfigError where the wiring cannot be; send nothing."""

    @staticmethod
    def open(bench: Bench, name: str, **options: Any) -> Crossbar:
        """Connect and return the crossbar."""


def load(target: str) -> Any:
    """Import ``module:name``."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def lookup(table: Mapping[str, str], group: str, name: str) -> Any:
    """Our own table first, then entry points of ``group``.

    Raises:
        KeyError: nobody offers ``name``.
    """
    if name in table:
        return load(table[name])
    for point in entry_points(group=f"ohmloop.{group}"):
        if point.name == name:
            return point.load()
    raise KeyError(name)


def instrument_driver(name: str, file: Path, key: str) -> type[Instrument]:
    """The instrument class for a bench file's ``driver``.

    Raises:
        ConfigError: no such driver.
    """
    driver: type[Instrument] = _named(INSTRUMENTS, "instruments", name, file, key)
    return driver


def crossbar_kind(name: str, file: Path, key: str) -> CrossbarKind:
    """What makes a crossbar of a bench file's ``kind``.

    Raises:
        ConfigError: no such kind.
    """
    kind: CrossbarKind = _named(CROSSBARS, "crossbars", name, file, key)
    return kind


def _named(table: Mapping[str, str], group: str, name: str, file: Path, key: str) -> Any:
    try:
        return lookup(table, group, name)
    except KeyError:
        known = [*table, *(p.name for p in entry_points(group=f"ohmloop.{group}"))]
        raise ConfigError(file, key, f"no {name!r}; known are {', '.join(known)}") from None


def open_crossbar(name: str, **options: Any) -> Crossbar:
    """Open a crossbar by name: a chip on a bench, or a twin; callers need not know which.

    Args:
        name: ``bench.yaml``, ``bench.yaml#left``, ``chip.nc``, or
            ``sim:soft-bounds?shape=64x64&seed=1``.
        options: ``calibration`` (a chip file that overrides the bench's), ``seed`` (of a twin's
            noise; a real chip has its own), ``record`` (file for a transcript; benches only),
            ``periphery`` (a mapping: what surrounds a twin's cells; a bench has its own).

    Raises:
        BadInputError: the name, or the file behind it, is wrong.
        InstrumentError: the bench does not answer as it should.
    """
    base = name.partition("#")[0]
    table = {**SOURCES, **{p.name: p.value for p in entry_points(group="ohmloop.sources")}}
    source = _source_of(base, table)
    for option, why in _NOT_FOR.items():
        if options.get(option) is None:
            options.pop(option, None)
        elif (source in BENCHES) == (option == "periphery"):  # not where it belongs
            raise BadInputError(f"{name!r} {why}")
    if source is None:
        raise BadInputError(
            f"{name!r} names no crossbar: give a bench file (.yaml), a calibration file (.nc),"
            " or sim:soft-bounds?shape=64x64"
        )
    crossbar: Crossbar = load(table[source])(name, **options)
    return crossbar


_NOT_FOR = {
    "record": "has no wires: only what a bench file opens can be recorded",
    "periphery": "is a bench, whose converters and wires are what they are: leave out periphery"
    " (an emulated chip's is emulation.periphery in the bench file)",
}
"""Options that are for benches only, and for twins only; and what is said where they do not fit."""


def _source_of(base: str, table: Mapping[str, str]) -> str | None:
    """The key of ``table`` that a name begins with or, where it begins with none, ends in."""
    begins = [key for key in table if not key.startswith(".") and base.startswith(key)]
    ends = [key for key in table if key.startswith(".") and base.endswith(key)]
    return next(iter([*begins, *ends]), None)
