from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ohmloop.drivers import load_bench
from ohmloop.drivers.board import PulseBoardCrossbar
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.board.pulse_board import EmulatedPulseBoard

BENCH = """
name: board bench
instruments:
  board:
    driver: pulse-board
    resource: socket://127.0.0.1:5030
    options: {timeout: 150 ms, watchdog: 60 s}
crossbars:
  array: {kind: pulse-board, shape: [5, 12], wiring: {board: board}}
pulses:
  up: {amplitude: 1.5 V, width: 1 us}
  down: {amplitude: -1.5 V, width: 1 us}
  rest: 1 us
read: {voltage: 100 mV, settle: 10 us, nplc: 0.001}
limits:
  voltage: 2 V
  width: 10 us
  read_voltage: 300 mV
  current: 1 mA
  duty_cycle: 0.7
  pulses_per_program: 5000
emulation: {seed: 5}
"""


@pytest.fixture
def write_board_bench(tmp_path: Path) -> Callable[..., Path]:
    """Write the bench file with pieces of its text replaced; each piece must be there once."""

    def write(*changes: tuple[str, str]) -> Path:
        text = BENCH
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "bench.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def emulated(write_board_bench: Callable[..., Path]) -> Iterator[EmulatedBench]:
    with EmulatedBench(load_bench(write_board_bench()), any_port=True) as bench:
        yield bench


@pytest.fixture
def firmware(emulated: EmulatedBench) -> EmulatedPulseBoard:
    return emulated.rig.board


@pytest.fixture
def chip(emulated: EmulatedBench) -> Iterator[PulseBoardCrossbar]:
    with open_on_bench(emulated.bench) as crossbar:
        assert isinstance(crossbar, PulseBoardCrossbar)
        yield crossbar


@pytest.fixture
def twin(emulated: EmulatedBench) -> TwinCrossbar:
    """The same cells with the same seed, without wires."""
    return TwinCrossbar(
        emulated.cells.population,
        seed=emulated.cells.seed,
        conditions=emulated.bench.conditions,
        reading=emulated.bench.reading,
    )
