"""Offsets, their uncertainty, and what they recommend."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.training import Residual, recommended


@pytest.mark.parametrize("seed", range(3))
def test_planted_offsets_are_found_again(seed):
    """Within 5 standard errors each: two-sided 6e-7."""
    rng, cells = np.random.default_rng(seed), 4000
    errors = np.full(cells, 0.1)
    offsets = rng.normal(0.05, 0.2, cells) + rng.normal(0, errors)
    found = Residual.of(offsets, errors, 2.0)
    assert abs(found.mu - 0.05) < 5 * found.mu_error
    assert abs(found.sigma - 0.2) < 5 * found.sigma_error * np.hypot(0.2, 0.1) / 0.2
    assert found.mu_error == pytest.approx(np.hypot(0.2, 0.1) / np.sqrt(cells), rel=0.1)
    assert found.share == pytest.approx(np.hypot(found.mu, found.sigma) / 2)
    assert found.share_at_most > found.share


def test_what_is_only_error_of_measuring_is_no_spread():
    rng = np.random.default_rng(0)
    found = Residual.of(rng.normal(0, 0.1, 4000), np.full(4000, 0.11), 2.0)
    assert found.sigma == 0
    assert found.sigma_error > 0


@pytest.mark.parametrize(
    ("share", "first"),
    [
        (0.0, "Tiki-Taka"),
        (0.009, "Tiki-Taka"),
        (0.011, "TTv2"),
        (0.049, "TTv2"),
        (0.051, "c-TTv2"),
        (0.249, "c-TTv2"),
        (0.251, "AGAD"),
        (2.0, "AGAD"),
    ],
)
@pytest.mark.parametrize("part", ["mu", "sigma"])
def test_recommendations(share, first, part):
    values = {"mu": 0.0, "sigma": 0.0, part: -2 * share if part == "mu" else 2 * share}
    advice = recommended(Residual(mu_error=0.0, sigma_error=0.0, range=2.0, **values))
    assert advice.algorithms[0] == first
    assert f"{100 * share:.2g} %" in advice.reason


def test_an_offset_that_is_not_known_well_is_not_trusted():
    assert recommended(Residual(0.0, 0.2, 0.0, 0.0, 2.0)).algorithms == ("c-TTv2",)
