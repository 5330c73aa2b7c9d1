"""Updates by stochastic trains: what one sample does to the cells, over many draws of its trains.

A slot fires row i with probability p_i and column j with q_j, each by itself, and so pulses cell
(i, j) with p_i q_j. Cells of one row share the row's bits, so over BL slots the pulse counts n have

    E n_ij = BL p_i q_j                            Var n_ij = BL p_i q_j (1 - p_i q_j)
    Cov(n_ij, n_ik) = BL p_i q_j q_k (1 - p_i)     in one row, since E a_i^2 = p_i
    Cov(n_ij, n_mj) = BL p_i p_m q_j (1 - q_j)     in one column
    Cov(n_ij, n_mk) = 0                            in neither

for m not i and k not j (Gokmen and Vlasov, Front. Neurosci. 10:333, 2016, have the first line).
Where steps have noise std, every pulse is 1 + std xi steps, which adds std^2 E n to the variance
and nothing to any covariance.

H0: the updates have these moments. Every moment of every cell and pair is compared with its
estimate from ``DRAWS`` draws; by Bonferroni over all of them a test has a false-alarm rate of 1e-5.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import norm

from ohmloop.drivers import CoincidencePulses
from ohmloop.sim_backend import Population
from ohmloop.sim_backend.arrays import Arrays, NumpyArrays, TorchArrays
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.responses import ConstantStep, SoftBounds
from ohmloop.training.update.stochastic import PulseSettings, pulsed_update

DRAWS, FEW = 10_000, 60
X = np.array([1.0, -0.6, 0.3, 0.8, -0.2])
D = np.array([0.25, -0.5, 0.125, 0.35])
LR, DW, BL = 12.6, 0.5, 13
"""``LR max|x| max|d| / DW`` is 12.6, so 13 slots."""
SHAPE = D.size, X.size
CELLS = [(i, j) for i in range(SHAPE[0]) for j in range(SHAPE[1])]


def _program(draws: int, seed: int = 7) -> CoincidencePulses:
    settings = PulseSettings(desired_bl=31)
    x, d = np.tile(X, (draws, 1)), np.tile(D, (draws, 1))
    program = pulsed_update(x, d, LR, DW, np.random.default_rng(seed), settings).program
    assert program is not None
    assert program.length == BL
    return program


def _sample(program: CoincidencePulses, k: int) -> CoincidencePulses:
    parts = (program.row_trains, program.column_trains, program.row_signs, program.column_signs)
    return CoincidencePulses(*(part[k : k + 1] for part in parts), program.length)


def _array(std: float, arrays: Arrays | None = None) -> CellArray:
    """Constant steps of ``DW`` = 1/2, and bounds out of reach, so that noiseless sums are exact."""
    steps = ConstantStep(np.full(SHAPE, -1e5), 1e5, DW, DW)
    return CellArray(Population(steps, std, 0.0, np.zeros(SHAPE)), 3, arrays)


def _updates(array: CellArray, program: CoincidencePulses, draws: int) -> np.ndarray:
    """What each sample changes, ``(draws, cells)``."""
    g = [array.conductance]
    for k in range(draws):
        array.play(_sample(program, k))
        g.append(array.conductance)
    return np.diff(np.reshape(g, (draws + 1, -1)), axis=0)


def _odds() -> tuple[np.ndarray, np.ndarray]:
    """p and q: balanced, so that the strongest row and column fire equally often."""
    gain, balance = np.sqrt(LR / (DW * BL)), np.sqrt(0.5 / 1.0)
    p, q = gain / balance * abs(D), gain * balance * abs(X)
    assert p.max() == pytest.approx(q.max())
    assert p.max() < 1
    return p, q


def _covariance(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Of the pulse counts of two cells, or of one with itself, without signs."""
    p, q = _odds()
    (i, j), (m, k) = a, b
    if (i, j) == (m, k):
        return BL * p[i] * q[j] * (1 - p[i] * q[j])
    if i == m:
        return BL * p[i] * q[j] * q[k] * (1 - p[i])
    if j == k:
        return BL * p[i] * p[m] * q[j] * (1 - q[j])
    return 0.0


