"""The wiring of a crossbar of kind ``tsp``, checked before anything is sent."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationInfo, field_validator

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.conditions import PulseConditions
from ohmloop.drivers.errors import ConfigError
from ohmloop.drivers.units import with_unit
from ohmloop.drivers.validation import Record, validate
from ohmloop.drivers.wiring import expand

from .keithley707b import Keithley707B, line_of
from .keithley2600b import Keithley2600B

SHORTEST_PULSE = 100e-6
"""Shortest pulse that trigger timers make with a measurement in it, s."""
SHORTEST_SCRIPTED = 200e-6
"""Shortest pulse that a script times honestly, s."""
SHORTEST_REST = 50e-6
"""Shortest time between two pulses of a sweep, s."""
LONGEST_TIMED = 50e-3
"""Longer pulses are left to the script, whose 0.1 ms do not matter then, s."""

Channel = Literal["a", "b"]


class TspWiring(Record):
    """The ``wiring`` of a crossbar of kind ``tsp``.

    Attributes:
        source: name of the SMU, whose HI is wired to the rows' matrix row, LO to the columns'.
        matrix: name of the switching matrix.
        rows: crosspoints that connect the chip's rows to HI, in order.
        columns: crosspoints that connect the chip's columns to LO.
        channel: the channel of the SMU, instead of the one in its options.
        column_channel: the SMU's other channel, if its HI is wired to the columns' matrix row
            (the LOs of both tied together): every voltage is then split between the two.
        timing: who times pulses: ``timers``, ``script``, or ``auto``, which chooses by the pulse.
    """

    source: str
    matrix: str
    rows: list[str]
    columns: list[str]
    channel: Channel | None = None
    column_channel: Channel | None = None
    timing: Literal["auto", "timers", "script"] = "auto"

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
    key = f"crossbars.{name}.wiring"
    bench.require_lines(name, rows=wiring.rows, columns=wiring.columns)
    shared = set(wiring.rows) & set(wiring.columns)
    if shared:
        problem = f"{min(shared)} is wired to a row and to a column: that shorts the cell"
        raise ConfigError(bench.path, key, problem)
    bench.require(f"{key}.source", wiring.source, Keithley2600B)
    bench.require(f"{key}.matrix", wiring.matrix, Keithley707B)
    _check_node(bench, wiring.matrix)
    if wiring.column_channel and wiring.column_channel == row_channel(bench, wiring):
        problem = f"channel {wiring.column_channel} drives the rows; the columns need the other one"
        raise ConfigError(bench.path, f"{key}.column_channel", problem)
    _check_lines(bench, name)
    try:
        timed_by_timers(bench.conditions_of(name), wiring.timing)
    except ConfigError as error:
        where = f"crossbars.{name}.pulses" if bench.has_own(name) else "pulses"
        raise ConfigError(bench.path, where, error.problem) from None


def wiring_of(bench: Bench, name: str) -> TspWiring:
    """The wiring of crossbar ``name``.

    Raises:
        ConfigError: names the key.
    """
    config = bench.config.crossbars[name]
    return validate(TspWiring, config.wiring, bench.path, f"crossbars.{name}.wiring")


def wirings_on(bench: Bench, matrix: str) -> dict[str, TspWiring]:
    """The wirings of all crossbars on a matrix, by crossbar."""
    return {
        name: wiring_of(bench, name)
        for name, config in bench.config.crossbars.items()
        if config.kind == "tsp" and config.wiring.get("matrix") == matrix
    }


def row_channel(bench: Bench, wiring: TspWiring) -> str:
    """The channel of the SMU that drives the rows."""
    options = bench.config.instruments[wiring.source].options
    return wiring.channel or str(options.get("channel", "a"))


def channels_of(bench: Bench, source: str) -> list[str]:
    """The channels of an SMU that crossbars use."""
    used: set[str] = set()
    for name, config in bench.config.crossbars.items():
        if config.kind == "tsp" and config.wiring.get("source") == source:
            wiring = wiring_of(bench, name)
            used |= {row_channel(bench, wiring), *filter(None, [wiring.column_channel])}
    return sorted(used)


def timed_by_timers(
    conditions: PulseConditions, timing: Literal["auto", "timers", "script"]
) -> bool:
    """Whether trigger timers make these pulses, or the script.

    Raises:
        ConfigError: neither can.
    """
    widths = (conditions.up.width, conditions.down.width)
    suits = conditions.rest >= SHORTEST_REST and max(widths) <= LONGEST_TIMED
    timers = timing == "timers" or (timing == "auto" and suits)
    shortest, by = (SHORTEST_PULSE, "timers") if timers else (SHORTEST_SCRIPTED, "a TSP script")
    if min(widths) < shortest:
        raise ConfigError(
            "pulses",
            "",
            f"{by} can make no pulse shorter than {with_unit(shortest, 's')}, not"
            f" {with_unit(min(widths), 's')}",
        )
    if timers and conditions.rest < SHORTEST_REST:
        raise ConfigError(
            "pulses",
            "",
            f"timers need a rest of {with_unit(SHORTEST_REST, 's')} between pulses, not"
            f" {with_unit(conditions.rest, 's')}",
        )
    return timers


def _check_node(bench: Bench, matrix: str) -> None:
    if bench.config.instruments[matrix].options.get("tsp_link_node") is None:
        raise ConfigError(
            bench.path,
            f"instruments.{matrix}.options.tsp_link_node",
            "is missing: the SMU's script moves the relays over TSP-Link",
        )


def _check_lines(bench: Bench, name: str) -> None:
    """A line of the matrix goes to one line of one chip."""
    mine = wiring_of(bench, name)
    taken: dict[str, str] = {}
    for other, wiring in wirings_on(bench, mine.matrix).items():
        for points, what in ((wiring.rows, "row"), (wiring.columns, "column")):
            for point in points:
                owner = f"{what} {points.index(point)} of {other!r}"
                before = taken.setdefault(line_of(point), owner)
                if before != owner and name == other:
                    raise ConfigError(
                        bench.path,
                        f"crossbars.{name}.wiring.{what}s",
                        f"{point} is on the matrix line of {before}; a line goes to one line of"
                        " one chip",
                    )
