from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ohmloop.drivers import load_bench
from ohmloop.drivers.kxci.kxci_crossbar import Kxci4200Crossbar
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.instruments import EmulatedBench

BENCH = """
name: KXCI bench
instruments:
  scs:
    driver: keithley-4200a
    resource: TCPIP0::127.0.0.1::5061::SOCKET
    options: {current_range: 100 uA, edge: 100 ns}
crossbars:
  array:
    kind: kxci
    shape: [4, 6]
    wiring:
      analyser: scs
      rows: PMU1-1..PMU2-2
      columns: PMU3-1..PMU5-2
      undisturbed: 0.85 V
pulses:
  up: {amplitude: 1.5 V, width: 1 us}
  down: {amplitude: -1.5 V, width: 2 us}
  rest: 1 us
read: {voltage: 100 mV, settle: 10 us, nplc: 0.001}
limits:
  voltage: 2 V
  width: 10 us
  read_voltage: 300 mV
  current: 1 mA
  duty_cycle: 0.7
  pulses_per_program: 5000
visa: {timeout: 2 s}
emulation: {seed: 5}
"""

SMALL = (
    ("shape: [4, 6]", "shape: [2, 2]"),
    ("PMU1-1..PMU2-2", "PMU1-1..PMU1-2"),
    ("PMU3-1..PMU5-2", "PMU2-1..PMU2-2"),
    ("edge: 100 ns", "edge: 100 ns, start: 100 ms"),
    ("timeout: 2 s", "timeout: 150 ms"),
)
"""Changes that make a small bench with a short time-out, for faults."""


@pytest.fixture
def write_kxci_bench(tmp_path: Path) -> Callable[..., Path]:
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
def emulated(write_kxci_bench: Callable[..., Path]) -> Iterator[EmulatedBench]:
    with EmulatedBench(load_bench(write_kxci_bench()), any_port=True) as bench:
        yield bench


@pytest.fixture
def small(write_kxci_bench: Callable[..., Path]) -> Iterator[EmulatedBench]:
    with EmulatedBench(load_bench(write_kxci_bench(*SMALL)), any_port=True) as bench:
        yield bench


@pytest.fixture
def calm(write_kxci_bench: Callable[..., Path]) -> Iterator[EmulatedBench]:
    """Small, with time to answer."""
    with EmulatedBench(load_bench(write_kxci_bench(*SMALL[:3])), any_port=True) as bench:
        yield bench


@pytest.fixture
def chip(emulated: EmulatedBench) -> Iterator[Kxci4200Crossbar]:
    with open_on_bench(emulated.bench) as crossbar:
        assert isinstance(crossbar, Kxci4200Crossbar)
        yield crossbar


@pytest.fixture
def twin_of() -> Callable[[EmulatedBench], TwinCrossbar]:
    """The same cells with the same seed, without wires."""

    def make(emulated: EmulatedBench) -> TwinCrossbar:
        return TwinCrossbar(
            emulated.cells.population,
            seed=emulated.cells.seed,
            conditions=emulated.bench.conditions,
            reading=emulated.bench.reading,
        )

    return make


@pytest.fixture
def twin(emulated: EmulatedBench, twin_of: Callable[[EmulatedBench], TwinCrossbar]) -> TwinCrossbar:
    return twin_of(emulated)
