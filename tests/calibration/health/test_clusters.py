"""Lines on which bad cells gather."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ohmloop.calibration.health.clusters import FALSE_ALARMS, clusters

DEAD = "rram_1t1r_64k_array/anjiang/dead_test.csv.gz"


def test_bad_cells_anywhere_are_no_clusters():
    """Hypothesis: spread at random. Of 300 chips at most as many alarms as the rate allows."""
    rng = np.random.default_rng(1)
    alarms = sum(bool(clusters(rng.random((32, 24)) < 0.05)) for _ in range(300))
    assert stats.binom.sf(alarms - 1, 300, FALSE_ALARMS) > 1e-4


def test_bad_lines_are_found_worst_first_and_only_they():
    bad = np.random.default_rng(2).random((64, 64)) < 0.01
    bad[:, 7] = True
    bad[20, ::3] = True
    found = clusters(bad)
    assert [(c.line, c.index) for c in found] == [("column", 7), ("row", 20)]
    assert found[0].cells == 64
    assert found[0].bad == 64
    assert found[1].expected < 2
    assert "column 7: 64 of 64 cells are bad" in found[0].evidence


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_alike_gather_nowhere(share):
    assert clusters(np.full((8, 8), bool(share))) == []


def test_a_measured_chip_of_65536_cells():
    """1T1R cells written to 10 to 11 kohm: 97.27 % yield, and the failures are of columns.

    26 columns with 20 failures or more hold most of them; all of these must be found.
    """
    data = Path(os.environ.get("OHMLOOP_DATA", "data")) / DEAD
    if not data.is_file():
        pytest.skip("the measured data are not here; OHMLOOP_DATA names their folder")
    bad = np.zeros(65536, bool)
    with gzip.open(data, "rt") as lines:
        for line in lines:
            parts = line.strip().split(",")
            bad[int(parts[0])] = parts[-1] == "False"
    bad = bad.reshape(256, 256)
    assert 1 - bad.mean() == pytest.approx(0.9727, abs=1e-4)
    found = clusters(bad)
    columns = {c.index for c in found if c.line == "column"}
    assert columns >= set(np.flatnonzero(bad.sum(axis=0) >= 20).tolist())
    assert bad[:, sorted(columns)].sum() > 0.7 * bad.sum()
