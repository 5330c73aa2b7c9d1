"""A crossbar on an ArC TWO: up to 32 x 32 cells, all lines driven and read at once.

A read drives one line at a time and measures all lines across it together; products and
coincidences are the chip's own. The board has neither a current limit nor a voltage clamp:
``limits.current`` is held by nothing here, and ``limits.voltage`` by this driver alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.bench_crossbar import BenchCrossbar
from ohmloop.drivers.characteristics import Characteristics
from ohmloop.drivers.crossbar import Capabilities, log
from ohmloop.drivers.errors import ConfigError, InstrumentError, OhmloopError, ProgramError
from ohmloop.drivers.pulses import PulseProgram
from ohmloop.drivers.validation import Record, validate

from .arc_two import KIND, ArcTwo, check_resource
from .channels import expand, group_of
from .operations import Measurement
from .planning import Lines, Planner
from .words import LSB, RANGE


class ArcTwoWiring(Record):
    """The ``wiring`` of a crossbar of kind ``arc-two``.

    Attributes:
        board: name of the board.
        rows: channel of each row, in order: channels and ranges, ``0..15, 32..47``.
        columns: channel of each column, in the other group of channels.
    """

    board: str
    rows: str
    columns: str


class ArcTwoKind:
    """Kind ``arc-two`` of the bench file."""

    @staticmethod
    def check(bench: Bench, name: str) -> None:
        """Refuse wiring that cannot be; sends nothing.

        Raises:
            ConfigError: names the key.
        """
        wiring, key = wiring_of(bench, name), f"crossbars.{name}.wiring"
        _check_board(bench, name, wiring.board, f"{key}.board")
        rows, columns = lines_of(bench, name)
        if _group(bench, rows, f"{key}.rows") == _group(bench, columns, f"{key}.columns"):
            problem = "hang on the same group of channels as the rows; they need the other one"
            raise ConfigError(bench.path, f"{key}.columns", problem)
        try:
            Planner(rows, columns, bench.limits).check(bench.conditions)
        except ProgramError as error:
            raise ConfigError(bench.path, "pulses", str(error)) from None
        if not LSB / 2 < abs(bench.reading.voltage) < RANGE:
            problem = f"this board makes {LSB * 1e3:.3g} mV to {RANGE:g} V"
            raise ConfigError(bench.path, "read.voltage", problem)

    @staticmethod
    def open(
        bench: Bench, name: str, characteristics: Characteristics | None = None
    ) -> ArcTwoCrossbar:
        """Connect, and connect all channels to ground.

        Raises:
            NotConnectedError: nobody answers.
            WrongInstrumentError: somebody else does.
            InstrumentError: a line cannot be grounded.
        """
        board = ArcTwo.connect(bench, wiring_of(bench, name).board)
        try:
            board.make_safe()
            return ArcTwoCrossbar(bench, name, board, characteristics)
        except BaseException:
            _quietly_off(board)
            raise


def wiring_of(bench: Bench, name: str) -> ArcTwoWiring:
    """The wiring of crossbar ``name``.

    Raises:
        ConfigError: names the key.
    """
    config = bench.config.crossbars[name]
    return validate(ArcTwoWiring, config.wiring, bench.path, f"crossbars.{name}.wiring")


def lines_of(bench: Bench, name: str) -> tuple[list[int], list[int]]:
    """The chip map: channel of each row and of each column.

    Raises:
        ConfigError: names the key.
    """
    wiring, shape = wiring_of(bench, name), bench.config.crossbars[name].shape
    found = []
    for lines, count in zip(("rows", "columns"), shape, strict=True):
        key = f"crossbars.{name}.wiring.{lines}"
        try:
            channels = expand(getattr(wiring, lines))
        except ValueError as error:
            raise ConfigError(bench.path, key, str(error)) from None
        if len(channels) != count:
            problem = f"lists {len(channels)} channels, but the shape has {count} {lines}"
            raise ConfigError(bench.path, key, problem)
        found.append(channels)
    return found[0], found[1]


class ArcTwoCrossbar(BenchCrossbar):
    """See the module. Opened by ``open_crossbar``.

    Attributes:
        board: the instrument.
    """

    def __init__(
        self,
        bench: Bench,
        name: str,
        board: ArcTwo,
        characteristics: Characteristics | None = None,
    ) -> None:
        super().__init__(
            bench,
            name,
            characteristics,
            Capabilities(parallel_forward=True, coincidence_update=True),
        )
        self.board = board
        self._planner = Planner(*lines_of(bench, name), bench.limits)

    @property
    def messages(self) -> int:
        """Messages sent to the board so far."""
        return self.board.port.traffic.messages

    def _read(self, rows: Lines, columns: Lines) -> NDArray[np.float64]:
        currents, applied = self._sliced(rows, columns, self.reading.voltage)
        return currents / applied

    def _currents(self, rows: Lines, columns: Lines, voltage: float) -> NDArray[np.float64]:
        """Currents, referred from the code that was applied to the voltage asked for."""
        currents, applied = self._sliced(rows, columns, voltage)
        return currents * (voltage / applied) if applied else currents

    def _sliced(
        self, rows: Lines, columns: Lines, voltage: float
    ) -> tuple[NDArray[np.float64], float]:
        """Currents from row to column, and the voltage that was applied."""
        if not rows.size or not columns.size:
            return np.empty((rows.size, columns.size)), LSB
        wanted, code = self._planner.slices(rows, columns, voltage, self.reading.settle)
        if rows.size <= columns.size:
            return -self._measure(wanted, self._planner.columns[columns]), code * LSB
        return self._measure(wanted, self._planner.rows[rows]).T, code * LSB

    def _forward(self, column_voltages: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._product(column_voltages, self._planner.columns, self._planner.rows)

    def _backward(self, row_voltages: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._product(row_voltages, self._planner.rows, self._planner.columns)

    def _product(
        self, volts: NDArray[np.float64], driven: Lines, sensed: Lines
    ) -> NDArray[np.float64]:
        wanted = self._planner.products(volts, driven, sensed, self.reading.settle)
        return -self._measure(wanted, sensed)

    def _measure(self, wanted: list[Measurement], sensed: Lines) -> NDArray[np.float64]:
        """Currents out of the ``sensed`` channels, ``(measurements, sensed)``."""
        currents = self.board.port.measure(wanted)[:, sensed]
        missing = currents.size - np.count_nonzero(np.isfinite(currents))
        if missing:
            raise InstrumentError(
                self.board.name,
                self.board.port.resource,
                f"no reading for {missing} of {currents.size}: currents beyond the board's range,"
                " 12 mA a line; lower the voltages",
            )
        return currents

    def _pulse(self, program: PulseProgram, sequence: int) -> tuple[int, int]:  # noqa: ARG002
        conditions = program.conditions or self.conditions
        return self.board.port.pulse(self._planner.pulses(program, conditions)), 0

    def _make_safe(self) -> None:
        self.board.make_safe()

    def _close(self) -> None:
        self.board.close()


def _check_board(bench: Bench, name: str, board: str, key: str) -> None:
    bench.require(key, board, ArcTwo)
    for other, config in bench.config.crossbars.items():
        if other != name and config.kind == KIND and config.wiring.get("board") == board:
            problem = f"{board!r} already drives crossbar {other!r}; a board drives one"
            raise ConfigError(bench.path, key, problem)
    check_resource(bench, board)


def _group(bench: Bench, channels: list[int], key: str) -> int:
    try:
        return group_of(channels)
    except ValueError as error:
        raise ConfigError(bench.path, key, str(error)) from None


def _quietly_off(board: ArcTwo) -> None:
    try:
        board.make_safe()
    except OhmloopError as error:
        log.error("%s", error)
    board.close()
