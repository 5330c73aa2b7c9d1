from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ohmloop.drivers.arc_two import ArcTwoCrossbar
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.arc_two.arc_two import EmulatedArcTwo

ARC_BENCH = """
name: small array board
instruments:
  board:
    driver: arc-two
    resource: socket://127.0.0.1:5060
    options: {timeout: 300 ms}
crossbars:
  array:
    kind: arc-two
    shape: [4, 6]
    wiring: {board: board, rows: "7..8, 32, 47", columns: "63, 16..18, 31, 48"}
pulses:
  up: {amplitude: 1.25 V, width: 1 us}
  down: {amplitude: -1.25 V, width: 500 ns}
  rest: 1 us
read: {voltage: 100 mV}
limits: {voltage: 2 V, width: 10 us, read_voltage: 300 mV, current: 1 mA, pulses_per_program: 5000}
emulation: {seed: 5}
"""


@pytest.fixture
def bench_text() -> str:
    return ARC_BENCH


@pytest.fixture
def bench_file(tmp_path: Path, bench_text: str) -> Path:
    path = tmp_path / "bench.yaml"
    path.write_text(bench_text)
    return path


@pytest.fixture
def chip(emulated: EmulatedBench) -> Iterator[ArcTwoCrossbar]:
    with open_on_bench(emulated.bench) as crossbar:
        assert isinstance(crossbar, ArcTwoCrossbar)
        yield crossbar


@pytest.fixture
def board(emulated: EmulatedBench) -> EmulatedArcTwo:
    device = emulated.rig.board
    assert isinstance(device, EmulatedArcTwo)
    return device
