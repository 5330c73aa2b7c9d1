from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ohmloop.drivers import load_bench
from ohmloop.drivers.flex.flex_crossbar import FlexCrossbar
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.benches import small_bench

FAMILIES = {"spgu": "flex", "smu": "flex-smu"}


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
        text = small_bench(FAMILIES[pulses]).path.read_text()
        text = text.replace("timeout: 200 ms", f"timeout: {timeout}")
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
