"""A crossbar on a Keithley 2600B and a 707B: crosspoints select a cell, the SMU pulses and reads.

Both instruments hang on one TSP-Link, the SMU as master, so that a script on the SMU moves relays
and pulses without the host in between: a program of any size is a few messages. The script is
``crossbar.tsp``, uploaded when the crossbar is opened.

Pulses are timed by the script (``delay``), which is good to about 0.1 ms on the instrument; the
shortest pulse accepted here is 0.2 ms.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationInfo, field_validator

from .bench import Bench
from .characteristics import Characteristics
from .conditions import PulseConditions
from .crossbar import Crossbar, log
from .errors import (
    ConfigError,
    InDoubtError,
    InstrumentError,
    LinkError,
    OhmloopError,
    ReportedError,
)
from .keithley707b import Keithley707B
from .keithley2600b import Keithley2600B
from .limits import WearLedger
from .pulses import PulseProgram, PulseRuns
from .registry import instrument_driver
from .tsp import number
from .validation import Record, validate
from .wiring import expand

SHORTEST_PULSE = 200e-6
"""Shortest pulse that a script times honestly, s."""

_LINE_TRIPLES = 120
_MESSAGE_BYTES = 16_000
_READ_BLOCK = 4096
_RELAY = 0.02  # generous time for one move of relays, s
_NO_READING = 9e37  # the instrument answers 9.91e37 where there is no reading
_VISIT = 0.005  # generous script time for one pulse or reading, s


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


class TspKind:
    """Kind ``tsp`` of the bench file."""

    @staticmethod
    def check(bench: Bench, name: str) -> None:
        """Refuse wiring that cannot be; sends nothing."""
        wiring = _wiring(bench, name)
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
        _check_widths(bench)

    @staticmethod
    def open(
        bench: Bench, name: str, characteristics: Characteristics | None = None
    ) -> TspCrossbar:
        """Connect both instruments, check who they are, upload the script.

        Raises:
            NotConnectedError: one does not answer.
            WrongInstrumentError: one is not what the bench file says.
            ReportedError: one refuses its settings.
        """
        wiring = _wiring(bench, name)
        smu = Keithley2600B.connect(bench, wiring.source)
        try:
            matrix = Keithley707B.connect(bench, wiring.matrix)
        except BaseException:
            smu.close()
            raise
        try:
            return TspCrossbar(bench, name, smu, matrix, characteristics)
        except BaseException:
            _quietly_off(smu, matrix)
            raise


class TspCrossbar(Crossbar):
    """See the module. Opened by ``open_crossbar``; addresses one cell at a time."""

    def __init__(
        self,
        bench: Bench,
        name: str,
        smu: Keithley2600B,
        matrix: Keithley707B,
        characteristics: Characteristics | None = None,
    ) -> None:
        shape = bench.config.crossbars[name].shape
        super().__init__(
            shape,
            conditions=bench.conditions,
            reading=bench.reading,
            limits=bench.limits,
            characteristics=characteristics,
            ledger=WearLedger(shape, bench.ledger_path(name)),
            name=f"{bench.config.name}#{name}",
        )
        self.smu, self.matrix = smu, matrix
        self._prepare(_wiring(bench, name))

    @property
    def messages(self) -> int:
        """Messages sent to both instruments so far."""
        return self.smu.transport.traffic.messages + self.matrix.transport.traffic.messages

    def _prepare(self, wiring: TspWiring) -> None:
        c = self.conditions
        largest = max(abs(c.up.amplitude), abs(c.down.amplitude), abs(self.reading.voltage))
        self.matrix.reset()
        self.matrix.check_errors()
        self.smu.configure(voltage=largest, compliance=self.limits.current, nplc=self.reading.nplc)
        self._cycle = 1.0 / self.smu.line_frequency
        node = self.matrix.options.tsp_link_node
        self._link(node)
        self.smu.upload("ohmloop_crossbar", files(__package__).joinpath("crossbar.tsp").read_text())
        self.smu.transport.write(
            f"ohmloop.rows = {_strings(wiring.rows)}\nohmloop.columns = {_strings(wiring.columns)}"
        )
        self._configure(self.conditions)
        self.smu.check_errors()

    def _link(self, node: int) -> None:
        """Start TSP-Link and make sure that the node is the matrix we talk to."""
        transport = self.smu.transport
        transport.write("tsplink.reset()")
        serial = transport.query(f"print(node[{node}] and node[{node}].serialno)").strip()
        if serial != self.matrix.serial_number:
            raise InstrumentError(
                self.smu.name,
                transport.resource,
                f"TSP-Link node {node} is {serial!r}, not the matrix {self.matrix.name!r} with"
                f" serial number {self.matrix.serial_number!r}; check the TSP-Link cable and"
                " tsp_link_node",
            )

    def _configure(self, c: PulseConditions) -> None:
        self._active = c
        values = {
            "up": c.up.amplitude,
            "down": c.down.amplitude,
            "up_width": c.up.width,
            "down_width": c.down.width,
            "rest": c.rest,
            "read": self.reading.voltage,
            "settle": self.reading.settle,
        }
        fields = ", ".join(f"{key} = {number(value)}" for key, value in values.items())
        matrix = f"node[{self.matrix.options.tsp_link_node}].channel"
        self.smu.transport.write(
            f"ohmloop.configure{{smu = {self.smu.channel}, matrix = {matrix}, {fields}}}"
        )

    def _read(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        per_block = max(1, _READ_BLOCK // max(1, columns.size))
        blocks = [
            self._read_block(rows[start : start + per_block], columns)
            for start in range(0, rows.size, per_block)
        ]
        return np.concatenate(blocks) if blocks else np.empty((0, columns.size))

    def _read_block(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        cells = rows.size * columns.size
        if not cells:
            return np.empty((rows.size, columns.size))
        cell_time = self.reading.settle + self.reading.nplc * self._cycle + _VISIT + _RELAY
        size = 2 + 8 * cells + 1
        text = f"ohmloop.read({_numbers(rows + 1)}, {_numbers(columns + 1)})"
        data = self.smu.transport.query_block(text, size, wait=cells * cell_time)
        errors = self.smu.transport.read_line()
        if not data.startswith(b"#0") or not _is_number(errors):
            raise LinkError(self.smu.name, self.smu.transport.resource, "garbled reply to a read")
        if float(errors):
            self.smu.check_errors()
        current = np.frombuffer(data[2:-1], "<f8").reshape(rows.size, columns.size).copy()
        current[1::2] = current[1::2, ::-1]
        self._refuse_overflow(current, rows, columns)
        return current / self.reading.voltage

    def _refuse_overflow(
        self, current: NDArray[np.float64], rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> None:
        over = np.argwhere(~(np.abs(current) < _NO_READING))
        if over.size:
            row, column = rows[over[0, 0]], columns[over[0, 1]]
            raise InstrumentError(
                self.smu.name,
                self.smu.transport.resource,
                f"no reading at cell (row {row}, column {column}), {len(over)} cells in all:"
                " the current is beyond the measuring range; raise options.current_range",
            )

    def _pulse(self, program: PulseProgram, sequence: int) -> tuple[int, int]:
        conditions = program.conditions or self.conditions
        if conditions != self._active:
            _check_script_widths(conditions)
            self._configure(conditions)
        runs = program.runs
        *parts, last = _messages(runs, self.shape[1], sequence)
        for part in parts:
            self.smu.transport.write(part)
        try:
            reply = self.smu.transport.query(last, wait=self._time(runs, conditions))
        except LinkError as error:
            reply = self._ask_after(sequence, error)
        return self._settle(reply, runs, sequence)

    def _time(self, runs: PulseRuns, c: PulseConditions) -> float:
        return runs.cells.size * _RELAY + runs.total_pulses * (c.slot + _VISIT)

    def _ask_after(self, sequence: int, error: LinkError) -> str:
        """After a lost reply: stop, come back in step, and ask how far the program got."""
        try:
            self.smu.make_safe()
            return self.smu.transport.query("ohmloop.status()")
        except InstrumentError:
            raise InDoubtError(
                self.smu.name,
                self.smu.transport.resource,
                f"{error.problem}; how far program {sequence} got is unknown:"
                " read the crossbar again before going on",
                None,
            ) from error

    def _settle(self, reply: str, runs: PulseRuns, sequence: int) -> tuple[int, int]:
        fields = reply.strip().split(",")
        if len(fields) != 5 or fields[0] != str(sequence):
            raise InDoubtError(
                self.smu.name,
                self.smu.transport.resource,
                f"answers {reply!r} to program {sequence}",
                None,
            )
        state, applied, clipped, errors = fields[1], *map(int, fields[2:])
        problem = self._reported() if errors else None
        if problem or state != "done" or applied != runs.total_pulses:
            raise InDoubtError(
                self.smu.name,
                self.smu.transport.resource,
                f"program {sequence} ended as {state!r} after {applied} of {runs.total_pulses}"
                f" pulses{f': {problem}' if problem else ''}",
                applied,
            )
        return applied, clipped

    def _reported(self) -> str:
        try:
            self.smu.check_errors()
        except ReportedError as error:
            return error.problem
        return ""

    def _make_safe(self) -> None:
        """SMU off first, then relays open; relays by the matrix's own link if the SMU is gone."""
        failed: list[str] = []
        for instrument in (self.smu, self.matrix):
            try:
                instrument.make_safe()
            except OhmloopError as error:
                failed.append(str(error))
        if failed:
            raise OhmloopError("; ".join(failed))

    def _close(self) -> None:
        self.smu.close()
        self.matrix.close()


