from __future__ import annotations

import numpy as np
import pytest

from ohmloop.app.twin_accuracy import (
    ALGORITHMS,
    Paired,
    accuracies,
    calibrated,
    experiment_of,
    fresh,
    wrong_twin,
)
from ohmloop.sim_backend import PopulationSpec, sample
from ohmloop.sim_backend.chip_file import characteristics_of, population_of


@pytest.mark.parametrize(
    ("second", "alike"),
    [([0.90, 0.92, 0.88, 0.91], True), ([0.80, 0.83, 0.79, 0.80], False)],
)
def test_paired_test_by_hand(second, alike):
    pair = Paired(np.array([0.91, 0.91, 0.89, 0.90]), np.array(second))
    apart = np.array(second) - pair.first
    assert pair.difference == pytest.approx(apart.mean())
    assert pair.stderr == pytest.approx(apart.std(ddof=1) / 2)
    assert pair.alike is alike


def test_equal_and_constantly_apart():
    one = np.array([0.9, 0.8])
    assert Paired(one, one).p_value == 1.0
    assert Paired(one, one - 0.25).p_value == 0.0


def test_false_alarms_are_as_many_as_stated():
    """4,000 comparisons of equals: rejections within 5 standard errors of 1 %."""
    rng = np.random.default_rng(0)
    pairs = (Paired(*rng.normal(0.9, 0.01, (2, 5))) for _ in range(4000))
    share = np.mean([not pair.alike for pair in pairs])
    assert abs(share - 0.01) < 5 * np.sqrt(0.01 * 0.99 / 4000)


def test_wrong_twins_are_wrong_as_they_should_be():
    cells = sample(PopulationSpec(), (3, 3), np.random.default_rng(0))
    coarse, skewed = wrong_twin(cells, granularity=3.0), wrong_twin(cells, skew=4.0)
    np.testing.assert_allclose(coarse.response.dg_min, 3 * cells.response.dg_min, rtol=1e-5)
    point = cells.response.symmetric_point
    np.testing.assert_allclose(coarse.response.symmetric_point, point, rtol=1e-5)
    assert (skewed.response.symmetric_point > point + 5 * cells.response.dg_min).all()


@pytest.mark.campaign
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_network_learns_on_a_twin_what_it_learns_on_the_chip(algorithm):
    """Equal means over 4 seeds stand at 1 %; those of wrong twins do not."""
    spec = PopulationSpec(
        g_min="5 uS", g_max="60 uS", slope_up=0.02, slope_down=0.02, dg_std=0.3, read_std=0.005
    )
    cells = sample(spec, (64, 64), np.random.default_rng(7))
    record = calibrated(fresh(cells, cells.characteristics(), 100)(0), seed=7)
    twin, known = population_of(record), characteristics_of(record)
    experiment, seeds = experiment_of(algorithm, epochs=4), range(4)
    chip = accuracies(experiment, fresh(cells, known, 1000), seeds)
    like = Paired(chip, accuracies(experiment, fresh(twin, known, 5000), seeds))
    assert like.alike, like
    assert chip.mean() > 0.7
    wrong = wrong_twin(twin, granularity=3.0)
    unlike = Paired(chip, accuracies(experiment, fresh(wrong, known, 5000), seeds))
    assert not unlike.alike
    assert abs(unlike.difference) > 5 * abs(like.difference)
