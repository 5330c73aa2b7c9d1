"""A crossbar on a Keithley 2600B and a 707B: crosspoints select a cell, the SMU pulses and reads.

Both instruments hang on one TSP-Link, the SMU as master, so that a script on the SMU moves relays
and pulses without the host in between: a program of any size is a few messages. The script is
``crossbar.tsp``, uploaded when the crossbar is opened.

Pulses are timed by the script (``delay``), which is good to about 0.1 ms on the instrument; the
shortest pulse accepted here is 0.2 ms.
"""

from __future__ import annotations

import re
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.characteristics import Characteristics
from ohmloop.drivers.conditions import PulseConditions
from ohmloop.drivers.crossbar import Crossbar, log
from ohmloop.drivers.errors import (
    InDoubtError,
    InstrumentError,
    LinkError,
    OhmloopError,
    ReportedError,
)
from ohmloop.drivers.limits import WearLedger
from ohmloop.drivers.pulses import PulseProgram, PulseRuns

from .keithley707b import Keithley707B
from .keithley2600b import Keithley2600B
from .tsp_instrument import number
from .tsp_messages import numbers, program_messages, strings
from .tsp_wiring import TspWiring, check_script_widths, check_wiring, wiring_of

_READ_BLOCK = 4096
_ATTEMPTS = 3  # to come back after a broken link
_STATUS = 'if ohmloop then ohmloop.status() else print("gone") end'
_REPLY = re.compile(r"\d+,[a-z]+,\d+,\d+,\d+")
_RELAY = 0.02  # generous time for one move of relays, s
_NO_READING = 9e37  # the instrument answers 9.91e37 where there is no reading
_VISIT = 0.005  # generous script time for one pulse or reading, s


