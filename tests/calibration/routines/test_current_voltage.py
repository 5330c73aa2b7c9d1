from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration.measuring.run import run
from ohmloop.calibration.routines.current_voltage import CurrentVoltage, figure, sweep_dataset
from ohmloop.drivers import BadInputError, LimitError, Limits


def test_planted_law_is_recovered(unknown):
    chip = unknown(iv_v0="0.2 V", iv_v0_dtod=0.1, iv_asymmetry=0.2)
    found = run(CurrentVoltage(), chip)
    (iv,) = chip.cells.population.effects
    # H0: normal errors; 5 of the stated ones, doubled for their own scatter, on 36 cells:
    # false alarm below 1e-5.
    assert (np.abs(found["v0"] - iv.v0) < 10 * found["v0_stderr"]).all()
    assert float(np.abs(found["v0"] / iv.v0 - 1).median()) < 0.02
    np.testing.assert_allclose(found["asymmetry"], 0.2, atol=0.02)
    assert float(found["nonlinearity"].median()) == pytest.approx(1.41, abs=0.05)
    assert not found["disturbed"].any()
    assert not found["compliance"].any()
    assert found["conductance"].attrs["units"] == "S"
    assert chip.pulses_sent == 0
    figure(found)


def test_a_resistor_is_one(unknown):
    found = run(CurrentVoltage(both_polarities=False), unknown(read_std=0.0))
    np.testing.assert_allclose(found["nonlinearity"], 1, rtol=1e-9)
    assert np.isinf(found["v0"]).all()
    assert np.isnan(found["asymmetry"]).all()


def test_some_cells_only(unknown):
    found = run(CurrentVoltage(rows=(1, 4), columns=(0,)), unknown())
    known = np.isfinite(found["nonlinearity"].to_numpy())
    assert np.argwhere(known).tolist() == [[1, 0], [4, 0]]
    with pytest.raises(BadInputError, match="rows: 9 is none of 0 to 5"):
        run(CurrentVoltage(rows=(9,)), unknown())


def test_beyond_the_read_limit_is_refused_before_anything_is_measured(unknown):
    with pytest.raises(LimitError, match=r"read at 400 mV is beyond limits.read_voltage"):
        run(CurrentVoltage(largest="400 mV"), unknown())


def test_cells_that_move_while_they_are_read_are_named(unknown):
    volts = np.array([0.1, 0.2, 0.3] * 2)
    rng = np.random.default_rng(1)
    there = 1e-5 * volts[:, None, None] * (1 + 1e-3 * rng.standard_normal((6, 2, 2)))
    back = there.copy()
    back[:, 0, 1] *= 1.1
    reads = np.full((1, 2, 2), 1e-5)
    found = sweep_dataset(volts, there, volts, back, (reads, reads), 0.1, 2e-6)
    assert np.argwhere(found["disturbed"].to_numpy()).tolist() == [[0, 1]]
    assert found["compliance"].all()  # 3 uA at 0.3 V, and the limit is 2 uA
    assert "1 cells moved while they were read; 4 cells at the limit" in found.attrs["verdict"]
    with pytest.raises(BadInputError, match="no whole sweep"):
        sweep_dataset(-volts, there, -volts, back, (reads, reads), 0.1, np.inf)
    assert unknown(limits=Limits()).limits.read_voltage == np.inf


def test_without_a_limit_it_goes_to_three_times_the_read_voltage(unknown):
    found = run(CurrentVoltage(points=3), unknown(limits=Limits()))
    np.testing.assert_allclose(found["voltage"], [-0.3, -0.2, -0.1, 0.1, 0.2, 0.3])
