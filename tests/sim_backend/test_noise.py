"""Noise is deterministic, so every statistical test has fixed seeds and one fixed outcome.

Each test states its null hypothesis; were the seeds drawn anew, a correct generator would fail
each with the false-alarm probability P.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy import stats

from ohmloop.sim_backend.arrays import NumpyArrays, TorchArrays
from ohmloop.sim_backend.engine.kernel_noise import draw, normal_of
from ohmloop.sim_backend.noise import PULSE, READ, WRITE, normal, stream

P = 1e-6
SEED = 20
ARRAYS = NumpyArrays()


def _grid(cells: int, draws: int, seed: int = SEED, purpose: int = PULSE) -> np.ndarray:
    """``(cells, draws)`` numbers."""
    cell, number = np.divmod(np.arange(cells * draws), draws)
    return normal(stream(seed, purpose), cell, number, ARRAYS).reshape(cells, draws)


def _uniform(numbers: np.ndarray) -> np.ndarray:
    return stats.norm.cdf(numbers)


# Seeds and places


def test_numbers_are_pinned():
    # A stored run can only be repeated while these stay as they are.
    numbers = normal(stream(1, PULSE), np.array([0, 1, 2, 2]), np.array([0, 0, 0, 10**9]), ARRAYS)
    assert [float(x).hex() for x in numbers] == PINNED


PINNED = [
    "-0x1.973eca0000000p+0",
    "0x1.17f5ae0000000p-1",
    "-0x1.6b8c720000000p+0",
    "0x1.9315180000000p-1",
]


@given(st.permutations(range(30)))
@settings(max_examples=20, deadline=None)
def test_order_of_visits_does_not_matter(order):
    cell, number = np.divmod(np.array(order), 6)
    numbers = normal(stream(SEED, PULSE), cell, number, ARRAYS)
    np.testing.assert_array_equal(numbers, _grid(5, 6).ravel()[order])


def test_number_of_cells_does_not_matter():
    np.testing.assert_array_equal(_grid(100, 4)[:7], _grid(7, 4))


@given(st.integers(-(2**70), 2**70), st.sampled_from([PULSE, READ]))
@settings(max_examples=30, deadline=None)
def test_numpy_and_torch_give_the_same_bits(seed, purpose):
    cell, number = np.divmod(np.arange(4000), 40)
    source, torch_arrays = stream(seed, purpose), TorchArrays()
    put = torch_arrays.asarray
    host = normal(source, cell, number, ARRAYS)
    device = normal(source, put(cell), put(number), torch_arrays)
    assert host.dtype == np.float32
    np.testing.assert_array_equal(device.numpy().view(np.int32), host.view(np.int32))


def test_compiled_numbers_are_the_same_bits():
    cell, number = np.divmod(np.arange(200_000), 1000)

    @njit(error_model="numpy")
    def fill(root, out):
        for i in range(out.size):
            out[i] = draw(root, i // 1000, i % 1000)

    found = np.empty(cell.size, np.float32)
    fill(np.uint64(stream(SEED, PULSE).root), found)
    host = normal(stream(SEED, PULSE), cell, number, ARRAYS)
    np.testing.assert_array_equal(found.view(np.int32), host.view(np.int32))


def test_seeds_purposes_and_cells_differ():
    grids = [_grid(4, 4, seed, purpose) for seed in (0, 1, -1) for purpose in (PULSE, READ, WRITE)]
    numbers = np.concatenate([g.ravel() for g in grids])
    assert np.unique(numbers).size == numbers.size


def test_every_seed_and_purpose_starts_elsewhere():
    roots = {stream(seed, purpose).root for seed in range(1000) for purpose in (PULSE, READ, WRITE)}
    assert len(roots) == 3000


# The normal distribution


def test_numbers_of_given_bits_are_the_inverse():
    bits = np.unique(
        np.concatenate([2 ** np.linspace(0, 31, 50_000), np.linspace(0, 2**31, 50_000)])
        .astype(np.int64)
        .clip(0, 2**31 - 1)
    )

    @njit(error_model="numpy")
    def fill(bits, out):
        for i in range(out.size):
            out[i] = normal_of(bits[i])

    found = np.empty(bits.size, np.float32)
    fill(bits.astype(np.uint32), found)
    exact = -stats.norm.ppf((bits + 0.5) / 2**32)
    assert np.abs(found - exact).max() < 2.5e-5
    fill(bits.astype(np.uint32) | np.uint32(1 << 31), found)
    assert np.abs(found + exact).max() < 2.5e-5


def test_draws_are_standard_normal():
    # H0: 10^6 draws are independent N(0, 1). Kolmogorov-Smirnov, false alarm 1e-6.
    assert stats.kstest(_grid(1000, 1000).ravel(), "norm").pvalue > P


@pytest.mark.parametrize("axis", ["one cell", "one draw"])
def test_each_stream_is_standard_normal(axis):
    # H0: the 10^5 draws of one cell, and first draws of 10^5 cells, are N(0, 1). 1e-6 each.
    grid = _grid(1, 100_000) if axis == "one cell" else _grid(100_000, 1)
    assert stats.kstest(grid.ravel(), "norm").pvalue > P


def test_moments():
    # H0: N(0, 1), n = 10^6. Mean, variance, skewness, excess kurtosis each have a normal sampling
    # distribution with variance 1/n, 2/n, 6/n, 24/n. Two-sided, false alarm 1e-6 each.
    x = _grid(1000, 1000).ravel()
    bound = stats.norm.isf(P / 2) / np.sqrt(x.size)
    assert abs(x.mean()) < bound
    assert abs(x.var() - 1) < bound * np.sqrt(2)
    assert abs(stats.skew(x)) < bound * np.sqrt(6)
    assert abs(stats.kurtosis(x)) < bound * np.sqrt(24)


@pytest.mark.parametrize("size", [3.0, 4.0])
def test_tails_are_full(size):
    # H0: the count beyond +-size of 10^6 draws is binomial. Two-sided exact test, 1e-6.
    x = _grid(1000, 1000).ravel()
    for count, share in (
        ((x > size).sum(), stats.norm.sf(size)),
        ((x < -size).sum(), stats.norm.cdf(-size)),
    ):
        assert stats.binomtest(int(count), x.size, float(share)).pvalue > P


# Independence


def _uncorrelated(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(stats.pearsonr(a.ravel(), b.ravel()).pvalue > P)


@pytest.mark.parametrize("lag", [1, 2, 3, 16, 64])
def test_draws_of_a_cell_are_uncorrelated(lag):
    # H0: correlation 0 over about 10^6 pairs, also of squares. False alarm 1e-6 each.
    x = _grid(1000, 1000)
    assert _uncorrelated(x[:, :-lag], x[:, lag:])
    assert _uncorrelated(x[:, :-lag] ** 2, x[:, lag:] ** 2)


@pytest.mark.parametrize("lag", [1, 2, 3, 16, 64])
def test_neighbouring_cells_are_uncorrelated(lag):
    # H0: correlation 0 over about 10^6 pairs, also of squares. False alarm 1e-6 each.
    x = _grid(1000, 1000)
    assert _uncorrelated(x[:-lag], x[lag:])
    assert _uncorrelated(x[:-lag] ** 2, x[lag:] ** 2)


@pytest.mark.parametrize(
    "other", [{"seed": SEED + 1}, {"seed": -SEED}, {"seed": SEED + (1 << 32)}, {"purpose": READ}]
)
def test_seeds_and_purposes_are_uncorrelated(other):
    # H0: correlation 0 over 2.5 * 10^5 pairs, also of squares. False alarm 1e-6 each.
    x, y = _grid(500, 500), _grid(500, 500, **other)
    assert _uncorrelated(x, y)
    assert _uncorrelated(x**2, y**2)


def test_sums_over_a_cell_are_normal_with_the_right_variance():
    # H0: the mean of 100 independent N(0, 1), times 10, is N(0, 1) again. Long-range dependence
    # within cells would widen it. Kolmogorov-Smirnov over 10^4 cells, false alarm 1e-6.
    sums = _grid(10_000, 100).sum(axis=1) / 10.0
    assert stats.kstest(sums, "norm").pvalue > P


def test_sums_over_cells_are_normal_with_the_right_variance():
    # H0: as above, across cells at one draw number. False alarm 1e-6.
    sums = _grid(100, 10_000).sum(axis=0) / 10.0
    assert stats.kstest(sums, "norm").pvalue > P


@pytest.mark.parametrize("neighbours", ["draws", "cells"])
def test_pairs_fill_the_square_evenly(neighbours):
    # H0: (u, v) of neighbours is uniform on the square: chi-square over 32 x 32 bins, 1e-6.
    u = _uniform(_grid(1000, 1000))
    a, b = (u[:, ::2], u[:, 1::2]) if neighbours == "draws" else (u[::2], u[1::2])
    counts, _, _ = np.histogram2d(a.ravel(), b.ravel(), bins=32, range=[[0, 1], [0, 1]])
    assert stats.chisquare(counts.ravel()).pvalue > P


def test_sign_and_size_are_independent():
    # H0: sign and magnitude are independent. Two-sample Kolmogorov-Smirnov, false alarm 1e-6.
    x = _grid(500, 1000).ravel()
    assert stats.ks_2samp(x[x > 0], -x[x < 0]).pvalue > P
