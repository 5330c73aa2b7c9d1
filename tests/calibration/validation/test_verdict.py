"""Verdicts on twins whose truth is known.

The tests of a verdict pass a limit where it is passed by 3.1 standard errors, so that about a dozen
of them together call a twin at its limits wrong once in 100 times; a perfect twin is further
within. The seeds are fixed, so that a test that passes goes on passing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ohmloop.calibration.validation import ValidationPlan, Word, validate_twin
from ohmloop.drivers.pulses import CellPulses
from ohmloop.sim_backend import PopulationSpec, sample
from ohmloop.sim_backend.arrays import NumpyArrays
from ohmloop.sim_backend.effects import Drift
from ohmloop.sim_backend.responses.constant_step import ConstantStep


def test_fitted_twin_is_good_and_knows_how_good(record, cells, tried):
    found = tried(cells, record)
    assert found.verdict.word is Word.GOOD, found.verdict.text
    for level, coverage in found.scores.coverage.items():
        assert abs(coverage.value - level) < 0.03
    assert not found.scores.failing


@pytest.mark.parametrize(
    ("factors", "sure"),
    [
        ({"slope_up": 1.5, "slope_down": 1.5}, Word.CHANGED),
        ({"slope_up": 0.6, "slope_down": 1.4}, Word.CHANGED),
    ],
)
def test_changed_chip_is_caught(kit, truth, tried, factors, sure):
    found = tried(kit.scaled(truth, **factors), kit.file_of(truth))
    assert found.verdict.word is sure, found.verdict.text
    assert not found.verdict.serves


def test_all_conductances_lower_is_a_change(kit, truth, tried):
    found = tried(kit.scaled(truth, g_min=0.8, g_max=0.8), kit.file_of(truth))
    assert found.verdict.word is Word.CHANGED, found.verdict.text


def test_another_chip_is_told(kit, truth, tried):
    other = sample(PopulationSpec(), truth.shape, np.random.default_rng(77))
    found = tried(other, kit.file_of(truth))
    assert found.verdict.word is Word.OTHER, found.verdict.text


def test_chip_outside_the_family_is_a_misfit(kit, truth):
    """Steps that are the same everywhere, against a twin whose steps shrink towards the bounds."""
    r = truth.response
    size = np.asarray(r.dg_min)
    other = replace(truth, response=ConstantStep(r.g_min, r.g_max, size, size))
    chip = kit.twin_of(other, 901, NumpyArrays())  # whole-array operations: nothing to compile
    found = validate_twin(kit.session(chip), kit.file_of(truth), ValidationPlan(), seed=1)
    assert found.verdict.word is Word.SHAPE, found.verdict.text


def test_drift_without_pulses_is_told(kit, truth, tried):
    drifting = replace(truth, effects=(Drift(nu=np.full(truth.shape, 0.05), start=0.5),))
    found = tried(drifting, kit.file_of(truth))
    assert not found.verdict.serves
    assert any("idle" in reason for reason in found.verdict.reasons)


def test_a_few_odd_cells_are_named(kit, truth, tried):
    response = truth.response
    slope = response.slope_up.copy()
    slope[2, 3] *= 4
    slope[9, 1] /= 8
    odd = replace(truth, response=replace(response, slope_up=slope))
    found = tried(odd, kit.file_of(truth))
    assert {(2, 3), (9, 1)} == set(found.scores.failing)
    assert found.verdict.serves


def test_reasons_and_advice_are_words(kit, truth, tried):
    text = tried(kit.scaled(truth, slope_up=1.5, slope_down=1.5), kit.file_of(truth)).verdict.text
    assert "granularity is +5" in text
    assert text.endswith("Calibrate again.")


def test_map_since_the_calibration(kit, truth):
    """A chip that somebody pulsed has another map; that alone is no fault of its twin."""
    chip = kit.twin_of(truth, 5)
    chip.pulse(CellPulses(np.full(truth.shape, 10, np.int32)))
    found = validate_twin(kit.session(chip), kit.file_of(truth), ValidationPlan(), seed=1)
    assert found.map_shift.above(0, 5)
    assert found.verdict.word is Word.GOOD, found.verdict.text
