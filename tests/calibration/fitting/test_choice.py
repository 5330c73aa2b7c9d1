from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration.fitting import (
    FAMILIES,
    Trajectories,
    choose_family,
    fit_trajectories,
)
from ohmloop.calibration.fitting.choice import CHANCE
from ohmloop.calibration.fitting.held_out import FOLDS, blocks_of
from ohmloop.calibration.fitting.summary import summary_of
from ohmloop.drivers import BadInputError
from ohmloop.sim_backend import PopulationSpec, sample
from ohmloop.sim_backend.responses import SoftBounds

FEW = ("constant-step", "soft-bounds")


def staircase(response, length=100, cycles=2, read=0.003, seed=1, cells=12, fade=np.inf):
    """Cells of one response function, a reading after every pulse; steps fade with the count."""
    rng = np.random.default_rng(seed)
    ways = np.tile(np.r_[np.ones(length, int), -np.ones(length, int)], cycles)
    g = np.full(cells, float(response.g_min) * 1.05)
    readings = [g]
    for n, way in enumerate(ways):
        q = np.exp(-n / fade) * (response.q_up(g) if way > 0 else -response.q_down(g))
        g = np.clip(g + q * (1 + 0.3 * rng.standard_normal(cells)), response.g_min, response.g_max)
        readings.append(g)
    seen = np.array(readings) * (1 + read * rng.standard_normal((len(readings), cells)))
    return Trajectories(seen, np.repeat(np.r_[0, ways][:, None], cells, axis=1))


def test_blocks_follow_trains():
    pulses = np.r_[0, np.ones(100, int), -np.ones(100, int)][:, None]
    blocks = blocks_of(Trajectories(np.ones((201, 1)), pulses))
    assert blocks[100] != blocks[101]
    assert (np.diff(blocks) >= 0).all()
    assert len(np.unique(blocks % FOLDS)) == FOLDS


@pytest.mark.campaign  # compiles what it chooses from
def test_the_true_one_is_chosen(raw):
    choice = choose_family(Trajectories.of_raw(raw), FEW)
    assert choice.family == "soft-bounds"
    assert choice.adequate
    assert {s.family for s in choice.scores} == set(FEW)
    assert choice.score.rmse < 0.5 * choice.scores[0].rmse
    assert "soft-bounds forecasts" in choice.why


@pytest.mark.campaign
def test_a_misfit_is_called_one():
    """Steps that fade with the count of pulses are no response function's.

    A good fit is called a misfit once in 1,000 tests (``CHANCE``).
    """
    good, fading = (
        choose_family(staircase(SoftBounds(5e-6, 60e-6, 0.03, 0.02), fade=f), ("soft-bounds",))
        for f in (np.inf, 400.0)
    )
    assert good.adequate
    assert good.chance >= CHANCE > fading.chance
    assert not fading.adequate
    assert "they err alike at the same time" in fading.why


@pytest.mark.campaign
def test_any_choice_from_all_is_called_a_misfit():
    """With ``auto``'s candidates, tables of 17 nodes among them."""
    choice = choose_family(staircase(SoftBounds(5e-6, 60e-6, 0.03, 0.02), fade=400.0))
    assert len(choice.scores) >= len(FAMILIES)
    assert not choice.adequate


@pytest.mark.campaign
def test_false_alarms_of_misfits_are_as_rare_as_stated():
    """Chances of good fits are those of noise.

    Hypothesis: of 40 chips as many as are stated have a chance below 0.05. More than 8 of them
    have it once in 7,000 tests.
    """
    cell = SoftBounds(5e-6, 60e-6, 0.03, 0.02)
    found = [choose_family(staircase(cell, seed=s), ("soft-bounds",)) for s in range(100, 140)]
    assert sum(choice.chance < 0.05 for choice in found) <= 8
    assert sum(not choice.adequate for choice in found) <= 1


def test_nothing_to_choose_from():
    still = Trajectories(np.full((60, 2), 1e-5), np.ones((60, 2), int))
    with pytest.raises(BadInputError, match="no cell responds"):
        choose_family(still, FEW)


def test_outliers_do_not_wreck_a_cell(raw):
    """Jumps of a fifth of a reading, in 5 % of them: most parameters stay within 2 errors."""
    traj = Trajectories.of_raw(raw)
    rng = np.random.default_rng(4)
    readings = traj.readings * np.where(rng.random(traj.readings.shape) < 0.05, 1.2, 1.0)
    clean = fit_trajectories(traj, "soft-bounds")
    fit = fit_trajectories(Trajectories(readings, traj.pulses), "soft-bounds")
    both = clean.usable & fit.usable
    assert both.mean() > 0.8  # some are told to be too poor, which is true
    away = (fit.value("dg_min") - clean.value("dg_min"))[both] / clean.stderr()["dg_min"][both]
    assert np.median(np.abs(away)) < 1.5
    assert np.median(fit.dg_std[both]) < 2 * np.median(clean.dg_std[both])


def test_summary(raw):
    fit = fit_trajectories(Trajectories.of_raw(raw), "soft-bounds")
    fit.response.g_max[7] *= 3
    summary = summary_of(fit, raw["conductance"].shape[1:])
    assert [(o["row"], o["column"]) for o in summary.outliers if "g_max is" in o["reason"]] == [
        (0, 7)
    ]
    drawn = sample(summary.spec(), (8, 8), np.random.default_rng(0))
    spec = PopulationSpec()
    assert np.median(drawn.g_max) == pytest.approx(spec.model_dump()["g_max"], rel=0.1)


def long_staircase(step, wander, seed):
    """One cell of soft bounds, 500 pulses either way; noise of steps, or readings that wander."""
    rng = np.random.default_rng(seed)
    cell, g, away, readings = SoftBounds(-1.0, 1.0, 0.006, 0.008), -0.8, 0.0, []
    ways = np.repeat([1, -1], 500)
    for way in ways:
        q = cell.q_up(g) if way > 0 else -cell.q_down(g)
        g = np.clip(g + q * (1 + step * rng.standard_normal()), -1, 1)
        away = 0.97 * away + (1 - 0.97**2) ** 0.5 * wander * rng.standard_normal()
        readings.append(g + away + 0.02 * rng.standard_normal())
    return Trajectories(np.array(readings)[:, None], ways[:, None])


@pytest.mark.campaign
@pytest.mark.parametrize(("step", "wander"), [(0.0, 0.05), (2.0, 0.0)])
def test_wander_is_told_from_noise_of_steps(step, wander):
    """With one cell both may be within a standard error of each other: once in three is allowed."""
    chosen = [choose_family(long_staircase(step, wander, seed), FEW) for seed in range(3)]
    assert all(c.family == "soft-bounds" for c in chosen)
    assert sum(c.steps == (("dg_std",) if step else ()) for c in chosen) >= 2
