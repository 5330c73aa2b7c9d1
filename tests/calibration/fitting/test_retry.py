"""Climbs that end nowhere, on a problem whose maximum is known."""

from __future__ import annotations

import numpy as np

from ohmloop.calibration.fitting.likelihood import Problem
from ohmloop.calibration.fitting.retry import part_of, retried
from ohmloop.calibration.fitting.scoring import Optimum, maximise

CELLS, STEPS = 5, 40


def problem(plain: bool) -> Problem:
    """The mean of each cell's readings; below -2 a plain, where no slope leads to it."""
    readings = np.arange(CELLS)[:, None] + np.random.default_rng(1).normal(size=(CELLS, STEPS))

    def model(x, cells):
        mean = np.maximum(x[0], -2.0) if plain else x[0]
        errors = readings[cells] - mean[..., None]
        return errors, np.ones_like(errors)

    wide = np.full((1, CELLS), 50.0)
    none = np.zeros((1, CELLS))
    return Problem(model, STEPS, -wide, wide, none, np.zeros((1, 1)), none)


def test_lost_cells_are_found_from_where_others_are():
    whole = problem(plain=True)
    best = maximise(whole, np.zeros((1, CELLS)))
    assert best.converged.all()
    lost = np.array([0, 3])
    x, converged = best.x.copy(), best.converged.copy()
    x[:, lost], converged[lost] = -9.0, False
    ended = Optimum(x, best.information, converged, best.value)
    found = retried(whole, ended, np.zeros((1, CELLS)), 20)
    assert found.converged.all()
    np.testing.assert_allclose(found.x[:, [1, 2, 4]], best.x[:, [1, 2, 4]])


def test_part_of_a_problem():
    whole = problem(plain=False)
    some = np.array([4, 1])
    there = maximise(part_of(whole, some), np.zeros((1, 2)))
    np.testing.assert_allclose(there.x, maximise(whole, np.zeros((1, CELLS))).x[:, some])
