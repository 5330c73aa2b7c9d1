"""A third party's driver, as the docs show it, installed beside ohmloop and proven by the kit."""

from __future__ import annotations

import importlib
import re
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ohmloop.drivers import ConfigError, load_bench, open_crossbar
from ohmloop.drivers.testing import CHECKS
from ohmloop.sim_backend import PopulationSpec, sample
from ohmloop.sim_backend.cell_array import CellArray

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-driver.md"
BENCH = """
name: acme bench
instruments:
  tester: {driver: acme-at8, resource: "TCPIP0::127.0.0.1::PORT::SOCKET"}
crossbars:
  array: {kind: acme, shape: [3, 4], wiring: {tester: tester}}
pulses:
  up: {amplitude: 1 V, width: 1 us}
  down: {amplitude: -1 V, width: 1 us}
  rest: 1 us
read: {voltage: 100 mV}
limits: {voltage: 2 V, width: 10 us, read_voltage: 200 mV, current: 1 mA, pulses_per_program: 999}
"""


@pytest.fixture
def installed(tmp_path, monkeypatch) -> None:
    """The module of the docs page and its entry points, where Python finds packages."""
    blocks = dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', PAGE.read_text(), re.DOTALL))
    code = blocks["acme_ohmloop.py"]
    assert code.count("\n") < 80
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) < 60
    (tmp_path / "acme_ohmloop.py").write_text(code)
    info = tmp_path / "acme_ohmloop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-ohmloop\nVersion: 1.0\n")
    points = re.sub(r'\[project\.entry-points\."([^"]+)"\]', r"[\1]", blocks.popitem()[1])
    (info / "entry_points.txt").write_text(points.replace('"', ""))
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield
    sys.modules.pop("acme_ohmloop", None)


@pytest.fixture
def bench(tmp_path, installed) -> Iterator[Path]:
    """A tester with cells behind it, and the bench file that names it."""
    listener = socket.create_server(("127.0.0.1", 0))
    population = sample(PopulationSpec(), (3, 4), np.random.default_rng(1))
    cells = CellArray(population, seed=1)

    def answer(line: str) -> str:
        verb, *numbers = line.split()
        if verb == "*IDN?":
            return "ACME,AT-8,1,1.0\n"
        if verb == "OFF":
            return ""
        cell = int(numbers[0]) * 4 + int(numbers[1])
        if verb == "R":
            return f"{cells.read_cell(cell)!r}\n"
        for _ in range(abs(int(numbers[2]))):
            cells.pulse_cell(cell, up=int(numbers[2]) > 0)
        return f"{abs(int(numbers[2]))}\n"

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, client.makefile("r") as lines:
                for line in lines:
                    client.sendall(answer(line).encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    path = tmp_path / "acme.yaml"
    path.write_text(BENCH.replace("PORT", str(listener.getsockname()[1])))
    yield path
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(timeout=5)


@pytest.mark.conformance
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_documented_driver_passes_the_conformance_kit(check, bench):
    check(lambda: open_crossbar(str(bench)))


def test_its_mistakes_are_reported_like_ours(bench):
    text = bench.read_text()
    bench.write_text(text.replace("wiring: {tester: tester}", "wiring: {testr: tester}"))
    with pytest.raises(ConfigError, match=r"crossbars\.array\.wiring\.testr: unknown key"):
        load_bench(bench)


def test_without_the_package_its_names_are_unknown(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text(BENCH.replace("PORT", "9"))
    with pytest.raises(ConfigError, match=r"instruments\.tester\.driver: no 'acme-at8'"):
        load_bench(path)
