"""Implicit pulses: mean, variance, order, limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ohmloop.drivers import BadInputError, Limits
from ohmloop.training import AnalogTile, ImplicitPulses
from ohmloop.training.update.parts import spared, split

X, D = np.array([0.9, -0.5, 0.0, 0.2]), np.array([0.4, -0.7, 0.05])
LR, DW_MIN, REPEATS = 0.1, 0.01, 20_000
WANTED = -LR * np.outer(D, X) / DW_MIN


def test_mean_and_variance_are_those_of_stochastic_rounding(rng):
    """H0: E[n] = v, Var[n] = f (1 - f). 12 cells, two tests each, at 5.5 sigma: 1e-6."""
    found = np.stack(
        [
            ImplicitPulses().draw(X[None], D[None], LR, DW_MIN, rng, np.inf)[0].counts().sum(0)
            for _ in range(REPEATS // 10)
        ]
    )
    rest = np.abs(WANTED) % 1
    variance = rest * (1 - rest)
    error = 5.5 * np.sqrt(variance / len(found))
    assert (np.abs(found.mean(axis=0) - WANTED) <= error + 1e-12).all()
    fourth = variance * (1 - 3 * variance)
    error = 5.5 * np.sqrt((fourth - variance**2) / len(found))
    slack = 30 / len(found)  # the mean's own square
    assert (np.abs(found.var(axis=0) - variance) <= error + slack).all()


def test_samples_keep_their_order(rng):
    x, d = np.ones((3, 1)), np.array([[1.0], [-1.0], [1.0]])
    update = ImplicitPulses().draw(x, d, 4 * DW_MIN, DW_MIN, rng, np.inf)
    assert update.program.runs.counts.tolist() == [-4, 4, -4]


def test_clipping_is_reported_by_what_was_lost(rng):
    x, d = np.array([[1.0, 0.1]]), np.ones((1, 1))
    update = ImplicitPulses(31).draw(x, d, 100 * DW_MIN, DW_MIN, rng, np.inf)
    assert update.program.counts().tolist() == [[[-31, -10]]]
    assert update.clipped == pytest.approx(69 / 110)
    assert update.wanted == pytest.approx(110)
    assert update.strongest == pytest.approx(100)
    assert ImplicitPulses(500).draw(x, d, 1.0, DW_MIN, rng, np.inf).clipped == 0
    with pytest.raises(BadInputError, match="1 pulse"):
        ImplicitPulses(0)


def test_nothing_to_do(rng):
    assert ImplicitPulses().draw(X[None], D[None], 0.0, DW_MIN, rng, 9).program is None
    assert ImplicitPulses().draw(X[None], D[None], 1e-300, DW_MIN, rng, 9).program is None


def test_runs_are_cut_to_what_a_chip_allows(rng):
    x, d = rng.normal(size=(6, 4)), rng.normal(size=(6, 3))
    program = ImplicitPulses(20).draw(x, d, 0.1, DW_MIN, rng, np.inf).program
    parts = list(split(program, 7))
    assert len(parts) > 1
    assert all(part.per_cell.max() <= 7 for part in parts)
    for cell in range(12):
        of = [part.runs.counts[part.runs.cells == cell] for part in parts]
        signs = np.concatenate([np.repeat(np.sign(c), np.abs(c)) for c in of])
        whole = program.runs.counts[program.runs.cells == cell]
        assert signs.tolist() == np.repeat(np.sign(whole), np.abs(whole)).tolist()


def test_a_tile_spares_cells_and_keeps_limits(serial, rng):
    chip = serial(3, 4, Limits(pulses_per_program=5))
    tile = AnalogTile(chip)
    usable = tile.mapping.usable.copy()
    usable[1, 2] = False
    tile.mapping = replace(tile.mapping, usable=usable)
    before = chip.conductance
    report = tile.update(np.ones((4, 4)), np.ones((4, 3)), 3 * tile.dw_min, rng, ImplicitPulses())
    assert report.pulses == 12 * 11
    assert tile.programs == 3
    moved = chip.conductance != before
    assert (moved == usable).all()


def test_sparing_all_leaves_nothing(rng):
    program = ImplicitPulses().draw(X[None], D[None], LR, DW_MIN, rng, np.inf).program
    assert spared(program, np.zeros((3, 4), bool)) is None
