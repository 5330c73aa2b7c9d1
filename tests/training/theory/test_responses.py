"""Response pairs, and what follows of them."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import BadInputError
from ohmloop.training.data.synthetic import Quadratic
from ohmloop.training.theory import mean_field
from ohmloop.training.theory.response_pair import exponential, ideal, linear, power

W = np.linspace(-0.9, 0.9, 19)
FAMILIES = {
    "soft bounds": linear(1.0),
    "generic linear": linear(1.0, 0.3),
    "power": power(1.0, 2.0),
    "exponential": exponential(1.0, 3.0),
}


@pytest.mark.parametrize("pair", FAMILIES.values(), ids=FAMILIES)
def test_the_symmetric_point_is_where_both_steps_are_equal(pair):
    at = np.array([pair.symmetric_point])
    assert pair.asymmetric(at)[0] == pytest.approx(0, abs=1e-12)
    assert (np.diff(pair.asymmetric(W)) > 0).all()
    shifted = pair.zero_shifted()
    assert shifted.symmetric_point == 0
    np.testing.assert_allclose(shifted.q_up(W - at), pair.q_up(W))


def test_parts_are_those_of_the_definition():
    pair = linear(2.0, 0.25)
    np.testing.assert_allclose(pair.symmetric(W), 1 - 0.25 * W / 2)
    np.testing.assert_allclose(pair.asymmetric(W), W / 2 - 0.25, atol=1e-12)


def test_power_and_exponential_are_normalised_at_0():
    zero = np.zeros(1)
    assert power(0.7, 3.0).symmetric(zero) == pytest.approx(1)
    assert exponential(0.7, 3.0).symmetric(zero) == pytest.approx(1)
    np.testing.assert_allclose(power(0.7, 1.0).q_up(W), np.maximum(1 - W / 0.7, 0))


def test_the_mean_size_of_a_noisy_gradient(rng):
    """H0: E|g + sigma xi|; 10^6 draws, 5 gradients at 6 standard errors (1e-8)."""
    g = np.array([-2.0, -0.1, 0.0, 0.3, 5.0])
    draws = np.abs(g + 0.7 * rng.standard_normal((1_000_000, 5)))
    error = 6 * draws.std(axis=0) / 1000
    assert (np.abs(draws.mean(axis=0) - mean_field.mean_size(g, 0.7)) < error).all()
    np.testing.assert_array_equal(mean_field.mean_size(g, 0.0), np.abs(g))


@pytest.mark.parametrize("pair", FAMILIES.values(), ids=FAMILIES)
def test_the_penalty_is_the_integral_of_the_ratio(pair):
    step = 1e-6
    slope = (mean_field.penalty(pair, W + step) - mean_field.penalty(pair, W - step)) / (2 * step)
    ratio = pair.asymmetric(W) / pair.symmetric(W)
    np.testing.assert_allclose(slope, ratio, rtol=1e-5, atol=1e-6)
    assert mean_field.penalty(pair, np.array([pair.symmetric_point]))[0] == 0


def test_soft_bounds_penalise_squares():
    np.testing.assert_allclose(mean_field.penalty(linear(2.0), W), W**2 / 4, rtol=1e-12)


def test_resting_weights_solve_the_equation():
    problem, pair = Quadratic(np.array([1.0, 2.0, 4.0]), np.array([0.5, -0.4, 0.2])), power(1.0, 2)
    rest = mean_field.resting_weights(problem, pair, 0.3)
    g = problem.gradient(rest)
    size = mean_field.mean_size(g, 0.3)
    np.testing.assert_allclose(g, -size * pair.asymmetric(rest) / pair.symmetric(rest), atol=1e-8)
    assert (np.abs(rest) < np.abs(problem.minimiser)).all()
    np.testing.assert_allclose(
        mean_field.resting_weights(problem, ideal(), 0.3), problem.minimiser, atol=1e-8
    )


def test_bad_parameters():
    with pytest.raises(BadInputError, match="tau"):
        linear(0.0)
    with pytest.raises(BadInputError, match="c must"):
        linear(1.0, 1.0)
    with pytest.raises(BadInputError, match="gamma"):
        power(1.0, 0.0)
