from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ohmloop.app.cli import main
from ohmloop.sim_backend.instruments import EmulatedBench


@pytest.fixture(autouse=True)
def _unpainted(request: pytest.FixtureRequest) -> None:
    """What a command draws is made, and painted only where the test is of the picture."""
    if request.node.get_closest_marker("painted") is None:
        request.getfixturevalue("unrendered")


@dataclass
class Outcome:
    status: int
    out: str
    err: str


@pytest.fixture
def ohmloop(monkeypatch, capsys) -> Callable[..., Outcome]:
    """Runs the command line in this process."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["ohmloop", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return Outcome(int(end.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def live_bench_file(bench_file: Path, emulated: EmulatedBench) -> Path:
    """A bench file whose resources are being served."""
    text = bench_file.read_text()
    for name, port in (("smu", 5025), ("matrix", 5026)):
        served = emulated.servers[name].port
        text = text.replace(f"127.0.0.1::{port}::", f"127.0.0.1::{served}::")
    bench_file.write_text(text)
    return bench_file
