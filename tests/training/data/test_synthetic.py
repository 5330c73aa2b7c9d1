from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import BadInputError
from ohmloop.training.data.synthetic import LeastSquares, Quadratic


@pytest.fixture(params=["quadratic", "least squares"])
def problem(request, rng):
    if request.param == "quadratic":
        return Quadratic(rng.uniform(0.5, 2, 5), rng.normal(size=5))
    return LeastSquares.random(20, 5, 0.4, rng)


def test_the_gradient_is_that_of_the_loss(problem, rng):
    at, step = rng.normal(size=(3, 5)), 1e-6
    for k in range(5):
        moved = at.copy()
        moved[:, k] += step
        slope = (problem.loss(moved) - problem.loss(at)) / step
        np.testing.assert_allclose(problem.gradient(at)[:, k], slope, rtol=1e-3, atol=1e-4)


def test_the_minimiser_has_loss_and_gradient_0(problem):
    assert problem.loss(problem.minimiser[None]) == 0
    assert not problem.gradient(problem.minimiser[None]).any()


def test_smoothness_bounds_the_gradient(problem, rng):
    away = rng.normal(size=(100, 5))
    slopes = np.linalg.norm(problem.gradient(problem.minimiser + away), axis=1)
    assert (slopes <= problem.smoothness * np.linalg.norm(away, axis=1) + 1e-12).all()


def test_targets_are_fitted_exactly(rng):
    problem = LeastSquares.random(30, 4, 0.5, rng)
    fitted = np.linalg.lstsq(problem.features, problem.targets)[0]
    np.testing.assert_allclose(fitted, problem.minimiser)


def test_bad_input(rng):
    with pytest.raises(BadInputError, match="curvature"):
        Quadratic(np.ones(2), np.ones(3))
    with pytest.raises(BadInputError, match="positive"):
        Quadratic(np.zeros(2), np.ones(2))
    with pytest.raises(BadInputError, match="as many samples"):
        LeastSquares.random(3, 4, 0.5, rng)
