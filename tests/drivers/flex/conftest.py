from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ohmloop.drivers import load_bench
from ohmloop.drivers.flex.flex_crossbar import FlexCrossbar
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.instruments import EmulatedBench

SPGU = """
name: small bench
instruments:
  analyser:
    driver: keysight-b1500a
    resource: TCPIP0::127.0.0.1::5063::SOCKET
    options: {smu: 1, spgu: 501}
  matrix:
    driver: keysight-b2200
    resource: TCPIP0::127.0.0.1::5064::SOCKET
crossbars:
  array:
    kind: flex
    shape: [4, 6]
    wiring:
      analyser: analyser
      matrix: matrix
      rows: 10101..10104
      columns: 10205..10210
      pulses: spgu
      pulse_rows: 10301..10304
      current_limit: external
pulses:
  up: {amplitude: 1.5 V, width: 100 us}
  down: {amplitude: -1.5 V, width: 100 us}
  rest: 100 us
read: {voltage: 100 mV, settle: 1 ms, nplc: 0.1}
limits: {voltage: 2 V, width: 10 ms, read_voltage: 300 mV, current: 1 mA, pulses_per_program: 5000}
visa: {timeout: 2 s}
emulation: {seed: 5}
"""

SMU = (
    SPGU.replace("{smu: 1, spgu: 501}", "{smu: 1}")
    .replace("      pulses: spgu\n      pulse_rows: 10301..10304\n", "      pulses: smu\n")
    .replace("      current_limit: external\n", "")
    .replace("width: 100 us", "width: 1 ms")
    .replace("rest: 100 us", "rest: 4 ms")
)

BENCHES = {"spgu": SPGU, "smu": SMU}


@pytest.fixture
def pulses() -> str:
    """Which module pulses; tests parametrise it."""
    return "spgu"


@pytest.fixture
def timeout() -> str:
    """How long a reply is waited for."""
    return "2 s"


@pytest.fixture
def write(tmp_path: Path, pulses: str, timeout: str) -> Callable[..., Path]:
    """Write the bench file with pieces of its text replaced; each piece must be there once."""

    def written(*changes: tuple[str, str]) -> Path:
        text = BENCHES[pulses].replace("timeout: 2 s", f"timeout: {timeout}")
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "bench.yaml"
        path.write_text(text)
        return path

    return written


@pytest.fixture
def emulated(write: Callable[..., Path]) -> Iterator[EmulatedBench]:
    with EmulatedBench(load_bench(write()), any_port=True) as bench:
        bench.cells.read_cell(0)  # draws noise ahead, which takes its time
        bench.cells.reads[:] = 0
        yield bench


@pytest.fixture
def chip(emulated: EmulatedBench) -> Iterator[FlexCrossbar]:
    with open_on_bench(emulated.bench) as crossbar:
        assert isinstance(crossbar, FlexCrossbar)
        yield crossbar


@pytest.fixture
def twin(emulated: EmulatedBench) -> TwinCrossbar:
    """The same cells with the same seed, without wires."""
    cells = emulated.cells
    return TwinCrossbar(
        cells.population,
        seed=cells.seed,
        conditions=emulated.bench.conditions,
        reading=emulated.bench.reading,
    )
