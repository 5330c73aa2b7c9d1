from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration.fitting import Trajectories, choose_family, fit_trajectories
from ohmloop.calibration.fitting.held_out import FOLDS, blocks_of
from ohmloop.calibration.fitting.summary import summary_of
from ohmloop.drivers import BadInputError
from ohmloop.sim_backend import PopulationSpec, sample
from ohmloop.sim_backend.responses import SoftBounds

FEW = ("constant-step", "soft-bounds")


def staircase(response, length=100, cycles=2, read=0.003, seed=1, cells=12):
    """Cells of one response function, a reading after every pulse."""
    rng = np.random.default_rng(seed)
    ways = np.tile(np.r_[np.ones(length, int), -np.ones(length, int)], cycles)
    g = np.full(cells, float(response.g_min) * 1.05)
    readings = [g]
    for way in ways:
        q = response.q_up(g) if way > 0 else -response.q_down(g)
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
