"""The wiring of a crossbar of kind ``scpi``, checked before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.errors import ConfigError
from ohmloop.drivers.routed import Route
from ohmloop.drivers.validation import Record, validate
from ohmloop.drivers.wiring import expand_channels

from .keysight_33600a import Keysight33600A, Keysight33600AOptions, generator_refusal
from .keysight_b2200 import KeysightB2200
from .keysight_b2900 import KeysightB2900


class ScpiWiring(Record):
    """The ``wiring`` of a crossbar of kind ``scpi``.

    Attributes:
        source: name of the SMU, whose HI is wired to the rows' input port, LO to the columns'.
        matrix: name of the switch matrix.
        rows: channels that connect the chip's rows to the SMU's HI, in order.
        columns: channels that connect the chip's columns to LO and to the generator's ground.
        generator: name of the generator that plays the pulses; left out, the SMU does.
        generator_input: input port that the generator's output is wired to.
    """

    source: str
    matrix: str
    rows: list[str]
    columns: list[str]
    generator: str | None = None
    generator_input: Annotated[int, Field(ge=1, le=14)] | None = None

    @field_validator("rows", "columns", mode="before")
    @classmethod
    def _expand(cls, value: object, info: ValidationInfo) -> list[str]:
        if not isinstance(value, str):
            raise ValueError(f"write {info.field_name} as channels, such as '10101..10112'")
        return expand_channels(value)

    @property
    def meter_route(self) -> Route:
        """Channels that connect the SMU."""
        return Route(self.rows, self.columns)

    @property
    def pulser_route(self) -> Route:
        """Channels that connect what plays the pulses."""
        if self.generator_input is None:
            return self.meter_route
        port = f"{self.generator_input:02d}"
        return Route([c[0] + port + c[3:] for c in self.rows], self.columns)

    @property
    def channels(self) -> list[str]:
        """Every channel that is ever closed."""
        return [*self.rows, *self.pulser_route.rows, *self.columns]


def wiring_of(bench: Bench, name: str) -> ScpiWiring:
    """The wiring of crossbar ``name``.

    Raises:
        ConfigError: names the key.
    """
    config = bench.config.crossbars[name]
    return validate(ScpiWiring, config.wiring, bench.path, f"crossbars.{name}.wiring")


def check_wiring(bench: Bench, name: str) -> None:
    """Refuse wiring that cannot be; sends nothing.

    Raises:
        ConfigError: names the key.
    """
    wiring = wiring_of(bench, name)
    key = f"crossbars.{name}.wiring"
    bench.require_lines(name, rows=wiring.rows, columns=wiring.columns)
    _check_outputs(bench, key, wiring)
    _check_ports(bench, key, wiring)
    bench.require(f"{key}.source", wiring.source, KeysightB2900)
    bench.require(f"{key}.matrix", wiring.matrix, KeysightB2200)
    if wiring.generator is not None:
        bench.require(f"{key}.generator", wiring.generator, Keysight33600A)
    _check_alone(bench, name, key)
    _check_pulses(bench, wiring)


def _check_outputs(bench: Bench, key: str, wiring: ScpiWiring) -> None:
    outputs = Counter((c[0], c[3:]) for c in [*wiring.rows, *wiring.columns])
    (card, output), uses = outputs.most_common(1)[0]
    if uses > 1:
        problem = f"output {output} of card {card} is wired to two lines of the chip"
        raise ConfigError(bench.path, key, problem)


def _check_ports(bench: Bench, key: str, wiring: ScpiWiring) -> None:
    if (wiring.generator is None) != (wiring.generator_input is None):
        missing = "generator" if wiring.generator is None else "generator_input"
        raise ConfigError(bench.path, f"{key}.{missing}", "is missing: they come together")
    ports = {"rows": _ports(wiring.rows), "columns": _ports(wiring.columns)}
    for line, used in ports.items():
        if len(used) > 1:
            problem = f"uses input ports {' and '.join(sorted(used))}; a source has one for {line}"
            raise ConfigError(bench.path, f"{key}.{line}", problem)
    if ports["rows"] & ports["columns"]:
        problem = f"rows and columns share input port {ports['rows'].pop()}: that shorts the cell"
        raise ConfigError(bench.path, key, problem)
    if wiring.generator_input and f"{wiring.generator_input:02d}" in set.union(*ports.values()):
        problem = f"input port {wiring.generator_input:02d} is the SMU's"
        raise ConfigError(bench.path, f"{key}.generator_input", problem)


def _ports(channels: Sequence[str]) -> set[str]:
    return {channel[1:3] for channel in channels}


def _check_alone(bench: Bench, name: str, key: str) -> None:
    mine = bench.instruments_of(name)
    for other in bench.config.crossbars:
        shared = mine & bench.instruments_of(other) if other != name else set()
        if shared:
            problem = f"shares {min(shared)!r} with crossbar {other!r}, which this kind cannot"
            raise ConfigError(bench.path, key, problem)


def _check_pulses(bench: Bench, wiring: ScpiWiring) -> None:
    if wiring.generator is None:
        problem = KeysightB2900.refusal(bench.conditions)
    else:
        given = bench.config.instruments[wiring.generator].options
        key = f"instruments.{wiring.generator}.options"
        options = validate(Keysight33600AOptions, given, bench.path, key)
        problem = generator_refusal(bench.conditions, options, bench.limits)
    if problem:
        raise ConfigError(bench.path, "pulses", problem)
