"""Deterministic trains, held against the definition of what they should come to."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import BadInputError, Crossbar
from ohmloop.training import AnalogTile, DeterministicPulses

DW_MIN = 0.01


def counts(rule, x, d, lr, rng, most=np.inf):
    update = rule.draw(np.atleast_2d(x), np.atleast_2d(d), lr, DW_MIN, rng, most)
    return update, update.program.counts().astype(float)


@pytest.mark.parametrize("bl", [1, 2, 7, 31, 64])
def test_coincidences_are_the_rounded_product_of_how_often_lines_fire(rng, bl):
    """All m and n at once: lr such that a line of size v fires in ``v bl`` slots."""
    sizes = np.arange(bl + 1) / bl
    x, d = np.append(sizes, 1.0), np.append(sizes, 1.0)
    _, found = counts(DeterministicPulses(bl), x, d, DW_MIN * bl, rng)
    m = np.append(np.arange(bl + 1), bl)
    np.testing.assert_array_equal(-found[0], np.floor(np.outer(m, m) / bl + 0.5))


def test_the_error_is_within_what_the_module_says(rng):
    x, d = rng.normal(size=(50, 12)), rng.normal(size=(50, 9))
    lr, bl = 0.02, 31
    update, found = counts(DeterministicPulses(bl), x, d, lr, rng)
    strongest = lr * np.abs(x).max(1) * np.abs(d).max(1) / DW_MIN
    assert (strongest <= bl).all()
    assert update.clipped == 0
    wanted = -lr * d[:, :, None] * x[:, None, :] / DW_MIN
    gain = np.sqrt(lr / (DW_MIN * bl))
    balance = np.sqrt(np.abs(d).max(1) / np.abs(x).max(1))
    p_x, p_d = gain * balance[:, None] * np.abs(x), gain / balance[:, None] * np.abs(d)
    slack = 0.5 + (p_x[:, None, :] + p_d[:, :, None]) / 2 + 1 / (4 * bl)
    assert (np.abs(found - wanted) <= slack + 1e-9).all()
    assert update.wanted == pytest.approx(np.abs(wanted).sum())
    assert update.strongest == pytest.approx(strongest.max())


def test_nothing_is_left_to_chance(rng):
    x, d = rng.normal(size=(4, 5)), rng.normal(size=(4, 3))
    draw = DeterministicPulses().draw
    first = draw(x, d, 0.05, DW_MIN, np.random.default_rng(1), np.inf)
    assert first == draw(x, d, 0.05, DW_MIN, np.random.default_rng(2), np.inf)


def test_half_a_pulse_is_sent_and_less_is_lost(rng):
    rule = DeterministicPulses(64)
    sizes = np.array([1.0, 0.6, 0.4, 0.0])
    _, found = counts(rule, sizes, [1.0], DW_MIN, rng)
    assert found[0, 0].tolist() == [-1, -1, 0, 0]


def test_bl_management_shortens_trains(rng):
    rule = DeterministicPulses(31, bl_management=True)
    update, found = counts(rule, [1.0], [1.0], 5 * DW_MIN, rng)
    assert update.program.length == 5
    assert found.tolist() == [[[-5]]]


def test_what_is_too_large_is_clipped_and_reported(rng):
    update, found = counts(DeterministicPulses(), [1.0], [1.0], 100 * DW_MIN, rng)
    assert found.tolist() == [[[-31]]]
    assert update.clipped == pytest.approx(0.69)
    assert update.wanted == update.strongest == pytest.approx(100)
    update, found = counts(DeterministicPulses(), [1.0], [1.0], 100 * DW_MIN, rng, most=8)
    assert found.tolist() == [[[-8]]]
    assert update.clipped == pytest.approx(0.92)


def test_a_tile_moves_by_whole_steps(fine, rng):
    crossbar: Crossbar = fine(3, 4)
    tile = AnalogTile(crossbar)
    before = tile.weights()
    x, d = np.array([[1.0, -0.5, 0.25, 0.0]]), np.array([[1.0, -1.0, 0.5]])
    report = tile.update(x, d, 8 * tile.dw_min, rng, DeterministicPulses(64))
    wanted = np.abs(8 * d.T @ x)
    assert report.pulses == pytest.approx(wanted.sum(), abs=1)
    moved = (tile.weights() - before) / tile.dw_min
    np.testing.assert_allclose(moved, -8 * d.T @ x, atol=1.1, rtol=0.5)  # the response is not 1


def test_nothing_to_do_and_bad_input(rng):
    assert DeterministicPulses().draw(np.zeros((1, 2)), np.ones((1, 2)), 1, 1, rng, 9)[0] is None
    with pytest.raises(BadInputError, match="not finite"):
        DeterministicPulses().draw(np.full((1, 2), np.nan), np.ones((1, 2)), 1, 1, rng, 9)
