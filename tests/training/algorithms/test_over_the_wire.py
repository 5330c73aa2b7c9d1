"""The same seed gives the same conductances on the twin and over the wire, for every algorithm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.drivers import Crossbar, load_bench
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.training import AnalogOptimizer, convert_to_analog, mlp

BENCH = """
name: board bench
instruments:
  board:
    driver: pulse-board
    resource: socket://127.0.0.1:5030
    options: {watchdog: 60 s}
crossbars:
  array: {kind: pulse-board, shape: [12, 6], wiring: {board: board}}
pulses:
  up: {amplitude: 1.5 V, width: 1 us}
  down: {amplitude: -1.5 V, width: 1 us}
  rest: 1 us
read: {voltage: 100 mV, settle: 10 us, nplc: 0.001}
limits:
  voltage: 2 V
  width: 10 us
  read_voltage: 300 mV
  current: 1 mA
  duty_cycle: 0.7
  pulses_per_program: 5000
emulation: {seed: 5}
"""
QUICK = ("ERIDER", "AGAD")

Arrays = Callable[[str], int]
Make = Callable[..., AnalogOptimizer]


def trained(chip: Crossbar, optimizer_of: Callable[..., AnalogOptimizer], arrays: int) -> nn.Module:
    layer = convert_to_analog(mlp([6, 3], seed=0).linear1, chip, arrays=arrays, omega=0.5)
    optimizer, draw = optimizer_of(layer.parameters()), np.random.default_rng(1)
    for _ in range(25):
        x = torch.from_numpy(draw.uniform(0, 1, (5, 6))).float()
        y = torch.from_numpy(draw.integers(0, 3, 5))
        optimizer.zero_grad()
        nn.functional.cross_entropy(layer(x), y).backward()
        optimizer.step()
    return layer


def check(name: str, arrays_of: Arrays, make: Make, folder: Path) -> None:
    file = folder / "bench.yaml"
    file.write_text(BENCH, encoding="utf-8")
    arrays = arrays_of(name)

    def optimizer_of(params: object) -> AnalogOptimizer:
        return make(name, params)

    with (
        EmulatedBench(load_bench(file), any_port=True) as emulated,
        open_on_bench(emulated.bench) as chip,
    ):
        cells = emulated.cells
        chip.characteristics = cells.population.characteristics()
        twin = TwinCrossbar(
            cells.population,
            seed=cells.seed,
            conditions=emulated.bench.conditions,
            reading=emulated.bench.reading,
            capabilities=chip.capabilities,
            limits=chip.limits,
        )
        start = cells.conductance
        trained(chip, optimizer_of, arrays)
        trained(twin, optimizer_of, arrays)
        assert np.array_equal(cells.conductance, twin.conductance)
        assert (cells.conductance[: 3 * arrays] != start[: 3 * arrays]).all()


@pytest.mark.parametrize("name", QUICK)
def test_two_algorithms(name: str, arrays_of: Arrays, make: Make, tmp_path: Path) -> None:
    check(name, arrays_of, make, tmp_path)


@pytest.mark.campaign
def test_all_algorithms(algorithm: str, arrays_of: Arrays, make: Make, tmp_path: Path) -> None:
    check(algorithm, arrays_of, make, tmp_path)
