"""A crossbar on a Keithley 2600B and a 707B: crosspoints select a cell, the SMU pulses and reads.

Both instruments hang on one TSP-Link, the SMU as master, so that a script on the SMU moves relays
and pulses without the host in between: a program of any size is a few messages. The script is
``crossbar.tsp``, uploaded when the crossbar is opened.

Pulses are timed by the SMU's trigger timers, which also measure in every pulse: the readings are
the instrument's own count of pulses, their statuses say which reached compliance. Long pulses, and
pulses with hardly a rest, are timed by the script (``tsp_wiring.timed_by_timers``).

Crossbars that share instruments take turns: what a program or a read is for is named by a
configuration, which only one crossbar, opened once, ever sends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.bench_crossbar import BenchCrossbar
from ohmloop.drivers.characteristics import Characteristics
from ohmloop.drivers.conditions import PulseConditions
from ohmloop.drivers.crossbar import log
from ohmloop.drivers.errors import (
    InDoubtError,
    InstrumentError,
    LinkError,
    NotConnectedError,
    OhmloopError,
    ReportedError,
)
from ohmloop.drivers.pulses import CoincidencePulses, PulseProgram

from .keithley707b import Keithley707B
from .keithley2600b import Keithley2600B
from .tsp_instrument import number
from .tsp_messages import numbers, program_messages, run_lines, train_lines
from .tsp_outcome import Outcome
from .tsp_setup import configuration, set_up
from .tsp_wiring import check_wiring, timed_by_timers, wiring_of

_READ_BLOCK = 4096
_ATTEMPTS = 3  # to come back after a broken link
_STATUS = 'if ohmloop then ohmloop.status() else print("gone") end'
_RELAY = 0.02  # generous time for one move of relays, s
_NO_READING = 9e37  # the instrument answers 9.91e37 where there is no reading
_VISIT = 0.005  # generous script time for one pulse or reading, s
_HOT = "; relays were not moved, for the source did not go to 0 V"


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


class TspCrossbar(BenchCrossbar):
    """See the module. Opened by ``open_crossbar``; addresses one cell at a time."""

    def __init__(
        self,
        bench: Bench,
        name: str,
        smu: Keithley2600B,
        matrix: Keithley707B,
        characteristics: Characteristics | None = None,
    ) -> None:
        super().__init__(bench, name, characteristics)
        self.smu, self.matrix, self.bench = smu, matrix, bench
        self.wiring = wiring_of(bench, name)
        self._token, self._configured = token_hex(4), 0
        self._active: PulseConditions | None = None
        with self._turn():
            self._cycle = 1.0 / smu.line_frequency
            smu.transport.write("\n".join(self._configuration(self.conditions)))
            smu.check_errors()

    @property
    def messages(self) -> int:
        """Messages sent to both instruments so far."""
        return self.smu.transport.traffic.messages + self.matrix.transport.traffic.messages

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The instruments for oneself, prepared; after a failure they are prepared anew."""
        with self.smu.lock, self.matrix.lock:
            if not self._is_set_up():
                self._set_up()
            try:
                yield
            except BaseException:
                self.smu.tenant = None
                raise

    def _is_set_up(self) -> bool:
        """Whether the instruments are as the bench file wants them, whoever had them last."""
        last = self.smu.tenant
        if last is self:
            return True
        return isinstance(last, TspCrossbar) and last.bench.config == self.bench.config

    def _set_up(self) -> None:
        self.smu.tenant = None
        set_up(self.bench, self.wiring, self.smu, self.matrix)
        self._active, self.smu.tenant = None, self

    @property
    def _identity(self) -> str:
        """Name of the configuration that was sent last."""
        return f"{self._token}-{self._configured}"

    def _configuration(self, conditions: PulseConditions | None = None) -> list[str]:
        """Lines to send first; none if the script is set for this crossbar and these pulses."""
        conditions = conditions or self._active or self.conditions
        if self.smu.tenant is self and self._active == conditions:
            return []
        self._configured += 1
        self._active, self.smu.tenant = conditions, self
        return configuration(
            self.bench, self.wiring, self.smu, self.matrix, 1.0 / self._cycle, conditions,
            self._identity,
        )  # fmt: skip

    def _read(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        return self._currents(rows, columns, self.reading.voltage) / self.reading.voltage

    def _currents(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], voltage: float
    ) -> NDArray[np.float64]:
        per_block = max(1, _READ_BLOCK // max(1, columns.size))
        with self._turn():
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
        lines = f"{numbers(rows + 1)}, {numbers(columns + 1)}, {number(voltage)}"
        current = self._read_again(lines, cells, cells * cell_time).reshape(rows.size, columns.size)
        current[1::2] = current[1::2, ::-1]
        self._refuse_overflow(current, rows, columns)
        return current

    def _read_again(self, lines: str, cells: int, wait: float) -> NDArray[np.float64]:
        """A read may be repeated: it moves no cell."""
        for attempt in range(_ATTEMPTS):
            try:
                return self._ask_block(lines, cells, wait)
            except LinkError:
                if attempt == _ATTEMPTS - 1:
                    raise
                try:
                    self._come_back(wait)
                except NotConnectedError as gone:  # it was connected: that is no wrong bench file
                    raise LinkError(gone.instrument, gone.resource, gone.problem) from gone
        raise AssertionError("unreachable")

    def _come_back(self, wait: float) -> Outcome | None:
        """Open the link anew; prepare the instruments where they lost their memory.

        Returns:
            What the script says of its last program; None if it was lost.
        """
        self.smu.come_back(wait)
        status = self.smu.transport.query(_STATUS, wait)
        self._active = None
        if status == "gone":
            self._set_up()
            return None
        outcome = Outcome.parse(status)
        if outcome is None:
            raise self._garbled(status)
        return outcome

    def _ask_block(self, lines: str, cells: int, wait: float) -> NDArray[np.float64]:
        """Currents of a block in the order they were measured, A."""
        first = self._configuration()
        text = "\n".join([*first, f'ohmloop.read("{self._identity}", {lines})'])
        data = self.smu.transport.query_block(text, 2 + 8 * cells + 1, wait)
        errors, _, rest = self.smu.transport.read_line().partition(",")
        refused, _, total = rest.partition(",")
        current = np.frombuffer(data[2:-1], "<f8").copy()
        counted = errors.isdecimal() and refused.isdecimal()
        if not data.startswith(b"#0") or not counted or not _sums_to(current, total):
            raise self._garbled("to a read")
        if int(errors):
            self.smu.check_errors()
        if int(errors) or int(refused):
            problem = f"{refused} of {cells} cells were not read{_HOT if int(refused) else ''}"
            raise InstrumentError(self.smu.name, self.smu.transport.resource, problem)
        return current

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
        body, items, slots = self._body(program, timed_by_timers(conditions, self.wiring.timing))
        wait = items * _RELAY + slots * (conditions.slot + _VISIT)
        try:
            with self._turn():
                outcome = self._run_once(body, items, program, conditions, sequence, wait)
                return self._settle(outcome, program, sequence)
        except InDoubtError:
            self.make_safe()
            raise

    def _body(self, program: PulseProgram, timed: bool) -> tuple[list[str], int, int]:
        """Lines of a program, items in them, and slots they take to play."""
        if self.wiring.column_channel and timed and isinstance(program, CoincidencePulses):
            lines, items = train_lines(program)
            return lines, items, items * program.length
        runs = program.runs
        return run_lines(runs, self.shape[1]), runs.cells.size, runs.total_pulses

    def _run_once(
        self,
        body: list[str],
        items: int,
        program: PulseProgram,
        conditions: PulseConditions,
        sequence: int,
        wait: float,
    ) -> Outcome:
        """Send, and after a break ask, then take the outcome or send again: never run twice.

        The instrument answers only when its script is at rest. A program that it does not know, or
        is still receiving, was not run; one that it knows is not sent again.
        """
        error = LinkError(self.smu.name, self.smu.transport.resource, "the program never arrived")
        for _ in range(_ATTEMPTS):
            first = self._configuration(conditions)
            identity = self._identity
            messages = program_messages(
                body, identity, sequence, items, program.total_pulses, first
            )
            asked, started = False, time.monotonic()
            try:
                for part in messages[:-1]:
                    self.smu.transport.write(part)
                asked = True
                outcome = Outcome.parse(self.smu.transport.query(messages[-1], wait))
                if outcome is None or outcome.sequence != sequence:
                    raise self._garbled("to a program")
            except LinkError as broken:
                error = broken
                # The script is done by then, if it runs at all.
                busy = max(0.0, started + wait - time.monotonic())
                outcome = self._ask_after(broken, asked, sequence, busy)
            if outcome is not None and outcome.was_run(identity, sequence):
                return outcome
            self._active = None
        problem = f"{error.problem}; program {sequence} was not run, nothing of it was applied"
        raise LinkError(self.smu.name, self.smu.transport.resource, problem)

    def _ask_after(
        self, error: InstrumentError, asked: bool, sequence: int, busy: float
    ) -> Outcome | None:
        """What became of a program whose reply was lost; None if it was surely not run.

        Raises:
            InDoubtError: nobody can tell.
        """
        for _ in range(_ATTEMPTS):
            try:
                outcome = self._come_back(busy)
            except NotConnectedError as gone:
                error = gone
                break
            except LinkError as again:
                error = again
                continue
            if outcome is None and asked:
                break  # reset or power-cycled: nobody knows
            return outcome
        raise InDoubtError(
            self.smu.name,
            self.smu.transport.resource,
            f"{error.problem}; how far program {sequence} got is unknown:"
            " read the crossbar again before going on",
            None,
        ) from error

    def _settle(self, outcome: Outcome, program: PulseProgram, sequence: int) -> tuple[int, int]:
        problem = self._reported() if outcome.errors else ""
        whole = outcome.state == "done" and outcome.applied == program.total_pulses
        if outcome.errors or not whole:
            problem += _HOT if outcome.state == "hot" else ""
            broke_off = outcome.state == "running"  # an error ended the script in a run of pulses
            raise InDoubtError(
                self.smu.name,
                self.smu.transport.resource,
                f"program {sequence} ended as {outcome.state!r} after {outcome.applied} of"
                f" {program.total_pulses} pulses{f': {problem}' if problem else ''}",
                None if broke_off else outcome.applied,
            )
        return outcome.applied, outcome.clipped

    def _reported(self) -> str:
        try:
            self.smu.check_errors()
        except ReportedError as error:
            return error.problem
        except LinkError as error:
            return f"its errors could not be read: {error.problem}"
        return ""

    def _garbled(self, what: str) -> LinkError:
        return LinkError(self.smu.name, self.smu.transport.resource, f"garbled reply {what}")

    def _make_safe(self) -> None:
        """SMU off first, then relays open; relays by the matrix's own link if the SMU is gone."""
        failed: list[str] = []
        for instrument in (self.smu, self.matrix):
            try:
                with instrument.lock:
                    instrument.make_safe()
            except OhmloopError as error:
                failed.append(str(error))
        if failed:
            raise OhmloopError("; ".join(failed))

    def _close(self) -> None:
        if self.smu.tenant is self:
            self.smu.tenant = None
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
            with instrument.lock:
                instrument.make_safe()
        except OhmloopError as error:
            log.error("%s", error)
        instrument.close()
