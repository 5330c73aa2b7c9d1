from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from ohmloop.calibration.measuring.run import run
from ohmloop.calibration.routines.retention import Retention, figure, retention_of

_DATA = Path(os.environ.get("OHMLOOP_DATA", Path(__file__).parents[4] / "shared" / "data"))
SHORT = Retention(longest="1000 s", per_decade=3)


def _z(found, name, truth):
    return ((found[name] - truth) / found[f"{name}_stderr"]).to_numpy()


def test_planted_drift_exponents_lie_within_their_errors(planted):
    # H0: errors are normal: 95 % of 256 cells within 1.96 of them, +- 1.4 %; from 90 to 99 % with a
    # false alarm below 1e-3.
    twin = planted((16, 16), read_std=0.002, drift_nu=0.03, drift_nu_dtod=0.3)
    found = run(SHORT, twin)
    z = _z(found, "drift_nu", twin.cells.population.effects[0].nu)
    assert 0.90 < np.mean(np.abs(z) < 1.96) <= 0.99
    assert "power-law drift" in found.attrs["verdict"]
    assert figure(found).axes


def test_planted_lifetimes_lie_within_their_errors(planted):
    # H0: as above; a few cells near their rest lose too little to tell.
    twin = planted((16, 16), read_std=0.002, retention_lifetime="200 s", retention_rest="5 uS")
    found = run(SHORT, twin)
    told = np.isfinite(found["lifetime"].to_numpy())
    assert told.mean() > 0.7
    z = _z(found, "lifetime", 200.0)[told]
    assert 0.88 < np.mean(np.abs(z) < 1.96) <= 0.99
    assert np.nanmedian(found["rest"]) == pytest.approx(5e-6, rel=0.02)
    assert "decay, lifetime" in found.attrs["verdict"]


def test_cells_that_stay_are_said_to_stay(planted):
    # H0: no drift; 64 cells within 4.5 standard errors of 0: false alarm 4e-4.
    twin = planted(read_std=0.003)
    before = twin.clock.now
    found = run(SHORT, twin)
    assert twin.clock.now - before >= 1000
    assert (np.abs(_z(found, "drift_nu", 0.0)) < 4.5).all()
    assert "no drift" in found.attrs["verdict"]
    assert np.isfinite(found["lifetime"]).to_numpy().mean() < 0.1


def test_levels_differ_and_the_wait_is_in_the_cost(planted):
    twin = planted(read_std=0.003)
    assert SHORT.cost(twin).waiting == 1000
    found = run(SHORT, twin)
    first = found["level_median"].to_numpy()[:, 0]
    assert (np.diff(first) > 0).all()
    assert found["age"].to_numpy()[-1] == pytest.approx(1000, rel=0.01)


def test_spread_grows_by_as_much_in_every_decade():
    # H0: 1 uS a decade, 400 cells: 4 standard errors.
    rng = np.random.default_rng(3)
    ages = np.geomspace(0.01, 1e4, 13)
    walk = rng.standard_normal((13, 400)).cumsum(axis=0)
    readings = 50e-6 + 1e-6 * walk * np.sqrt(0.5)
    found = retention_of(readings, ages, np.zeros(400, np.int64), (20, 20))
    last = float(found["spread"][-1])
    assert last == pytest.approx(1e-6 * np.sqrt(6), abs=4 * float(found["spread_stderr"][-1]))
    assert float(found["spread_per_decade"]) > 0


def test_too_short_a_wait_is_refused():
    with pytest.raises(ValidationError, match="longest must be at least ten times"):
        Retention(longest="2 s")


def test_real_cells_spread_as_their_source_says():
    # 16,000 cells of technology B: 2.3 uS after 10 ms, 7.8 uS after 10,000 s.
    path = _DATA / "rram_relaxation_techABC" / "techB_relaxdata_10k.min.tsv.gz"
    if not path.is_file():
        pytest.skip("measured data are not here")
    table = np.loadtxt(path, usecols=(0, 3, 6))
    ages, moment = np.unique(table[:, 2], return_inverse=True)
    cells, cell = np.unique(table[:, 0], return_inverse=True)
    readings = np.full((ages.size, cells.size), np.nan)
    readings[moment, cell] = table[:, 1]
    kept = readings[:, np.isfinite(readings).all(axis=0) & (readings > 0).all(axis=0)]
    found = retention_of(kept, ages, np.zeros(kept.shape[1], np.int64), (1, kept.shape[1]))
    assert float(found["spread"][1]) == pytest.approx(2.3e-6, rel=0.1)
    assert float(found["spread"][-1]) == pytest.approx(7.8e-6, rel=0.1)
    assert float(found["spread_per_decade"]) > 10 * float(found["spread_per_decade_stderr"])
