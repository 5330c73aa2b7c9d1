"""Several crossbars on one emulated bench, each with instruments of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ohmloop.drivers import CellPulses, ConfigError, load_bench, open_crossbar
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.benches import small_bench

TWO = """
name: two boards
instruments:
  one: {driver: pulse-board, resource: "socket://127.0.0.1:5130"}
  two: {driver: pulse-board, resource: "socket://127.0.0.1:5131"}
crossbars:
  left: {kind: pulse-board, shape: [4, 6], wiring: {board: one}}
  right: {kind: pulse-board, shape: [3, 5], wiring: {board: two}}
"""


@pytest.fixture
def two_boards(tmp_path) -> Path:
    single = (small_bench("pulse-board").path).read_text()
    path = tmp_path / "two.yaml"
    path.write_text(TWO + single[single.index("pulses:") :])
    return path


def test_each_crossbar_has_a_chip_of_its_own(two_boards):
    with EmulatedBench(load_bench(two_boards), any_port=True) as emulated:
        assert len(emulated.rigs) == 2
        assert set(emulated.devices) == {"one", "two"}
        with (
            open_on_bench(emulated.bench, "left") as left,
            open_on_bench(emulated.bench, "right") as right,
        ):
            assert (left.shape, right.shape) == ((4, 6), (3, 5))
            right.pulse(CellPulses(np.full((3, 5), 2)))
            pulses = {name: chip.cells.pulses_applied for name, chip in emulated.chips.items()}
            assert pulses == {"left": 0, "right": 30}
            assert emulated.pulses_applied == 30
            assert emulated.outputs_on
        assert not emulated.outputs_on


def test_which_crossbar_has_to_be_said(two_boards):
    with pytest.raises(ConfigError, match="several crossbars; name one as"):
        open_crossbar(str(two_boards))
    with pytest.raises(ConfigError, match="no crossbar 'middle'"):
        open_crossbar(f"{two_boards}#middle")


def test_the_first_chip_is_the_one_of_a_bench_with_one(two_boards, tmp_path):
    with (
        EmulatedBench(small_bench("pulse-board"), any_port=True) as one,
        EmulatedBench(load_bench(two_boards), any_port=True) as two,
    ):
        assert np.array_equal(one.cells.conductance, two.chips["left"].cells.conductance)
        assert two.chips["right"].cells.seed != two.chips["left"].cells.seed