def _wiring(bench: Bench, name: str) -> TspWiring:
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


def _check_widths(bench: Bench) -> None:
    try:
        _check_script_widths(bench.conditions)
    except ConfigError as error:
        raise ConfigError(bench.path, "pulses", error.problem) from None


def _check_script_widths(conditions: PulseConditions) -> None:
    shortest = min(conditions.up.width, conditions.down.width)
    if shortest < SHORTEST_PULSE:
        raise ConfigError(
            "pulses", "", f"a TSP script times no pulse shorter than 200 us, not {shortest:g} s"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _strings(points: list[str]) -> str:
    return "{" + ", ".join(f'"{point}"' for point in points) + "}"


def _numbers(values: NDArray[np.intp]) -> str:
    return "{" + ",".join(map(str, values.tolist())) + "}"


def _messages(runs: PulseRuns, columns: int, sequence: int) -> list[str]:
    """The program as few messages, each of whole lines; the last one asks for the outcome."""
    cells, counts = _snake(runs, columns)
    triples = np.stack([cells // columns + 1, cells % columns + 1, counts], axis=1)
    lines = [f"ohmloop.begin({sequence},{len(cells)},{runs.total_pulses})"]
    for start in range(0, len(triples), _LINE_TRIPLES):
        part = triples[start : start + _LINE_TRIPLES].ravel().tolist()
        lines.append("ohmloop.add{" + ",".join(map(str, part)) + "}")
    lines.append(f"ohmloop.run({sequence})")
    return _pack(lines)


def _pack(lines: list[str]) -> list[str]:
    messages: list[list[str]] = [[]]
    size = 0
    for line in lines:
        if messages[-1] and size + len(line) > _MESSAGE_BYTES:
            messages.append([])
            size = 0
        messages[-1].append(line)
        size += len(line) + 1
    return ["\n".join(message) for message in messages]


def _snake(runs: PulseRuns, columns: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Runs in the order that moves fewest relays: along one row, back along the next."""
    row, column = runs.cells // columns, runs.cells % columns
    along = np.where(row % 2 == 0, column, columns - 1 - column)
    order = np.lexsort((np.arange(row.size), along, row))
    return runs.cells[order], runs.counts[order]


def _quietly_off(*instruments: Keithley2600B | Keithley707B) -> None:
    for instrument in instruments:
        try:
            instrument.make_safe()
        except OhmloopError as error:
            log.error("%s", error)
        instrument.close()