class TspKind:
    """Kind ``tsp`` of the bench file."""

    @staticmethod
    def check(bench: Bench, name: str) -> None:
        """Refuse wiring that cannot be; sends nothing."""
        check_wiring(bench, name)

    @staticmethod
    def lines(bench: Bench, name: str) -> tuple[list[str], list[str]]:
        """Crosspoints of the rows and of the columns."""
        wiring = wiring_of(bench, name)
        return wiring.rows, wiring.columns

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
        wiring = wiring_of(bench, name)
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
            conditions=bench.conditions_of(name),
            reading=bench.reading_of(name),
            limits=bench.limits_of(name),
            characteristics=characteristics,
            ledger=WearLedger(shape, bench.ledger_path(name)),
            name=f"{bench.config.name}#{name}",
        )
        self.smu, self.matrix = smu, matrix
        self._prepare(wiring_of(bench, name))

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
            f"ohmloop.rows = {strings(wiring.rows)}\nohmloop.columns = {strings(wiring.columns)}"
        )
        self.smu.transport.write("\n".join(self._configuration(self.conditions)))
        self._active = self.conditions
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

    def _configuration(self, c: PulseConditions) -> list[str]:
        values = {
            "up": c.up.amplitude,
            "down": c.down.amplitude,
            "up_width": c.up.width,
            "down_width": c.down.width,
            "rest": c.rest,
            "settle": self.reading.settle,
        }
        fields = ", ".join(f"{key} = {number(value)}" for key, value in values.items())
        matrix = f"node[{self.matrix.options.tsp_link_node}].channel"
        return [f"ohmloop.configure{{smu = {self.smu.channel}, matrix = {matrix}, {fields}}}"]

    def _read(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        return self._currents(rows, columns, self.reading.voltage) / self.reading.voltage

    def _currents(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], voltage: float
    ) -> NDArray[np.float64]:
        per_block = max(1, _READ_BLOCK // max(1, columns.size))
        blocks = [
            self._read_block(rows[start : start + per_block], columns, voltage)
            for start in range(0, rows.size, per_block)
        ]
        return np.concatenate(blocks) if blocks else np.empty((0, columns.size))

    def _read_block(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], voltage: float
    ) -> NDArray[np.float64]:
        cells = rows.size * columns.size
        if not cells:
            return np.empty((rows.size, columns.size))
        cell_time = self.reading.settle + self.reading.nplc * self._cycle + _VISIT + _RELAY
        text = f"ohmloop.read({numbers(rows + 1)}, {numbers(columns + 1)}, {number(voltage)})"
        wait = cells * cell_time
        try:
            block, errors = self._ask_block(text, cells, wait)
        except LinkError:
            # A read may be repeated: it moves no cell.
            self.smu.come_back(wait)
            block, errors = self._ask_block(text, cells, wait)
        if errors:
            self.smu.check_errors()
        current = block.reshape(rows.size, columns.size)
        current[1::2] = current[1::2, ::-1]
        self._refuse_overflow(current, rows, columns)
        return current

    def _ask_block(self, text: str, cells: int, wait: float) -> tuple[NDArray[np.float64], int]:
        """Currents of a block in the order they were measured, A, and errors queued."""
        data = self.smu.transport.query_block(text, 2 + 8 * cells + 1, wait)
        errors, _, total = self.smu.transport.read_line().partition(",")
        current = np.frombuffer(data[2:-1], "<f8").copy()
        if not data.startswith(b"#0") or not errors.isdecimal() or not _sums_to(current, total):
            raise LinkError(self.smu.name, self.smu.transport.resource, "garbled reply to a read")
        return current, int(errors)

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
        check_script_widths(conditions)
        runs = program.runs
        lines = [] if conditions == self._active else self._configuration(conditions)
        messages = program_messages(runs, self.shape[1], sequence, lines)
        wait = runs.cells.size * _RELAY + runs.total_pulses * (conditions.slot + _VISIT)
        try:
            reply = self._send(messages, wait)
        except LinkError as error:
            reply = self._after_break(messages, sequence, wait, error)
        self._active = conditions
        return self._settle(reply, runs, sequence)

    def _send(self, messages: list[str], wait: float) -> str:
        *parts, last = messages
        for part in parts:
            self.smu.transport.write(part)
        reply = self.smu.transport.query(last, wait)
        if not _REPLY.fullmatch(reply):
            raise LinkError(
                self.smu.name, self.smu.transport.resource, f"garbled reply {reply!r} to a program"
            )
        return reply

    def _after_break(
        self, messages: list[str], sequence: int, wait: float, error: LinkError
    ) -> str:
        """Come back, ask, then take the outcome or send again: never twice what was run.

        The instrument answers only when its script is at rest. A program that it does not know, or
        is still receiving, was not run; one that it knows is not sent again.
        """
        for _ in range(_ATTEMPTS):
            try:
                self.smu.come_back(wait)
                status = self.smu.transport.query(_STATUS, wait)
                if status == "gone":
                    break  # reset or power-cycled: nobody knows
                if not _REPLY.fullmatch(status):
                    continue
                known, state = status.split(",")[:2]
                if known == str(sequence) and state != "receiving":
                    return status
                return self._send(messages, wait)
            except LinkError as again:
                error = again
        raise InDoubtError(
            self.smu.name,
            self.smu.transport.resource,
            f"{error.problem}; how far program {sequence} got is unknown:"
            " read the crossbar again before going on",
            None,
        ) from error

    def _settle(self, reply: str, runs: PulseRuns, sequence: int) -> tuple[int, int]:
        fields = reply.split(",")
        state, applied, clipped, errors = fields[1], *map(int, fields[2:])
        problem = self._reported() if errors else None
        if fields[0] != str(sequence) or problem or state != "done" or applied != runs.total_pulses:
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


def _sums_to(current: NDArray[np.float64], total: str) -> bool:
    """Whether the instrument's sum, added up in its order, is that of what arrived."""
    try:
        return bool(np.add.accumulate(current)[-1] == float(total))
    except ValueError:
        return False


def _quietly_off(*instruments: Keithley2600B | Keithley707B) -> None:
    for instrument in instruments:
        try:
            instrument.make_safe()
        except OhmloopError as error:
            log.error("%s", error)
        instrument.close()
