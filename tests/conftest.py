from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from ohmloop.drivers import load_bench
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.tsp.tsp_crossbar import TspCrossbar
from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.instruments import EmulatedBench

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side: one core is a worker's own
settings.register_profile("ohmloop", deadline=None)  # how busy the machine is fails no test
settings.load_profile("ohmloop")
Unpainted = Callable[[], AbstractContextManager[None]]
SMALL_BENCH = """
name: small bench
instruments:
  smu:
    driver: keithley-2600b
    resource: TCPIP0::127.0.0.1::5025::SOCKET
    options: {channel: a}
  matrix:
    driver: keithley-707b
    resource: TCPIP0::127.0.0.1::5026::SOCKET
    options: {tsp_link_node: 2}
crossbars:
  array:
    kind: tsp
    shape: [4, 6]
    wiring: {source: smu, matrix: matrix, rows: 1A01..1A04, columns: 1H01..1H06}
pulses:
  up: {amplitude: 1.5 V, width: 1 ms}
  down: {amplitude: -1.5 V, width: 1 ms}
  rest: 1 ms
read: {voltage: 100 mV, settle: 1 ms, nplc: 0.1}
limits: {voltage: 2 V, width: 10 ms, read_voltage: 300 mV, current: 1 mA, pulses_per_program: 5000}
visa: {timeout: 2 s}
emulation: {seed: 5}
"""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays: to look for what nobody needs takes a third of the time, in vain."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Nor is it looked through later: that takes a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def bench_file(tmp_path: Path) -> Path:
    path = tmp_path / "bench.yaml"
    path.write_text(SMALL_BENCH)
    return path


@pytest.fixture
def emulated(bench_file: Path) -> Iterator[EmulatedBench]:
    with EmulatedBench(load_bench(bench_file), any_port=True) as bench:
        yield bench


@pytest.fixture
def chip(emulated: EmulatedBench) -> Iterator[TspCrossbar]:
    with open_on_bench(emulated.bench) as crossbar:
        assert isinstance(crossbar, TspCrossbar)
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


@pytest.fixture
def unrendered(unpainted: Unpainted) -> Iterator[None]:
    """Figures of pages are made, but take no time to be painted; files of their own are."""
    with unpainted():
        yield


@pytest.fixture(scope="session")
def unpainted() -> Unpainted:
    """The same as a context, for what is made once for several tests."""
    return _unpainted


@contextmanager
def _unpainted() -> Iterator[None]:
    from matplotlib.backends import backend_agg

    class Blank(backend_agg.FigureCanvasAgg):
        def print_png(self, file: Any, **options: Any) -> None:
            if options:  # savefig has some
                kept = {name: options.get(name) for name in ("metadata", "pil_kwargs")}
                super().print_png(file, **kept)
            else:
                file.write(b"\x89PNG")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend_agg, "FigureCanvasAgg", Blank)
        yield
