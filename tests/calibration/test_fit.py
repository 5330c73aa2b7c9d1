from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ohmloop.calibration import (
    Health,
    MeasurementStore,
    acquire,
    fit_raw,
    fit_trajectories,
    load_recipe,
    measure,
    raw_of_store,
)
from ohmloop.calibration.fitting import Trajectories
from ohmloop.drivers import BadInputError

PARAMETERS = ("g_min", "g_max", "slope_up", "slope_down", "dg_std", "read_std")


def truth_of(cells, name):
    return getattr(cells if name in ("dg_std", "read_std") else cells.response, name)


@pytest.fixture(scope="module")
def fitted(raw):
    return fit_trajectories(Trajectories.of_raw(raw), "soft-bounds")


@pytest.mark.parametrize("name", [*PARAMETERS, "symmetric_point", "dg_min"])
def test_coverage(name, record, cells):
    """Of 95 % intervals, 90 to 99 % hold the truth; allowing for this many cells (binomial)."""
    z = (record[name].to_numpy() - truth_of(cells, name)) / record[f"{name}_stderr"].to_numpy()
    held, count = int((np.abs(z) < 1.96).sum()), z.size
    assert stats.binom.sf(held - 1, count, 0.90) < 1 - 1e-3, "too narrow"
    assert held / count > 0.88
    if name not in ("dg_std", "read_std"):  # the same in all these cells: the prior makes them wide
        assert held / count < 0.99


@pytest.mark.parametrize(
    ("name", "off"),
    [("g_max", 0.05), ("slope_up", 0.15), ("dg_min", 0.04), ("symmetric_point", 0.03)],
)
def test_typical_error(name, off, record, cells):
    relative = record[name].to_numpy() / truth_of(cells, name) - 1
    assert np.median(np.abs(relative)) < off
    assert abs(np.median(relative)) < off / 5


@pytest.mark.parametrize(("name", "truth"), [("dg_std", 0.3), ("read_std", 0.005)])
def test_noise_has_little_bias(name, truth, record):
    assert float(record[name].median()) == pytest.approx(truth, rel=0.13)


def test_no_false_alarms(record):
    """At most one healthy cell in a hundred is refused (binomial, one in a million)."""
    refused = int((record["health"].to_numpy() != Health.OK).sum())
    assert stats.binom.sf(refused - 1, record["health"].size, 0.01) > 1e-6


def test_dead_cells_are_flagged(dead_record):
    health = dead_record["health"].to_numpy()
    assert health[0, 0] in (Health.STUCK, Health.STUCK_HIGH, Health.STUCK_LOW)
    assert health[1, 2] == Health.STUCK_HIGH
    assert health[3, 1] == Health.OPEN
    assert (health != Health.OK).sum() == 3
    np.testing.assert_array_equal(dead_record["usable"].to_numpy() == 1, health == Health.OK)
    assert np.isnan(dead_record["dg_min_stderr"].to_numpy()[0, 0])


def test_dead_cells_stay_dead_in_the_twin(dead_record):
    g_min, g_max, here = (
        dead_record[n].to_numpy()[1, 2] for n in ("g_min", "g_max", "conductance")
    )
    assert g_min < here < g_max < 1.001 * g_min
    median = np.median(dead_record["dg_min"].to_numpy()[dead_record["health"].to_numpy() == 0])
    assert dead_record["dg_min"].to_numpy()[1, 2] == pytest.approx(median)


def test_unreadable_cell(raw):
    broken = raw.copy(deep=True)
    broken["conductance"][10:20, 2, 3] = np.nan  # too many to fit
    broken["conductance"][12, 2, 4] = np.nan  # one more or less does not matter
    record = fit_raw(broken, "soft-bounds")
    assert record["health"].to_numpy()[2, 3] == Health.UNREADABLE
    assert record["health"].to_numpy()[2, 4] == Health.OK
    assert np.isfinite(record["g_max"].to_numpy()).all()


def test_chip_without_response_is_an_error(make_chip, make_cells):
    dead = make_cells(1, (3, 3), slope_up=1e-8, slope_down=1e-8)
    raw = acquire(make_chip(dead), seed=0)
    with pytest.raises(BadInputError, match="9 does not respond"):
        fit_raw(raw)


def test_steep_cells_are_not_taken_for_dead(make_chip, make_cells):
    steep = make_cells(4, (12, 12), slope_up=0.1, slope_down=0.05)
    record = fit_raw(acquire(make_chip(steep), seed=0), "soft-bounds")
    assert int(record["usable"].sum()) >= 142
    assert float(record["slope_up"].median()) == pytest.approx(0.1, rel=0.05)


def test_quiet_cells_are_fitted_exactly(make_chip, make_cells):
    quiet = make_cells(4, (6, 6), dg_std=0.0, read_std=0.0)
    record = fit_raw(acquire(make_chip(quiet), seed=0), "soft-bounds")
    usable = record["usable"].to_numpy() == 1
    assert usable.mean() > 0.8
    error = record["dg_min"].to_numpy() / quiet.response.dg_min - 1
    assert np.abs(error[usable]).max() < 1e-3


def test_order_of_cells_does_not_matter(raw, fitted):
    back = fit_trajectories(Trajectories.of_raw(raw).of(slice(None, None, -1)), "soft-bounds")
    # an optimum is taken for one when a full step would gain a third of a standard error at most
    apart = np.abs(back.value("g_max")[::-1] - fitted.value("g_max"))
    assert (apart <= fitted.stderr()["g_max"] / 3)[fitted.usable].all()


@pytest.mark.campaign
def test_few_readings_give_noises_without_bias(make_chip, make_cells):
    """The recipe ``quick``, 13 readings a cell: the chip as a whole tells its noises.

    576 cells of a 20 % error each know a median to 1 %; 10 % is far beyond chance.
    """
    store = MeasurementStore()
    measure(load_recipe("quick"), make_chip(make_cells(3)), store, seed=1)
    fit = fit_trajectories(Trajectories.of_raw(raw_of_store(store)), "soft-bounds")
    for name, truth in (("dg_std", 0.3), ("read_std", 0.005)):
        assert np.median(fit.value(name)[fit.usable]) == pytest.approx(truth, rel=0.1)
