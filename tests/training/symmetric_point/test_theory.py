"""Closed forms of straight responses, against pulses one by one."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest

from ohmloop.drivers import BadInputError
from ohmloop.training.symmetric_point.theory import attraction, left_after, pulses_for, wander


def stepped(w: np.ndarray, sign: np.ndarray | float, dw: float, tau: float, c: float) -> np.ndarray:
    """One pulse of the generic linear response (arXiv:2502.06309, fig. 2)."""
    up, down = (1 + c) * (1 - w / tau), (1 - c) * (1 + w / tau)
    return w + dw * np.where(np.asarray(sign) > 0, up, -down)


def rate_of(dw: float, tau: float, c: float) -> float:
    """From bounds, symmetric point ``c tau`` and the step there."""
    step = dw * (1 + c) * (1 - c)
    return float(attraction(np.array(step), np.array(tau + c * tau), np.array(tau - c * tau)))


@pytest.mark.parametrize("tau", [0.5, 1.0, 3.5])
@pytest.mark.parametrize("c", [0.0, 0.1, -0.3])
def test_a_pulse_goes_one_granularity_over_the_range_of_the_way(tau, c):
    """Wherever the symmetric point is: rho = 1 / tau."""
    assert rate_of(1e-3, tau, c) == pytest.approx(1e-3 / tau)


@pytest.mark.parametrize("c", [0.0, 0.2])
def test_distance_decays_exponentially(c):
    dw, tau = 1e-3, 1.0
    rate, w = rate_of(dw, tau, c), np.array(-0.8)
    middle = lambda w: (w + stepped(w, 1.0, dw, tau, c)) / 2  # noqa: E731 - between up and down
    start = float(middle(w)) - c * tau
    for n in range(2, 3001, 2):
        w = stepped(stepped(w, 1.0, dw, tau, c), -1.0, dw, tau, c)
        if n % 500 == 0:
            found = (float(middle(w)) - c * tau) / start
            assert found == pytest.approx(exp(-n * dw / tau), rel=5 * dw * n * dw / tau + 2e-3)
            assert found == pytest.approx(float(left_after(n, np.array(rate))), rel=5e-3)


@pytest.mark.parametrize("dw", [1e-2, 1e-3, 1e-4])
def test_a_hundredth_takes_tau_ln_100_over_dw(dw):
    assert float(pulses_for(0.01, np.array(rate_of(dw, 2.0, 0.1)))) * dw == pytest.approx(
        2 * log(100)
    )


@pytest.mark.parametrize("error", [0, 1, -0.1, float("nan")])
def test_errors_out_of_range(error):
    with pytest.raises(BadInputError, match="between 0 and 1"):
        pulses_for(error, np.array(1e-3))


def test_random_signs_wander_by_the_granularity():
    """Stationary variance is ``dw F^2 tau / 2``, to first order in dw.

    Under the hypothesis that it is, the ratio over 6000 independent cells has a standard deviation
    of sqrt(2 / 6000) = 1.8 %; 10 % allow for 5 of these (two-sided 6e-7) and for 1 % of dw / tau.
    """
    dw, tau, c, rng = 0.01, 1.0, 0.1, np.random.default_rng(3)
    w = np.full(6000, c * tau)
    for _ in range(600):
        w = stepped(w, rng.choice([-1.0, 1.0], w.size), dw, tau, c)
    step = dw * (1 - c**2)  # F at the symmetric point is 1 - c^2
    assert dw * (1 - c**2) ** 2 * tau / 2 == pytest.approx(
        float(wander(np.array(step), np.array(rate_of(dw, tau, c)))) ** 2
    )
    assert w.var() / (dw * (1 - c**2) ** 2 * tau / 2) == pytest.approx(1, abs=0.1)
