"""The wiring of a crossbar of kind ``tsp``, checked before anything is sent."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationInfo, field_validator

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.conditions import PulseConditions
from ohmloop.drivers.errors import ConfigError
from ohmloop.drivers.registry import instrument_driver
from ohmloop.drivers.validation import Record, validate
from ohmloop.drivers.wiring import expand

from .keithley707b import Keithley707B
from .keithley2600b import Keithley2600B

SHORTEST_PULSE = 200e-6
"""Shortest pulse that a script times honestly, s."""


class TspWiring(Record):
    """The ``wiring`` of a crossbar of kind ``tsp``.

    Attributes:
        source: name of the SMU, whose HI is wired to the rows' matrix row, LO to the columns'.
        matrix: name of the switching matrix.
        rows: crosspoints that connect the chip's rows to HI, in order.
        columns: crosspoints that connect the chip's columns to LO.
    """

    source: str
    matrix: str
    rows: list[str]
    columns: list[str]

    @field_validator("rows", "columns", mode="before")
    @classmethod
    def _expand(cls, value: object, info: ValidationInfo) -> list[str]:
        if not isinstance(value, str):
            raise ValueError(f"write {info.field_name} as crosspoints, such as '1A01..1A12'")
        return expand(value)


def check_wiring(bench: Bench, name: str) -> None:
    """Refuse wiring that cannot be; sends nothing.

    Raises:
        ConfigError: names the key.
    """
    wiring = wiring_of(bench, name)
    shape = bench.config.crossbars[name].shape
    key = f"crossbars.{name}.wiring"
    for line, points, count in zip(
        ("rows", "columns"), (wiring.rows, wiring.columns), shape, strict=True
    ):
        if len(points) != count:
            problem = f"wires {len(points)} {line}, but the shape asks for {count}"
            raise ConfigError(bench.path, f"{key}.{line}", problem)
    shared = set(wiring.rows) & set(wiring.columns)
    if shared:
        problem = f"{min(shared)} is wired to a row and to a column: that shorts the cell"
        raise ConfigError(bench.path, key, problem)
    _check_instrument(bench, f"{key}.source", wiring.source, Keithley2600B)
    _check_instrument(bench, f"{key}.matrix", wiring.matrix, Keithley707B)
    _check_node(bench, wiring.matrix)
    _check_widths(bench, name)


def wiring_of(bench: Bench, name: str) -> TspWiring:
    """The wiring of crossbar ``name``.

    Raises:
        ConfigError: names the key.
    """
    config = bench.config.crossbars[name]
    return validate(TspWiring, config.wiring, bench.path, f"crossbars.{name}.wiring")


def _check_instrument(bench: Bench, key: str, name: str, wanted: type[Any]) -> None:
    known = bench.config.instruments
    if name not in known:
        raise ConfigError(bench.path, key, f"no instrument {name!r}; known are {', '.join(known)}")
    driver = instrument_driver(known[name].driver, bench.path, key)
    if not issubclass(driver, wanted):
        raise ConfigError(
            bench.path, key, f"{name!r} is a {known[name].driver}, which cannot be it"
        )


def _check_node(bench: Bench, matrix: str) -> None:
    if bench.config.instruments[matrix].options.get("tsp_link_node") is None:
        raise ConfigError(
            bench.path,
            f"instruments.{matrix}.options.tsp_link_node",
            "is missing: the SMU's script moves the relays over TSP-Link",
        )


def _check_widths(bench: Bench, name: str) -> None:
    conditions = bench.conditions_of(name)
    try:
        check_script_widths(conditions)
    except ConfigError as error:
        key = f"crossbars.{name}.pulses" if bench.has_own(name) else "pulses"
        raise ConfigError(bench.path, key, error.problem) from None


def check_script_widths(conditions: PulseConditions) -> None:
    """Refuse pulses that a script cannot time.

    Raises:
        ConfigError: shorter than ``SHORTEST_PULSE``.
    """
    shortest = min(conditions.up.width, conditions.down.width)
    if shortest < SHORTEST_PULSE:
        raise ConfigError(
            "pulses", "", f"a TSP script times no pulse shorter than 200 us, not {shortest:g} s"
        )
