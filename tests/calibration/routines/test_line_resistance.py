from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration.analysis.wires import NAMES
from ohmloop.calibration.measuring.run import run
from ohmloop.calibration.routines.line_resistance import LineResistance, figure, trend_of
from ohmloop.drivers import Capabilities
from ohmloop.sim_backend.periphery import Periphery

PARALLEL = Capabilities(parallel_forward=True)


def _around(**ohms):
    wires = {name: f"{value} ohm" for name, value in ohms.items()}
    return Periphery.model_validate({"wires": wires, "wire_method": "exact"})


def test_planted_wires_lie_within_their_errors(planted):
    # H0: 4 resistances within 4.5 standard errors: false alarm 3e-5.
    truth = {"row_segment": 12.0, "column_segment": 5.0, "source": 60.0, "sense": 30.0}
    twin = planted((16, 12), read_std=0.002, capabilities=PARALLEL, periphery=_around(**truth))
    found = run(LineResistance(), twin)
    for name, value in truth.items():
        assert abs(float(found[name]) - value) < 4.5 * float(found[f"{name}_stderr"]), name
    assert float(found["row_segment_stderr"]) < 2
    assert abs(float(found["gain"]) - 1) < 4.5 * float(found["gain_stderr"])
    assert "row segment" in found.attrs["verdict"]
    assert figure(found).axes


def test_ideal_wires_are_none(planted):
    # H0: none; estimates are not negative, so 4.5 standard errors from one side.
    twin = planted((12, 12), read_std=0.002, capabilities=PARALLEL)
    found = run(LineResistance(repeats=4), twin)
    for name in NAMES:
        assert float(found[name]) < 4.5 * float(found[f"{name}_stderr"])
        assert f"{name.replace('_', ' ')} below" in found.attrs["verdict"]


def test_a_bench_of_single_cells_says_what_it_cannot_tell(planted):
    # H0: no trend, 4.5 standard errors.
    found = run(LineResistance(repeats=2), planted((16, 16), read_std=0.002))
    for name in ("row_segment", "column_segment"):
        assert abs(float(found[name])) < 4.5 * float(found[f"{name}_stderr"])
    assert "cannot be told" in found.attrs["verdict"]
    assert "source" not in found
    assert figure(found).axes


def test_a_trend_over_lines_is_a_segment():
    row, column = np.indices((32, 32))
    noise = 1 + 0.005 * np.random.default_rng(1).standard_normal((32, 32))
    ohms = 1 / 50e-6 * noise + 40.0 * column + 10.0 * row
    found = trend_of(1 / ohms)
    for name, value in (("row_segment", 40.0), ("column_segment", 10.0)):
        error = float(found[f"{name}_stderr"])
        assert float(found[name]) == pytest.approx(value, abs=4.5 * error)
        assert error < 1
