"""The stochastic update, against theory and against its own rules."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import BadInputError
from ohmloop.training import PulseSettings, pulsed_update
from ohmloop.training.update.parts import split
from ohmloop.training.update.samples import checked
from ohmloop.training.update.stochastic import line_gains

X = np.array([0.9, -0.5, 0.0, 0.2])
D = np.array([0.4, -0.7, 0.05])
LR, DW_MIN, REPEATS = 0.1, 0.01, 20_000


def counts_of(rng: np.random.Generator, **settings: int) -> np.ndarray:
    x, d = np.tile(X, (REPEATS, 1)), np.tile(D, (REPEATS, 1))
    update = pulsed_update(x, d, LR, DW_MIN, rng, PulseSettings(**settings))
    assert update.program is not None
    assert update.clipped == 0
    return update.program.counts().astype(np.float64)


@pytest.mark.parametrize("managed", [True, False])
def test_the_mean_is_the_gradient_step(rng: np.random.Generator, managed: bool) -> None:
    """H0: E[n] = -lr d x / dw_min. 12 cells at 5.5 sigma: a false alarm in 2 million runs."""
    counts = counts_of(rng, update_management=managed, bl_management=managed)
    wanted = -LR * np.outer(D, X) / DW_MIN
    standard_error = counts.std(axis=0) / np.sqrt(REPEATS)
    assert (np.abs(counts.mean(axis=0) - wanted) <= 5.5 * standard_error).all()


def test_the_variance_is_binomial(rng: np.random.Generator) -> None:
    """H0: Var[n] = BL p (1 - p). 9 cells at 5.5 sigma: a false alarm in 2 million runs."""
    counts = counts_of(rng, desired_bl=31, bl_management=False)[:, :, X != 0]
    p = LR * np.abs(np.outer(D, X[X != 0])) / (DW_MIN * 31)
    variance = 31 * p * (1 - p)
    fourth = variance * (1 + 3 * (31 - 2) * p * (1 - p))  # fourth central moment
    standard_error = np.sqrt((fourth - variance**2) / REPEATS)
    assert (np.abs(counts.var(axis=0) - variance) <= 5.5 * standard_error).all()


def test_lines_slots_and_samples_are_independent(rng: np.random.Generator) -> None:
    """H0: no correlation of bits, of the next sample's too. 91 pairs at 5.5 sigma: a false alarm
    in 300,000 runs."""
    x, d = np.full((REPEATS, 2), 0.5), np.full((REPEATS, 2), 0.5)
    how = PulseSettings(desired_bl=3, bl_management=False)
    program = pulsed_update(x, d, 0.06, 0.01, rng, how).program
    assert program is not None
    trains = np.concatenate([program.row_trains, program.column_trains], axis=1)
    bits = (trains[:, :, None] >> np.arange(3, dtype=np.uint64) & np.uint64(1)).reshape(REPEATS, -1)
    both = np.concatenate([bits[:-1], bits[1:, :2]], axis=1).astype(float)
    correlation = np.corrcoef(both.T)[np.triu_indices(14, 1)]
    assert bits.std() > 0.4
    assert (np.abs(correlation) < 5.5 / np.sqrt(REPEATS)).all()


def test_single_precision_draws_the_same(rng: np.random.Generator) -> None:
    x, d = (values.astype(np.float32)[None] for values in (X, D))
    single, double = (
        pulsed_update(x.astype(kind), d.astype(kind), LR, DW_MIN, np.random.default_rng(1))
        for kind in (np.float32, np.float64)
    )
    assert single.program == double.program
    assert single.wanted == pytest.approx(double.wanted)


def test_pulses_go_against_the_gradient(rng: np.random.Generator) -> None:
    counts = counts_of(rng)
    step = -np.sign(np.outer(D, X))
    assert (np.sign(counts) * step >= 0).all()
    assert (counts[:, :, X == 0] == 0).all()
    assert (np.abs(counts).sum(axis=0)[:, X != 0] > 0).all()


def test_trains_are_as_long_as_the_sample_needs(rng: np.random.Generator) -> None:
    x = np.array([[1.0, 0.5], [1.0, 0.5], [0.0, 0.0]])
    d = np.array([[1.0], [0.1], [1.0]])
    update = pulsed_update(x, d, lr=0.095, dw_min=0.01, rng=rng)
    assert update.program is not None
    assert update.program.length == 10
    assert update.program.batch == 2  # the sample of zeros has nothing to say
    assert int(update.program.row_trains[1, 0]) < 2  # one slot for the small one
    x = np.array([[0.2], [3.5], [1e30]])
    samples = checked(x, np.ones((3, 1)), lr=0.01, dw_min=0.01)
    assert samples is not None
    assert line_gains(samples, 0.01, 0.01, PulseSettings()).slots.tolist() == [1, 4, 31]
    unmanaged = PulseSettings(bl_management=False)
    assert line_gains(samples, 0.01, 0.01, unmanaged).slots.tolist() == [31, 31, 31]


def test_samples_are_kept_apart_and_in_order(rng: np.random.Generator) -> None:
    x, d = np.array([[1.0], [1.0]]), np.array([[1.0], [-1.0]])
    update = pulsed_update(x, d, lr=0.1, dw_min=0.01, rng=rng)
    assert update.program is not None
    assert update.program.counts()[:, 0, 0].tolist() == [-10, 10]


def test_what_is_too_large_is_clipped_and_reported(rng: np.random.Generator) -> None:
    update = pulsed_update(np.ones((1, 1)), np.ones((1, 1)), lr=1.0, dw_min=0.01, rng=rng)
    assert update.program is not None
    assert update.program.counts().tolist() == [[[-31]]]
    assert update.clipped == pytest.approx(0.69)


def test_balancing_spares_a_line_from_clipping(rng: np.random.Generator) -> None:
    x, d = np.full((1, 1), 100.0), np.full((1, 1), 1e-3)
    balanced = pulsed_update(x, d, 0.1, 0.01, rng)
    lopsided = pulsed_update(x, d, 0.1, 0.01, rng, PulseSettings(update_management=False))
    assert balanced.clipped == 0 < lopsided.clipped


def test_the_longest_trains_fill_the_word(rng: np.random.Generator) -> None:
    update = pulsed_update(
        np.ones((1, 1)), np.ones((1, 1)), 1.0, 1 / 64, rng, PulseSettings(desired_bl=64)
    )
    assert update.program is not None
    assert int(update.program.row_trains[0, 0]) == 2**64 - 1


@pytest.mark.parametrize(("x", "d", "lr"), [(0.0, 1.0, 0.1), (1.0, 0.0, 0.1), (1.0, 1.0, 0.0)])
def test_nothing_to_do(rng: np.random.Generator, x: float, d: float, lr: float) -> None:
    update = pulsed_update(np.full((2, 3), x), np.full((2, 4), d), lr, 0.01, rng)
    assert update.program is None
    assert update.clipped == update.wanted == 0


@pytest.mark.parametrize(
    ("x", "d", "lr"),
    [
        (np.full((1, 2), np.nan), np.ones((1, 2)), 0.1),
        (np.ones((1, 2)), np.full((1, 2), np.inf), 0.1),
        (np.ones((1, 2)), np.ones((1, 2)), -0.1),
        (np.ones((1, 2)), np.ones((1, 2)), np.nan),
        (np.ones((2, 2)), np.ones((1, 2)), 0.1),
    ],
)
def test_bad_input(rng: np.random.Generator, x: np.ndarray, d: np.ndarray, lr: float) -> None:
    with pytest.raises(BadInputError):
        pulsed_update(x, d, lr, 0.01, rng)


@pytest.mark.parametrize("bl", [0, 65])
def test_bad_length(bl: int) -> None:
    with pytest.raises(BadInputError, match="desired_bl"):
        PulseSettings(desired_bl=bl)


def test_the_same_generator_draws_the_same_trains() -> None:
    first, again, other = (
        pulsed_update(X[None], D[None], LR, DW_MIN, np.random.default_rng(seed)).program
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_splitting_keeps_order_and_total(rng: np.random.Generator) -> None:
    update = pulsed_update(np.tile(X, (10, 1)), np.tile(D, (10, 1)), LR, DW_MIN, rng)
    assert update.program is not None
    parts = list(split(update.program, 25))
    assert len(parts) > 1
    assert all(np.abs(part.counts()).sum(axis=0).max() <= 25 for part in parts)
    together = np.concatenate([part.counts() for part in parts])
    assert np.array_equal(together, update.program.counts())
    assert list(split(update.program, np.inf)) == [update.program]
