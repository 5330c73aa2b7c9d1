from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ohmloop.calibration.covariance import keep_covariance
from ohmloop.calibration.validation import Forecaster, TwinCopies, ValidationPlan, make_sequences
from ohmloop.calibration.validation.predictive import CUTS, LEVELS, Predictive, tiled
from ohmloop.drivers.pulses import CellPulses
from ohmloop.sim_backend.responses.piecewise import Piecewise


@pytest.fixture(scope="module")
def sequences(truth):
    everywhere = np.ones(truth.shape, bool)
    rng = np.random.default_rng(0)
    found = make_sequences(ValidationPlan(), truth, everywhere, np.inf, rng)
    return {str(s.kind): s for s in found}


def forecaster(kit, chip, seed=1, copies=39):
    twin = kit.twin_of(chip, 0) if hasattr(chip, "response") else None
    record = kit.file_of(chip) if twin else chip
    bench = twin or kit.twin_of(kit.population_of(record), 0)
    return Forecaster(TwinCopies(record), copies, bench.conditions, bench.reading, seed)


def start_of(truth):
    return np.asarray(truth.response.symmetric_point, np.float64)


def test_same_seed_same_prediction_to_the_bit(kit, truth, sequences):
    make = forecaster(kit, truth)
    one, two = (make.predict(sequences["mix"], start_of(truth), 2, 3) for _ in range(2))
    assert one.digest == two.digest
    assert make.predict(sequences["mix"], start_of(truth), 2, 4).digest != one.digest
    other = forecaster(kit, truth, seed=2)
    assert other.predict(sequences["mix"], start_of(truth), 2, 3).digest != one.digest


def test_mean_is_the_response_function_s(kit, truth, sequences):
    found = forecaster(kit, truth, copies=399).predict(sequences["long"], start_of(truth), 1, 0)
    up = ValidationPlan().long_pulses // ValidationPlan().long_reads
    expected = truth.response.after(start_of(truth), up)
    z = (found.mean[0] - expected) / found.std[0] * np.sqrt(399)
    assert np.abs(z).max() < 5.5  # 256 normal numbers: once in 10^5 runs


def test_spread_is_read_noise_where_nothing_moves(kit, truth, sequences):
    found = forecaster(kit, truth, copies=399).predict(sequences["idle"], start_of(truth), 4, 0)
    expected = truth.read_std * start_of(truth) * np.sqrt(1 + 1 / 4)
    ratio = (found.std / expected).mean()
    assert ratio == pytest.approx(1, abs=0.02)


def test_coverage_is_exact_for_few_copies(kit, truth, sequences):
    """A chip like the copies: readings fall into all classes as they should.

    Chi-squared over one position of every cell (independent): a false alarm in 1,000 runs.
    """
    chip = kit.twin_of(truth, 55)
    sequence = sequences["mix"]
    for program in sequence.prepare:
        chip.pulse(program)
    start = chip.read()
    found = forecaster(kit, truth).predict(sequence, start, 1, 0)
    for program in sequence.steps[0].programs:
        chip.pulse(program)
    classes = found.classes(np.stack([chip.read()] * found.mean.shape[0]))[0]
    share = np.diff([0.0, *CUTS, 1.0])
    counted = np.bincount(classes.ravel(), minlength=share.size)
    assert stats.chisquare(counted, share * classes.size).pvalue > 1e-3


def test_levels_are_intervals_of_classes():
    edges = [0.0, *CUTS, 1.0]
    for level, (low, high) in LEVELS.items():
        assert edges[high] - edges[low] == pytest.approx(level)


def test_what_cannot_vary_is_in_the_middle():
    still = np.full((1, 1, 2), 1e-5, np.float32)
    found = Predictive(still, 0 * still, np.repeat(still[None], len(CUTS), axis=0))
    classes = found.classes(np.array([[[1e-5, 1.1e-5]]]))
    assert classes.ravel().tolist() == [len(CUTS) // 2, len(CUTS)]


def test_uncertain_parameters_widen_and_together_they_cancel(kit, record, sequences):
    """Independent errors of single parameters say more than their combination does."""
    start = record["symmetric_point"].to_numpy()
    bare = record.drop_vars([n for n in record if n.endswith("_stderr")])
    everywhere = np.ones(start.shape, bool)
    cells = kit.population_of(record)
    (mix, *_) = make_sequences(ValidationPlan(), cells, everywhere, 99, np.random.default_rng(0))
    alone, together, none = (
        float(forecaster(kit, chip).predict(mix, start, 1, 0).std.mean())
        for chip in (
            record.drop_vars("parameter_covariance"),
            record,
            bare.drop_vars("parameter_covariance"),
        )
    )
    assert none < together < alone


def test_tables_are_drawn_entry_by_entry(kit, truth):
    """A response function of tables, whose covariance names single entries."""
    r = truth.response
    table = np.repeat(np.asarray(r.dg_min)[..., None], 3, axis=2)
    cells = replace(truth, response=Piecewise(r.g_min, r.g_max, table, table))
    record = kit.file_of(cells)
    name = next(n for n in Piecewise.units if n not in ("g_min", "g_max"))
    names = (f"{name}[1]", "dg_std")
    covariance = np.zeros((256, 2, 2))
    covariance[:, 0, 0] = (0.1 * table[..., 1].ravel()) ** 2
    keep_covariance(record, names, covariance, np.ones(truth.shape, bool))
    rows = np.arange(16)
    drawn = TwinCopies(record).draw(rows, 200, np.random.default_rng(0))
    values = getattr(drawn.response, name).reshape(200, 16, 16, 3)
    spread = np.log(values).std(axis=0)
    np.testing.assert_allclose(spread[..., 1], 0.1, rtol=0.25)
    np.testing.assert_array_equal(values[..., 0], np.tile(table[..., 0], (200, 1, 1)))


def test_programs_of_copies(kit, truth, sequences):
    rows, copies = np.array([3, 4, 5]), 4
    sparse = sequences["sparse"].steps[0].programs[0]
    for program in (sparse, CellPulses(np.arange(256).reshape(16, 16).astype(np.int32))):
        wide = tiled(program, rows, copies).counts()
        np.testing.assert_array_equal(wide, np.tile(program.counts()[:, rows], (1, copies, 1)))


def test_blocks_of_rows_do_as_well(kit, truth, sequences, monkeypatch):
    """A crossbar too large for one go: the distribution is the same, the draws are others."""
    whole = forecaster(kit, truth, copies=399).predict(sequences["mix"], start_of(truth), 1, 0)
    monkeypatch.setattr("ohmloop.calibration.validation.predictive._AT_ONCE", 399 * 16 * 5)
    parts = forecaster(kit, truth, copies=399).predict(sequences["mix"], start_of(truth), 1, 0)
    z = (whole.mean - parts.mean) / whole.std * np.sqrt(399 / 2)
    assert whole.digest != parts.digest
    assert 0.7 < z.std() < 1.3
