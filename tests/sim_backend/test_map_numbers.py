"""Numbers of large maps: those that the definition of device noise draws, wherever a map is cut."""

from __future__ import annotations

import numpy as np
from scipy import stats

from ohmloop.sim_backend.arrays import NumpyArrays
from ohmloop.sim_backend.map_numbers import ByPlace, InOrder, by_place
from ohmloop.sim_backend.noise import MAP, bits32, normal, stream

COUNT = 100_000


def test_normal_numbers_are_the_first_draws_of_device_noise() -> None:
    source, out = stream(5, MAP), np.empty(3000, np.float32)
    ByPlace(source.root).normal(out, 70)
    cells = np.arange(70, 3070)
    np.testing.assert_array_equal(
        out, normal(source, cells, np.zeros_like(cells), NumpyArrays()), strict=True
    )


def test_uniform_numbers_are_the_upper_bits_of_them() -> None:
    source, out = stream(5, MAP), np.empty((50, 60), np.float32)
    ByPlace(source.root).uniform(out, 70)
    cells = np.arange(70, 3070)
    drawn = bits32(source, cells, np.zeros_like(cells)) >> 8
    np.testing.assert_array_equal(out.ravel(), (drawn / 2.0**24).astype(np.float32))


def test_it_does_not_matter_where_a_map_is_cut() -> None:
    numbers = by_place(np.random.default_rng(0))
    for kind in (numbers.normal, numbers.uniform):
        whole, parts = np.empty(5000, np.float32), np.empty(5000, np.float32)
        kind(whole, 0)
        for a, b in ((0, 1), (1, 1030), (1030, 5000)):
            kind(parts[a:b], a)
        np.testing.assert_array_equal(parts, whole)


def test_they_have_their_distribution() -> None:
    """H0: normal and uniform, by Kolmogorov and Smirnov; a false alarm in 500,000 runs."""
    numbers, out = by_place(np.random.default_rng(1)), np.empty(COUNT, np.float32)
    numbers.normal(out, 0)
    assert stats.kstest(out, "norm").pvalue > 1e-6
    numbers.uniform(out, 0)
    assert out.min() >= 0
    assert out.max() < 1
    assert stats.kstest(out, "uniform").pvalue > 1e-6


def test_every_map_has_numbers_of_its_own() -> None:
    rng, found = np.random.default_rng(2), []
    for _ in range(2):
        out = np.empty(COUNT, np.float32)
        by_place(rng).normal(out, 0)
        found.append(out)
    # H0: uncorrelated; at 5 standard errors, a false alarm in 1.7 million runs.
    assert abs(np.corrcoef(*found)[0, 1]) < 5 / np.sqrt(COUNT)


def test_in_order_they_are_those_of_the_generator() -> None:
    out, rng = np.empty((2, 4), np.float32), np.random.default_rng(3)
    InOrder(np.random.default_rng(3)).normal(out, 99)
    np.testing.assert_array_equal(out, rng.standard_normal((2, 4), np.float32))
