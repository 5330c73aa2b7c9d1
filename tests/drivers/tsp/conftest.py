from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ohmloop.drivers import load_bench
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.tsp.tsp_crossbar import TspCrossbar
from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.instruments import EmulatedBench

BENCH = """
name: bench
instruments:
  smu:
    driver: keithley-2600b
    resource: TCPIP0::127.0.0.1::5025::SOCKET
    options: {{channel: a{smu}}}
  matrix:
    driver: keithley-707b
    resource: TCPIP0::127.0.0.1::5026::SOCKET
    options: {{tsp_link_node: 2}}
crossbars:
  left:
    kind: tsp
    shape: [4, 6]
    wiring: {{source: smu, matrix: matrix, rows: 1A01..1A04, columns: 1H01..1H06{wiring}}}
{others}
pulses:
  up: {{amplitude: 1.5 V, width: {width}}}
  down: {{amplitude: -1.5 V, width: {width}}}
  rest: {rest}
read: {{voltage: 100 mV, settle: 1 ms, nplc: 0.1}}
limits:
  voltage: 2 V
  width: 200 ms
  read_voltage: 300 mV
  current: {current}
  pulses_per_program: 40000
visa: {{timeout: {timeout}}}
emulation: {{seed: 5{emulation}}}
"""

DEFAULTS = {
    "smu": "",
    "wiring": "",
    "others": "",
    "width": "200 us",
    "rest": "300 us",
    "current": "1 mA",
    "timeout": "2 s",
    "emulation": "",
}

RIGHT = """
  right:
    kind: tsp
    shape: [3, 5]
    wiring: {{source: smu, matrix: matrix, rows: 2A01..2A03, columns: 2H01..2H05{wiring}}}
"""

Bench = Callable[..., EmulatedBench]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Bench]:
    """Start an emulated bench with parts of its file replaced."""
    with ExitStack() as stack:

        def start(right: str | None = None, **changes: str) -> EmulatedBench:
            if right is not None:
                changes["others"] = RIGHT.format(wiring=right)
            path = tmp_path / "bench.yaml"
            path.write_text(BENCH.format(**{**DEFAULTS, **changes}))
            return stack.enter_context(EmulatedBench(load_bench(path), any_port=True))

        yield start


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Only the bench file."""

    def write_file(right: str | None = None, **changes: str) -> Path:
        if right is not None:
            changes["others"] = RIGHT.format(wiring=right)
        path = tmp_path / "bench.yaml"
        path.write_text(BENCH.format(**{**DEFAULTS, **changes}))
        return path

    return write_file


def opened(emulated: EmulatedBench, name: str = "left") -> TspCrossbar:
    crossbar = open_on_bench(emulated.bench, name)
    assert isinstance(crossbar, TspCrossbar)
    return crossbar


def twin_of(emulated: EmulatedBench, name: str = "left", **options: Any) -> TwinCrossbar:
    """The same cells with the same seed, without wires."""
    cells = emulated.chips[name].cells
    return TwinCrossbar(
        cells.population,
        seed=cells.seed,
        conditions=emulated.bench.conditions,
        reading=emulated.bench.reading,
        **options,
    )


@pytest.fixture
def tools() -> Any:
    """``opened`` and ``twin_of``, for tests cannot import each other's files."""

    class Tools:
        open = staticmethod(opened)
        twin = staticmethod(twin_of)

    return Tools