@pytest.fixture(scope="module", params=[0.0, 0.7], ids=["no noise", "noise"])
def drawn(request: pytest.FixtureRequest) -> tuple[float, np.ndarray]:
    """Noise of a step, and updates by the kernels."""
    return request.param, _updates(_array(request.param), _program(DRAWS), DRAWS)


def _within(found: np.ndarray, wanted: np.ndarray, error: np.ndarray) -> None:
    """All estimates within the bound that 1e-5 together leaves to each."""
    bound = norm.isf(1e-5 / found.size / 2)
    off = np.abs(found - wanted) / error
    assert off.max() < bound, f"number {off.argmax()} is off by {off.max():.1f} standard errors"


def test_mean_is_the_gradient(drawn):
    _, updates = drawn
    p, q = _odds()
    wanted = -LR * np.outer(D, X).ravel()
    np.testing.assert_allclose(np.abs(wanted), DW * BL * np.outer(p, q).ravel())
    _within(updates.mean(axis=0), wanted, updates.std(axis=0) / np.sqrt(DRAWS))


def test_variance_is_binomial_and_that_of_the_noise(drawn):
    std, updates = drawn
    mean = BL * np.outer(*_odds()).ravel()
    wanted = DW**2 * (np.array([_covariance(c, c) for c in CELLS]) + std**2 * mean)
    squares = (updates - updates.mean(axis=0)) ** 2
    _within(squares.mean(axis=0), wanted, squares.std(axis=0) / np.sqrt(DRAWS))


@pytest.mark.parametrize("which", ["row", "column", "neither"])
def test_covariance_between_cells_is_that_of_shared_bits(drawn, which):
    _, updates = drawn
    off = updates - updates.mean(axis=0)
    signs = -np.sign(np.outer(D, X)).ravel()
    found, wanted, error = [], [], []
    for a, b in combinations(range(len(CELLS)), 2):
        (i, j), (m, k) = CELLS[a], CELLS[b]
        if which != ("row" if i == m else "column" if j == k else "neither"):
            continue
        products = off[:, a] * off[:, b]
        found.append(products.mean())
        wanted.append(DW**2 * signs[a] * signs[b] * _covariance(CELLS[a], CELLS[b]))
        error.append(products.std() / np.sqrt(DRAWS))
    assert len(found) == {"row": 40, "column": 30, "neither": 120}[which]
    _within(np.array(found), np.array(wanted), np.array(error))


ENGINES = {"reference": NumpyArrays, "tensors": TorchArrays}


@pytest.mark.parametrize("arrays", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("std", [0.0, 0.7])
def test_every_engine_makes_the_same_updates(std, arrays):
    """To the bit, sample by sample: what is said above of the kernels is said of all."""
    program = _program(FEW)
    kernels = _updates(_array(std), program, FEW)
    np.testing.assert_array_equal(_updates(_array(std, arrays()), program, FEW), kernels)


@pytest.mark.campaign
@pytest.mark.parametrize("arrays", ENGINES.values(), ids=ENGINES)
def test_every_engine_makes_the_same_updates_for_long(arrays):
    program = _program(DRAWS)
    kernels = _updates(_array(0.7), program, DRAWS)
    np.testing.assert_array_equal(_updates(_array(0.7, arrays()), program, DRAWS), kernels)


def _soft(arrays: Arrays | None = None) -> CellArray:
    rng = np.random.default_rng(2)
    low, high = rng.uniform(-1, -0.5, SHAPE), rng.uniform(0.5, 1, SHAPE)
    cells = SoftBounds(low, high, rng.uniform(0.01, 0.1, SHAPE), rng.uniform(0.01, 0.1, SHAPE))
    return CellArray(Population(cells, 0.3, 0.0, np.zeros(SHAPE), dg_add=0.002), 5, arrays)


@pytest.mark.parametrize("arrays", ENGINES.values(), ids=ENGINES)
def test_a_batch_is_its_samples_one_after_the_other_on_every_engine(arrays):
    program = _program(FEW)
    batch, one_by_one, other = _soft(), _soft(), _soft(arrays())
    batch.play(program), other.play(program)
    _updates(one_by_one, program, FEW)
    np.testing.assert_array_equal(batch.conductance, one_by_one.conductance)
    np.testing.assert_array_equal(batch.conductance, other.conductance)
    assert batch.pulses_applied == other.pulses_applied == program.total_pulses
