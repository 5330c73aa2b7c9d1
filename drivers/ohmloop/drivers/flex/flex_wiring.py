"""The wiring of a crossbar of kind ``flex``, checked before anything is sent."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.conditions import PulseConditions
from ohmloop.drivers.errors import ConfigError
from ohmloop.drivers.routed import Route
from ohmloop.drivers.scpi.keysight_b2200 import KeysightB2200
from ohmloop.drivers.validation import Record, validate
from ohmloop.drivers.wiring import expand_channels

from .b1500a import B1500A, B1500AOptions
from .flex_commands import CURRENT_RANGES, HIGHEST, smu_refusal, spgu_refusal


class FlexWiring(Record):
    """The ``wiring`` of a crossbar of kind ``flex``.

    Attributes:
        analyser: name of the B1500A.
        matrix: name of the switch matrix.
        rows: channels that connect the chip's rows to the SMU, in order.
        columns: channels that connect the chip's columns to ground (GNDU).
        pulses: which module pulses: the SMU, the SPGU, or a WGFMU.
        pulse_rows: channels that connect the rows to the SPGU or WGFMU.
        current_limit: ``external`` says that something else limits the current of SPGU or WGFMU
            pulses, which these modules do not.
    """

    analyser: str
    matrix: str
    rows: list[str]
    columns: list[str]
    pulses: Literal["smu", "spgu", "wgfmu"] = "smu"
    pulse_rows: list[str] = Field(default_factory=list)
    current_limit: Literal["instrument", "external"] = "instrument"

    @field_validator("rows", "columns", "pulse_rows", mode="before")
    @classmethod
    def _expand(cls, value: object, info: ValidationInfo) -> list[str]:
        if not isinstance(value, str):
            raise ValueError(f"write {info.field_name} as channels, such as '10101..10112'")
        return expand_channels(value)

    @property
    def read_route(self) -> Route:
        """By way of the SMU."""
        return Route(self.rows, self.columns)

    @property
    def pulse_route(self) -> Route:
        """By way of what pulses."""
        return Route(self.rows if self.pulses == "smu" else self.pulse_rows, self.columns)

    @property
    def points(self) -> list[str]:
        """All channels."""
        return [*self.rows, *self.columns, *self.pulse_rows]


def wiring_of(bench: Bench, name: str) -> FlexWiring:
    """The wiring of crossbar ``name``.

    Raises:
        ConfigError: names the key.
    """
    config = bench.config.crossbars[name]
    return validate(FlexWiring, config.wiring, bench.path, f"crossbars.{name}.wiring")


def options_of(bench: Bench, analyser: str) -> B1500AOptions:
    """Options of the B1500A.

    Raises:
        ConfigError: names the key.
    """
    options = bench.config.instruments[analyser].options
    return validate(B1500AOptions, options, bench.path, f"instruments.{analyser}.options")


def check_wiring(bench: Bench, name: str) -> None:
    """Refuse wiring that cannot be; sends nothing.

    Raises:
        ConfigError: names the key.
    """
    wiring = wiring_of(bench, name)
    key = f"crossbars.{name}.wiring"
    bench.require(f"{key}.analyser", wiring.analyser, B1500A)
    bench.require(f"{key}.matrix", wiring.matrix, KeysightB2200)
    _check_lines(bench, name, wiring)
    _check_source(bench, key, wiring)
    options = options_of(bench, wiring.analyser)
    if problem := refusal(wiring, options, bench.conditions, bench.limits.voltage):
        raise ConfigError(bench.path, "pulses", problem)
    for limit in ("voltage", "read_voltage"):
        if getattr(bench.limits, limit) > HIGHEST:
            problem = f"the B1500A makes up to {HIGHEST:g} V here: above, its interlock has a say"
            raise ConfigError(bench.path, f"limits.{limit}", problem)
    largest = CURRENT_RANGES[-1][0]
    if bench.limits.current > largest:
        problem = f"an SMU limits currents of up to {largest * 1e3:g} mA"
        raise ConfigError(bench.path, "limits.current", problem)


def refusal(
    wiring: FlexWiring, options: B1500AOptions, conditions: PulseConditions, largest: float
) -> str:
    """Why pulses cannot be played where ``largest`` (V) is allowed; empty where they can."""
    shapes = (conditions.up, conditions.down)
    if wiring.pulses == "smu":
        found = [smu_refusal(p.width, p.width + conditions.rest) for p in shapes]
    elif wiring.pulses == "spgu":
        rest, edge, load = conditions.rest, options.edge, options.load
        found = [
            spgu_refusal(p.amplitude, p.width, p.width + rest, edge, load, largest) for p in shapes
        ]
    else:
        from .wgfmu_trains import wgfmu_refusal

        found = [wgfmu_refusal(p, conditions.rest, options.edge) for p in shapes]
    return next((problem for problem in found if problem), "")


def _check_lines(bench: Bench, name: str, wiring: FlexWiring) -> None:
    key = f"crossbars.{name}.wiring"
    bench.require_lines(name, rows=wiring.rows, columns=wiring.columns)
    if wiring.pulses != "smu":
        bench.require_lines(name, pulse_rows=wiring.pulse_rows)
    elif wiring.pulse_rows:
        problem = "the SMU pulses by way of rows; leave pulse_rows out, or set pulses"
        raise ConfigError(bench.path, f"{key}.pulse_rows", problem)
    shared = set(map(_output, wiring.rows)) & set(map(_output, wiring.columns))
    if shared:
        card, output = min(shared)
        problem = f"output {output} of card {card} is a row and a column: that shorts the cell"
        raise ConfigError(bench.path, key, problem)
    if wiring.pulse_rows and list(map(_output, wiring.rows)) != list(
        map(_output, wiring.pulse_rows)
    ):
        problem = "must lead to the same cards and outputs as rows, in the same order"
        raise ConfigError(bench.path, f"{key}.pulse_rows", problem)
    inputs = {"rows": wiring.rows, "columns": wiring.columns, "pulse_rows": wiring.pulse_rows}
    _check_inputs(bench, key, {line: {p[1:3] for p in points} for line, points in inputs.items()})


def _check_inputs(bench: Bench, key: str, inputs: dict[str, set[str]]) -> None:
    """A source, the ground and the pulser each hang on one input of the matrix."""
    used: dict[str, str] = {}
    for line, ports in inputs.items():
        if len(ports) > 1:
            problem = f"uses the inputs {', '.join(sorted(ports))}; one source has one"
            raise ConfigError(bench.path, f"{key}.{line}", problem)
        for port in ports:
            if port in used:
                problem = f"uses input {port}, which {used[port]} uses too"
                raise ConfigError(bench.path, f"{key}.{line}", problem)
            used[port] = line


def _output(point: str) -> tuple[str, str]:
    return point[0], point[3:]


def _check_source(bench: Bench, key: str, wiring: FlexWiring) -> None:
    options = bench.config.instruments[wiring.analyser].options
    if wiring.pulses == "smu":
        return
    if options.get(wiring.pulses) is None:
        option = f"instruments.{wiring.analyser}.options.{wiring.pulses}"
        raise ConfigError(bench.path, option, f"is missing, but wiring.pulses is {wiring.pulses}")
    if wiring.current_limit != "external":
        raise ConfigError(
            bench.path,
            f"{key}.current_limit",
            f"a {wiring.pulses.upper()} has no current limit: limits.current holds for reads only."
            " Where a resistor or selector limits the current of pulses, write 'external'",
        )
