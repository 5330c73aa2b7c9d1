"""A crossbar on a parallel pulse board: all lines driven at once, a training step in two messages.

Products and coincidences are native. A program is one message with its result, as long as it fits
the board's longest frame; a larger one goes ahead in numbered chunks.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.bench_crossbar import BenchCrossbar
from ohmloop.drivers.characteristics import Characteristics
from ohmloop.drivers.conditions import PulseConditions
from ohmloop.drivers.crossbar import Capabilities, log
from ohmloop.drivers.errors import (
    ConfigError,
    InDoubtError,
    InstrumentError,
    LinkError,
    OhmloopError,
)
from ohmloop.drivers.pulses import PulseProgram
from ohmloop.drivers.validation import Record, validate

from .answers import State
from .measuring import Backward, Currents, Forward, Product, ReadCells, ReadRectangle
from .messages import Message
from .programs import board_time, encode_program
from .pulse_board import KIND, PulseBoard
from .run_once import run_once

_PRODUCTS, _COINCIDENCES = 1, 2  # bits of the board's capabilities
_ROOM = 64  # for the head of a message, bytes
_MOST_VECTORS = 65535  # in one message

T = TypeVar("T", bound=np.generic)


class BoardWiring(Record):
    """The ``wiring`` of a crossbar of kind ``pulse-board``.

    Attributes:
        board: name of the board; its lines are the chip's rows and columns, in order.
    """

    board: str


class PulseBoardKind:
    """Kind ``pulse-board`` of the bench file."""

    @staticmethod
    def check(bench: Bench, name: str) -> None:
        """Refuse wiring that cannot be; sends nothing.

        Raises:
            ConfigError: names the key.
        """
        board, key = wiring_of(bench, name).board, f"crossbars.{name}.wiring.board"
        bench.require(key, board, PulseBoard)
        for other, config in bench.config.crossbars.items():
            if other != name and config.kind == KIND and config.wiring.get("board") == board:
                problem = f"{board!r} already drives crossbar {other!r}; a board drives one"
                raise ConfigError(bench.path, key, problem)

    @staticmethod
    def open(
        bench: Bench, name: str, characteristics: Characteristics | None = None
    ) -> PulseBoardCrossbar:
        """Connect, check who answers, set the board's limits and watchdog.

        Raises:
            NotConnectedError: nobody answers.
            WrongInstrumentError: it is no pulse board, or one of another shape.
            ReportedError: it refuses the limits.
        """
        board = PulseBoard.connect(bench, wiring_of(bench, name).board)
        try:
            return PulseBoardCrossbar(bench, name, board, characteristics)
        except BaseException:
            _quietly_off(board)
            raise


def wiring_of(bench: Bench, name: str) -> BoardWiring:
    """The wiring of crossbar ``name``.

    Raises:
        ConfigError: names the key.
    """
    config = bench.config.crossbars[name]
    return validate(BoardWiring, config.wiring, bench.path, f"crossbars.{name}.wiring")


class PulseBoardCrossbar(BenchCrossbar):
    """See the module. Opened by ``open_crossbar``.

    Attributes:
        board: the instrument.
    """

    def __init__(
        self,
        bench: Bench,
        name: str,
        board: PulseBoard,
        characteristics: Characteristics | None = None,
    ) -> None:
        can = board.about.capabilities
        super().__init__(
            bench,
            name,
            characteristics,
            Capabilities(bool(can & _PRODUCTS), bool(can & _COINCIDENCES)),
        )
        self.board = board
        self._check_means(self.conditions)
        self._integration = self.reading.nplc / board.options.line_frequency
        board.prepare(self.limits)

    @property
    def messages(self) -> int:
        """Messages sent to the board so far."""
        return self.board.link.traffic.messages

    def _check_means(self, c: PulseConditions) -> None:
        about = self.board.about
        widths, volts = (c.up.width, c.down.width), (c.up.amplitude, c.down.amplitude)
        if min(widths) < about.shortest or max(widths) > about.longest:
            self._cannot(f"times pulses of {about.shortest:g} s to {about.longest:g} s only")
        if max(map(abs, (*volts, self.reading.voltage))) > about.voltage:
            self._cannot(f"makes at most {about.voltage:g} V")

    def _cannot(self, what: str) -> None:
        problem = f"{what}; change the bench file's pulses or take another board"
        raise InstrumentError(self.board.name, self.board.link.resource, problem)

    def _read(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        return self._currents(rows, columns, self.reading.voltage) / self.reading.voltage

    def _currents(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], voltage: float
    ) -> NDArray[np.float64]:
        requests = self._read_requests(rows, columns, voltage)
        currents = [self._measure(*request) for request in requests]
        flat = np.concatenate(currents) if currents else np.empty(0)
        return flat.reshape(rows.size, columns.size)

    def _read_requests(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], voltage: float
    ) -> list[tuple[Message, int]]:
        """Requests that read ``rows`` x ``columns`` in order, each with its number of cells."""
        if not rows.size or not columns.size:
            return []
        head = (voltage, self.reading.settle, self._integration)
        most = self.board.about.max_payload // 8
        if _neighbours(rows) and _neighbours(columns) and columns.size <= most:
            first, width, tall = int(columns[0]), columns.size, most // columns.size
            return [
                (ReadRectangle(*head, int(part[0]), part.size, first, width), part.size * width)
                for part in _blocks(rows, tall)
            ]
        cells = np.stack(np.broadcast_arrays(rows[:, None], columns), axis=-1).reshape(-1, 2)
        listed = (self.board.about.max_payload - _ROOM) // 8
        return [
            (ReadCells(*head, part.astype(np.uint16)), len(part)) for part in _blocks(cells, listed)
        ]

    def _forward(self, column_voltages: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._product(Forward, column_voltages, self.shape[0])

    def _backward(self, row_voltages: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._product(Backward, row_voltages, self.shape[1])

    def _product(
        self, kind: type[Product], volts: NDArray[np.float64], outputs: int
    ) -> NDArray[np.float64]:
        longest = max(volts.shape[1], outputs)
        fits = min(_MOST_VECTORS, (self.board.about.max_payload - _ROOM) // (8 * longest))
        parts = [
            self._measure(
                kind(self.reading.settle, self._integration, part), len(part) * outputs, len(part)
            )
            for part in _blocks(volts, fits)
        ]
        flat = np.concatenate(parts) if parts else np.empty(0)
        return flat.reshape(-1, outputs)

    def _measure(
        self, request: Message, values: int, steps: int | None = None
    ) -> NDArray[np.float64]:
        """Currents; ``steps`` is how often the board settles and integrates."""
        times = values if steps is None else steps
        wait = times * (self.reading.settle + self._integration)
        currents = self.board.repeat(request, Currents, wait, 8 * values).values
        where = (self.board.name, self.board.link.resource)
        if currents.size != values:
            raise LinkError(*where, f"answers {currents.size} currents, not {values}")
        missing = values - np.count_nonzero(np.isfinite(currents))
        if missing:
            problem = f"no reading for {missing} of {values}: currents beyond the board's range"
            raise InstrumentError(*where, f"{problem}; lower the voltages")
        return currents

    def _pulse(self, program: PulseProgram, sequence: int) -> tuple[int, int]:
        conditions = program.conditions or self.conditions
        body = encode_program(program, conditions, self.capabilities.coincidence_update)
        result = run_once(self.board, body, board_time(program, conditions))
        if result.state != State.DONE or result.applied != program.total_pulses:
            raise InDoubtError(
                self.board.name,
                self.board.link.resource,
                f"program {sequence} was stopped after {result.applied} of"
                f" {program.total_pulses} pulses: read the crossbar again before going on",
                result.applied,
            )
        return result.applied, result.clipped

    def _make_safe(self) -> None:
        self.board.make_safe()

    def _close(self) -> None:
        self.board.close()


def _neighbours(lines: NDArray[np.intp]) -> bool:
    return bool((lines[1:] - lines[:-1] == 1).all())


def _blocks(values: NDArray[T], size: int) -> list[NDArray[T]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def _quietly_off(board: PulseBoard) -> None:
    try:
        board.make_safe()
    except OhmloopError as error:
        log.error("%s", error)
    board.close()
