"""The routines on twins whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration import MeasurementStore, Recipe, measure, run
from ohmloop.calibration.measuring import Measured
from ohmloop.calibration.routines.continuity import Continuity
from ohmloop.calibration.routines.pulse_response import PulseResponse
from ohmloop.calibration.routines.symmetric_point import SymmetricPointRoutine, drift_in_errors
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample

SHAPE = (12, 12)
CELLS = sample(PopulationSpec(), SHAPE, np.random.default_rng(2))


def chip() -> TwinCrossbar:
    return TwinCrossbar(CELLS, seed=8)


def test_continuity_pulses_nothing_and_finds_nothing():
    sent = chip()
    found = run(Continuity(), sent)
    assert sent.pulses_sent == 0
    assert not found["state"].any()
    assert found.attrs["verdict"] == "nothing open or shorted"
    np.testing.assert_allclose(found["conductance"], CELLS.conductance, rtol=0.1)


def test_trains_span_the_window():
    found = run(PulseResponse(up_pulses=200, down_pulses=200, pulses_per_read=20), chip())
    response = CELLS.response
    reach = response.g_max - response.g_min
    assert (found["g_low"] < response.g_min + 0.2 * reach).mean() > 0.9
    assert (found["g_high"] > response.g_max - 0.2 * reach).mean() > 0.9
    assert found["read_std"].median() == pytest.approx(np.median(CELLS.read_std), rel=0.2)
    assert (found["step_up"] > 0).all()
    assert (found["step_down"] < 0).all()


def test_alternation_goes_on_until_cells_settle():
    """From far away, 8 readings are not enough; what it ends at holds the truth."""
    store = MeasurementStore()
    routine = SymmetricPointRoutine(approach=0, most_reads=120)
    far = chip()
    measure(Recipe.of(PulseResponse(), routine), far, store)
    measured = Measured(store, "symmetric_point")
    readings = measured.readings("alternate")
    assert 8 < len(readings) < 120
    assert drift_in_errors(readings[:8]) > 1
    found = routine.analyse(measured)
    assert "have settled" in found.attrs["verdict"]
    assert found.attrs["pulses"] == 5 * len(readings)
    assert 50 < found.attrs["pulses_by_theory"] < 1000
    truth = CELLS.response.symmetric_point
    z = (found["symmetric_point"] - truth) / found["symmetric_point_stderr"]
    assert np.median(np.abs(z)) < 1.5


def test_groups_say_unit_and_meaning():
    for routine in (Continuity(), PulseResponse(), SymmetricPointRoutine()):
        found = run(routine, chip())
        assert found.attrs["verdict"]
        for variable in found.data_vars.values():
            assert {"units", "long_name"} <= set(variable.attrs)
