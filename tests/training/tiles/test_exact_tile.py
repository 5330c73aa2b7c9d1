from __future__ import annotations

import numpy as np
import pytest
import torch

from ohmloop.drivers import BadInputError
from ohmloop.training import ExactTile, PulseSettings

RULE = PulseSettings()


def soft_bounds(tau: float):
    return lambda w: 1 - w / tau, lambda w: 1 + w / tau


def test_an_update_is_the_general_analog_update(rng):
    start = rng.uniform(-0.5, 0.5, (3, 4))
    tile = ExactTile(start, *soft_bounds(2.0))
    x, d = rng.normal(size=(1, 4)), rng.normal(size=(1, 3))
    tile.update(x, d, 0.1, rng, RULE)
    dw = -0.1 * d.T @ x
    f, g = np.ones_like(start), start / 2.0
    np.testing.assert_allclose(tile.weights(), start + dw * f - np.abs(dw) * g, rtol=1e-12)


def test_samples_follow_one_another(rng):
    start, x, d = np.zeros((2, 2)), rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    at_once, singly = ExactTile(start, *soft_bounds(1)), ExactTile(start, *soft_bounds(1))
    at_once.update(x, d, 0.05, rng, RULE)
    for k in range(5):
        singly.update(x[k : k + 1], d[k : k + 1], 0.05, rng, RULE)
    np.testing.assert_array_equal(at_once.weights(), singly.weights())


def test_noise_has_the_variance_of_pulse_counts(rng):
    """H0: the variance is ``|dW| dw_min q^2``; 40,000 draws, 6 standard errors (1e-9)."""
    tile = ExactTile(np.zeros((200, 200)), *soft_bounds(2.0), dw_min=1e-3, rng=rng)
    tile.change(np.full((200, 200), 0.02))
    found = tile.weights().var()
    assert found == pytest.approx(2e-5, rel=6 * np.sqrt(2 / 40_000))


def test_products(rng):
    w = rng.normal(size=(3, 4))
    tile = ExactTile(w, *soft_bounds(9))
    x, d = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close(tile.forward(x), x @ torch.from_numpy(w).T)
    torch.testing.assert_close(tile.backward(d), d @ torch.from_numpy(w))


def test_bad_input_changes_nothing(rng):
    tile = ExactTile(np.zeros((2, 2)), *soft_bounds(1))
    with pytest.raises(BadInputError, match="not finite"):
        tile.update(np.full((1, 2), np.nan), np.ones((1, 2)), 0.1, rng, RULE)
    assert not tile.weights().any()
    with pytest.raises(BadInputError, match="finite matrix"):
        ExactTile(np.zeros(3), *soft_bounds(1))
