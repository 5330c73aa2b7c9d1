"""The bench is unplugged in the middle of a run: one clear line, nothing lost, and on it goes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ohmloop.drivers import Bench, Capabilities, load_bench
from ohmloop.sim_backend import PopulationSpec, sample, save_chip
from ohmloop.sim_backend.chip_file import chip_dataset

BENCH = """
name: a bench to unplug
instruments:
  board:
    driver: pulse-board
    resource: socket://127.0.0.1:PORT
    options: {timeout: 300 ms, watchdog: 5 s}
crossbars:
  array: {kind: pulse-board, shape: [10, 64], wiring: {board: board}}
pulses:
  up: {amplitude: 1.5 V, width: 1 us}
  down: {amplitude: -1.5 V, width: 1 us}
  rest: 1 us
read: {voltage: 100 mV, settle: 10 us, nplc: 0.001}
limits: {voltage: 2 V, width: 10 us, read_voltage: 300 mV, current: 1 mA}
emulation: {seed: 3}
"""
EXPERIMENT = """
name: linear digits
model: {layers: [64, 10]}
algorithm: {name: analog-sgd, learning_rate: 0.05}
training: {epochs: EPOCHS, batch: 20}
seed: 2
"""


def line(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "ohmloop.app.cli", *map(str, arguments)]


@contextmanager
def emulator(bench: Path, chips: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        line("emulate", bench, "--chips", chips), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while "ready" not in process.stdout.readline():
            assert process.poll() is None
        try:
            yield process
        finally:
            process.kill()


def truth(bench: Bench) -> xr.Dataset:
    """What a perfect calibration would say of the chip."""
    name = bench.crossbar_name("")
    cells = sample(PopulationSpec(), bench.config.crossbars[name].shape, np.random.default_rng(3))
    conditions, reading = bench.conditions_of(name), bench.reading_of(name)
    return chip_dataset(cells, None, conditions, reading, bench.limits_of(name), Capabilities())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.campaign
def test_a_bench_that_is_unplugged_while_training(tmp_path):
    bench, chips, runs = tmp_path / "bench.yaml", tmp_path / "chips.npz", tmp_path / "runs"
    bench.write_text(BENCH.replace("PORT", str(free_port())))
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text(EXPERIMENT.replace("EPOCHS", "500"))
    with emulator(bench, chips) as served:
        save_chip(truth(load_bench(bench)), tmp_path / "chip.nc")
        arguments = ["--crossbar", bench, "--calibration", tmp_path / "chip.nc", "--runs", runs]
        with subprocess.Popen(
            line("train", experiment, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as training:
            deadline = time.monotonic() + 60
            while not list(runs.glob("*/metrics.csv")) and time.monotonic() < deadline:
                time.sleep(0.05)
            os.kill(served.pid, signal.SIGKILL)
            _, trouble = training.communicate(timeout=60)
    assert training.returncode == 1, trouble
    assert "Traceback" not in trouble
    errors = re.findall(r"^error: .*", trouble, re.MULTILINE)
    assert len(errors) == 1, trouble
    assert "board (socket://127.0.0.1:" in errors[0]
    (run,) = runs.iterdir()
    assert f"--resume {run}" in trouble
    before = totals(run)
    assert before["in doubt"] + before.get("intended", 0) <= 1

    rows = (run / "metrics.csv").read_text().count("\n") - 1
    frozen = run / "experiment.yaml"
    frozen.write_text(frozen.read_text().replace("epochs: 500", f"epochs: {rows + 2}"))
    with emulator(bench, chips):
        resumed = subprocess.run(
            line("train", "--resume", run, "--json"),
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
    result = json.loads(resumed.stdout)
    assert result["epochs"] == rows + 2
    assert result["accuracy"] > 0.6
    assert totals(run)["done"] > before["done"]


def totals(run: Path) -> dict[str, int]:
    with sqlite3.connect(run / "journal.sqlite") as journal:
        found = dict(journal.execute("select state, count(*) from programs group by state"))
    journal.close()
    return {"done": 0, "in doubt": 0} | found
