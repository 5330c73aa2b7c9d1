from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ohmloop.drivers import load_bench
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.routed import RoutedCrossbar
from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.instruments import EmulatedBench

SMU_BENCH = """
name: small bench
instruments:
  smu: {driver: keysight-b2900, resource: "TCPIP0::127.0.0.1::5045::SOCKET"}
  matrix: {driver: keysight-b2200, resource: "TCPIP0::127.0.0.1::5047::SOCKET"}
crossbars:
  array:
    kind: scpi
    shape: [4, 6]
    wiring: {source: smu, matrix: matrix, rows: 10101..10104, columns: 20201..20206}
pulses:
  up: {amplitude: 1.5 V, width: 100 us}
  down: {amplitude: -1.5 V, width: 100 us}
  rest: 100 us
read: {voltage: 100 mV, settle: 1 ms, nplc: 0.1}
limits: {voltage: 2 V, width: 10 ms, read_voltage: 300 mV, current: 1 mA, pulses_per_program: 5000}
visa: {timeout: 2 s}
emulation: {seed: 5}
"""

GENERATOR = """\
  generator:
    driver: keysight-33600a
    resource: "TCPIP0::127.0.0.1::5046::SOCKET"
    options: {series_resistance: 1.5 kohm}
"""

GENERATOR_BENCH = (
    SMU_BENCH.replace("  matrix: {driver", f"{GENERATOR}  matrix: {{driver")
    .replace("rows: 10101", "generator: generator, generator_input: 9, rows: 10101")
    .replace("width: 100 us", "width: 1 us")
    .replace("rest: 100 us", "rest: 2 us")
)

BENCHES = {"smu": SMU_BENCH, "generator": GENERATOR_BENCH}


@pytest.fixture
def timeout() -> str:
    """How long to wait for replies; a test of faults waits less."""
    return "2 s"


@pytest.fixture(params=["smu", "generator"])
def pulser(request: pytest.FixtureRequest) -> str:
    """The instrument that plays the pulses."""
    return str(request.param)


@pytest.fixture
def write_scpi_bench(tmp_path: Path) -> Callable[..., Path]:
    """Write a bench file with pieces of its text replaced; each piece must be there once."""

    def write(kind: str, *changes: tuple[str, str]) -> Path:
        text = BENCHES[kind]
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "bench.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def emulated(
    pulser: str, timeout: str, write_scpi_bench: Callable[..., Path]
) -> Iterator[EmulatedBench]:
    path = write_scpi_bench(pulser, ("timeout: 2 s", f"timeout: {timeout}"))
    with EmulatedBench(load_bench(path), any_port=True) as bench:
        yield bench


@pytest.fixture
def chip(emulated: EmulatedBench) -> Iterator[RoutedCrossbar]:
    with open_on_bench(emulated.bench) as crossbar:
        assert isinstance(crossbar, RoutedCrossbar)
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
