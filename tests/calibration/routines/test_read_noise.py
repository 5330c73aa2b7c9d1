from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from ohmloop.calibration.analysis.periodogram import bands
from ohmloop.calibration.analysis.spectrum import apparent_slope
from ohmloop.calibration.analysis.telegraph import find_traps
from ohmloop.calibration.measuring.run import run
from ohmloop.calibration.routines.read_noise import ReadNoise, figure, noise_of

_DATA = Path(os.environ.get("OHMLOOP_DATA", Path(__file__).parents[4] / "shared" / "data"))


def _inside(found, name, truth, z=4.0):
    error = found[f"{name}_stderr"].to_numpy()
    return np.abs(found[name].to_numpy() - truth) < z * error


@pytest.mark.campaign
def test_white_noise_is_told_with_its_error(planted):
    # H0: noise 0.5 %, white. 64 cells, 4.5 standard errors each: false alarm 64 x 7e-6 = 4e-4.
    # A trap is seen in fewer than 1 of 1,000 cells, so in 2 of 64 with a chance below 2e-3.
    found = run(ReadNoise(reads=128), planted(read_std=0.005))
    for name in ("noise_std", "sample_std"):
        assert _inside(found, name, 0.005, 4.5).all()
    assert int(found["telegraph"].sum()) < 2
    assert np.isnan(found["alpha"]) or float(found["alpha_stderr"]) > 0.1
    assert "white" in found.attrs["verdict"] or "1/f noise in" in found.attrs["verdict"]


def test_flicker_noise_has_its_exponent_and_the_white_part_its_size(planted):
    # H0: traps of 1 ms to 100 s make S = A/f from 1.6 mHz to 160 Hz; 2 ms between readings. 4
    # standard errors: false alarm 6e-5; 0.05 more, because the highest of these frequencies are
    # near the fastest trap.
    twin = planted(read_std=0.003, flicker_std=0.02, flicker_longest="100 s")
    found = run(ReadNoise(reads=512), twin)
    alpha, error = float(found["alpha"]), float(found["alpha_stderr"])
    assert abs(alpha - 1) < 4 * error + 0.05
    assert error < 0.05
    assert np.isfinite(found["corner"]).to_numpy().mean() > 0.5
    assert "1/f noise in" in found.attrs["verdict"]
    # Traps of equal strength at all rates are no single trap.
    assert int(found["telegraph"].sum()) <= 3


def test_planted_traps_are_found_with_amplitude_and_dwell_times(planted):
    # H0: amplitude 5 %, 20 ms filled, 50 ms empty, read every 2 ms for 1 s: 14 visits of each. 4.5
    # standard errors: false alarm 30 x 3 x 7e-6 = 6e-4.
    twin = planted(
        read_std=0.005,
        telegraph_amplitude=0.05,
        telegraph_filled="20 ms",
        telegraph_empty="50 ms",
        telegraph_share=0.5,
    )
    truth = twin.cells.population.effects[0].amplitude > 0
    found = run(ReadNoise(reads=512), twin)
    seen = found["telegraph"].to_numpy() == 1
    np.testing.assert_array_equal(seen, truth)
    for name, value in (("amplitude", 0.05), ("filled", 0.02), ("empty", 0.05)):
        assert _inside(found, f"telegraph_{name}", value, 4.5)[truth].all()
        assert np.isnan(found[f"telegraph_{name}"].to_numpy()[~truth]).all()
    assert figure(found).axes


def test_white_noise_makes_no_traps():
    # H0: fewer than 1 of 1,000 cells of white noise; 2,000 cells of 64 readings: at most 2
    # expected at that rate, and 8 or more with a chance of 1e-3.
    series = 1 + 0.01 * np.random.default_rng(5).standard_normal((64, 2000))
    traps = find_traps(series, 1.0, np.zeros(64, bool))
    assert traps.found.sum() < 8
    assert np.quantile(traps.gain, 0.999) < 11


def test_a_gap_between_readings_begins_a_new_series():
    rng = np.random.default_rng(2)
    times = np.concatenate([np.arange(100), 5000 + np.arange(100)]) * 0.01
    found = noise_of(1e-5 * (1 + 0.01 * rng.standard_normal((200, 4))), times, (2, 2))
    assert float(found["interval"]) == pytest.approx(0.01)
    assert float(found["frequency"].min()) == pytest.approx(2.0)  # the second of 100 readings


def test_chosen_lines_alone_are_read(planted):
    twin = planted()
    routine = ReadNoise(reads=32, rows=(1,), columns=(2, 5))
    assert routine.cost(twin).reads == pytest.approx(1)
    found = run(routine, twin)
    assert np.argwhere(np.isfinite(found["noise_std"].to_numpy())).tolist() == [[1, 2], [1, 5]]


def test_a_real_cell_of_the_64k_array():
    # The data's README: 1.69 % in all, 1.26 % from sample to sample.
    path = _DATA / "rram_1t1r_64k_array" / "radway" / "ret1.csv.gz"
    if not path.is_file():
        pytest.skip("measured data are not here")
    table = np.loadtxt(path, delimiter=",")
    found = noise_of(table[:, 3:4], table[:, 1], (1, 1))
    assert found["noise_std"].item() == pytest.approx(0.0169, abs=0.0001)
    assert found["sample_std"].item() == pytest.approx(0.0126, abs=0.0001)
    assert found["corner"].item() > float(found["frequency"].min())


@pytest.mark.campaign  # reading the file takes longer than the analysis
def test_real_cells_with_traps_and_slow_noise():
    # Spectra of slope -0.7 to -1.3, as the data's README says; the fourth cell, at 185 uS, has a
    # trap of 1 % that is found in windows of 1.25 s.
    path = _DATA / "rram_relaxation_techABC" / "techA_tsdata.min.tsv.gz"
    if not path.is_file():
        pytest.skip("measured data are not here")
    with gzip.open(path, "rt") as file:
        series = np.array([np.array(line.split(), float)[2:20002] for line in file]).T
    slopes, _ = apparent_slope(bands(series, np.arange(len(series)) / 400))
    assert ((slopes[:4] > -1.5) & (slopes[:4] < -0.6)).all()
    windows = series[:, 3].reshape(-1, 500).T
    traps = find_traps(windows, 1 / 400, np.zeros(500, bool))
    assert traps.found.mean() > 0.5
    assert np.nanmedian(traps.amplitude) == pytest.approx(0.0104, abs=0.002)
