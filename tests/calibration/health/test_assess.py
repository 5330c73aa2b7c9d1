"""Health: planted defects are found, and healthy cells are left in peace."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from ohmloop.calibration import Recipe, acquire, fit_raw
from ohmloop.calibration.health import Health, HealthCriteria, assess
from ohmloop.calibration.health.figures import figure
from ohmloop.drivers import Capabilities
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, load_chip, sample, save_chip
from ohmloop.sim_backend.instruments.wiring_faults import WiredCells, WiringFaults

SHORT = Recipe.read(
    {"routines": ["continuity", "pulse_response", "symmetric_point", "held_out"]}, "short trains"
)
STUCK = (Health.STUCK, Health.STUCK_HIGH, Health.STUCK_LOW)


class WiredTwin(TwinCrossbar):
    """A twin behind faulty wiring."""

    def __init__(self, population, faults, seed):
        super().__init__(population, seed=seed, capabilities=Capabilities())
        self.cells = WiredCells(population, seed, faults)

    def _pulse(self, program, sequence):
        del sequence
        return self.cells.apply(program.runs), 0


def measured(population, faults=None, seed=4):
    chip = (
        WiredTwin(population, faults, seed)
        if faults
        else TwinCrossbar(population, seed=seed, capabilities=Capabilities())
    )
    return acquire(chip, SHORT, seed=1)


def planted(seed=3, shape=(24, 24)):
    """Two of each defect of cells, in rows and columns that no wiring fault is in."""
    spec = PopulationSpec(
        stuck_low=[[0, 1], [5, 7]], stuck_high=[[1, 1], [9, 9]], stuck_anywhere=[[2, 2], [3, 5]],
        sluggish=[[4, 4], [10, 3]],
    )  # fmt: skip
    cells = sample(spec, shape, np.random.default_rng(seed))
    noise = np.array(np.broadcast_to(cells.read_std, shape))
    noise[[7, 20], [3, 20]] *= 8
    return replace(cells, read_std=noise)


FAULTS = WiringFaults(
    open_rows=[13], open_columns=[22], open_cells=[[6, 6]], shorted_cells=[[8, 8]],
    shorted_rows=[[17, 21]], shorted_columns=[[11, 15]],
)  # fmt: skip


def check_planted(report):
    """Every planted defect has its own word."""
    h = report.health
    assert h[0, 1] == h[5, 7] == Health.STUCK_LOW
    assert h[1, 1] == h[9, 9] == h[8, 8] == Health.STUCK_HIGH
    assert h[2, 2] in STUCK
    assert h[3, 5] in STUCK
    for cell in ((4, 4), (10, 3)):  # near a bound a tenth of a step may be none that shows
        assert h[cell] in (Health.SLUGGISH, *STUCK)
    assert h[7, 3] == h[20, 20] == Health.NOISY
    assert h[6, 6] == Health.OPEN
    assert (h[13] == Health.OPEN).all()
    assert (h[:, 22] == Health.OPEN).all()
    lines = {(d.health, d.rows, d.columns) for d in report.defects}
    assert (Health.OPEN, (13,), ()) in lines
    assert (Health.OPEN, (), (22,)) in lines
    assert (Health.LINES_TOGETHER, (17, 21), ()) in lines
    assert (Health.LINES_TOGETHER, (), (11, 15)) in lines


def healthy(report):
    """Cells in which nothing was planted."""
    sound = np.ones(report.health.shape, bool)
    for cell in ((0, 1), (5, 7), (1, 1), (9, 9), (8, 8), (2, 2), (3, 5), (4, 4), (10, 3), (7, 3),
                 (20, 20), (6, 6)):  # fmt: skip
        sound[cell] = False
    sound[[13, 17, 21]] = False
    sound[:, [11, 15, 22]] = False
    return report.health[sound]


@pytest.fixture(scope="module")
def raw():
    return measured(planted(), FAULTS)


@pytest.fixture(scope="module")
def report(raw):
    return assess(raw)


def test_every_planted_defect_is_found_and_named(report):
    check_planted(report)
    assert (healthy(report) == Health.OK).all()


def test_lines_come_before_cells_with_evidence(report):
    single = [bool(d.rows) and bool(d.columns) for d in report.defects]
    assert single == sorted(single)
    assert all(d.evidence for d in report.defects)
    row = next(d for d in report.defects if d.rows == (13,) and not d.columns)
    assert row.where == "row 13"
    assert "0 S" in row.evidence
    assert "open" in report.summary
    assert sum(report.counts.values()) == report.health.size


def test_bad_lines_are_clusters(report):
    found = {(c.line, c.index) for c in report.clusters}
    assert found == {("row", 13), ("row", 17), ("row", 21), ("column", 11), ("column", 15),
                     ("column", 22)}  # fmt: skip


def test_the_mask_leaves_out_what_cannot_be_used(report):
    usable, h = report.usable, report.health
    assert usable[h == Health.OK].all()
    bad = ~np.isin(h, (Health.OK, Health.NOISY, Health.SLUGGISH, Health.DRIFTING))
    assert not usable[bad].any()
    assert not usable[4, 4]  # a tenth of the typical step
    assert usable[7, 3]  # 4 % of noise is much beside the others, and little beside the range


def test_the_figure_shows_every_line(report):
    drawn = figure(report.health, report.usable)
    bars = [len(ax.patches) for ax in drawn.axes[1:3]]
    assert bars == list(report.health.shape)


def test_what_is_too_much_for_use_is_a_criterion(raw):
    strict = assess(raw, criteria=HealthCriteria(noisy_for_use=0.005, slow_for_use=0.01))
    assert not strict.usable[7, 3]
    assert strict.usable[10, 3]


def test_no_false_alarms():
    """At most one healthy cell in 1,000, all tests together (binomial, one in a million)."""
    alarms, cells = 0, 0
    for seed in range(1):
        found = assess(measured(sample(PopulationSpec(), (40, 40), np.random.default_rng(seed))))
        alarms += int((found.health != Health.OK).sum())
        cells += found.health.size
    assert stats.binom.sf(alarms - 1, cells, 1e-3) > 1e-6


@pytest.mark.campaign
@pytest.mark.parametrize(
    "keys",
    [
        {}, {"slope_dtod": 0.3}, {"dg_std": 1.0}, {"read_std": 0.03}, {"read_std_dtod": 0.3},
        {"model": "constant-step", "step_up": "0.5 uS", "step_down": "0.5 uS"},
        {"flicker_std": 0.01},
    ],
    ids=str,
)  # fmt: skip
def test_false_alarms_on_many_chips(keys):
    """Under 1 in 1,000 healthy cells, on 40 chips of each kind (binomial, one in 10,000)."""
    alarms, cells = 0, 0
    for seed in range(40):
        population = sample(PopulationSpec(**keys), (32, 32), np.random.default_rng(seed))
        found = assess(measured(population, seed=seed))
        alarms += int((found.health != Health.OK).sum())
        cells += found.health.size
    assert stats.binom.sf(alarms - 1, cells, 1e-3) > 1e-4


@pytest.mark.campaign
def test_planted_defects_on_many_chips():
    """All are found on each of 20 chips, and under 1 in 1,000 healthy cells beside them."""
    alarms, cells = 0, 0
    for seed in range(20):
        found = assess(measured(planted(seed), FAULTS, seed))
        check_planted(found)
        alarms += int((healthy(found) != Health.OK).sum())
        cells += healthy(found).size
    assert stats.binom.sf(alarms - 1, cells, 1e-3) > 1e-4


def test_telegraph_cells_are_noisy():
    """Traps that take a third of the conductance, in two cells of a sound chip."""
    spec = PopulationSpec(
        telegraph_amplitude=0.35, telegraph_filled="20 ms", telegraph_empty="20 ms"
    )
    cells = sample(spec, (16, 16), np.random.default_rng(1))
    trap = cells.effects[0]
    amplitude = np.zeros((16, 16), np.float32)
    amplitude[[2, 9], [3, 12]] = 0.35
    cells = replace(cells, effects=(replace(trap, amplitude=amplitude),))
    found = assess(measured(cells))
    assert found.health[2, 3] == found.health[9, 12] == Health.NOISY
    assert (found.health != Health.OK).sum() == 2


def test_drifting_cells_drift():
    """Power-law drift of two cells, read for a day after a train."""
    spec = PopulationSpec(drift_nu=0.05, drift_nu_dtod=0.0, read_std=0.002)
    cells = sample(spec, (12, 12), np.random.default_rng(1))
    nu = np.zeros((12, 12), np.float32)
    nu[[2, 9], [3, 10]] = 0.05
    cells = replace(cells, effects=(replace(cells.effects[0], nu=nu),))
    chip = TwinCrossbar(cells, seed=2, capabilities=Capabilities())
    raw = acquire(chip, SHORT, seed=1)
    held = []
    for wait in np.geomspace(1, 86400, 12):
        chip.wait(float(wait))
        held.append(chip.read())
    more = raw.isel(step=slice(0, len(held))).copy(deep=True)
    more["conductance"][:] = np.stack(held)
    more["pulses"][:] = 0
    both = xr.concat([raw, more], "step")
    seconds = np.r_[np.arange(raw.sizes["step"]) * 0.01, np.geomspace(1, 86400, 12).cumsum() + 5]
    found = assess(both.assign_coords(time=("step", seconds)))
    assert found.health[2, 3] == found.health[9, 10] == Health.DRIFTING
    assert (found.health != Health.OK).sum() == 2


def test_a_dead_chip_is_stuck_everywhere():
    cells = sample(PopulationSpec(stuck_anywhere=1.0), (8, 8), np.random.default_rng(1))
    found = assess(measured(cells))
    assert (found.health == Health.STUCK).all()
    assert not found.usable.any()


def test_the_chip_file_keeps_it(tmp_path):
    raw = measured(planted(), WiringFaults(open_rows=[13]))
    data = fit_raw(raw, "soft-bounds")
    save_chip(data, tmp_path / "chip.nc")
    chip = load_chip(tmp_path / "chip.nc")
    assert (chip["health"].to_numpy()[13] == Health.OPEN).all()
    assert not chip["usable"].to_numpy()[13].any()
    assert "24 open" in chip.attrs["health_summary"]
    assert '"row 13"' in chip.attrs["health_defects"]
    assert "row 13" in chip.attrs["health_clusters"]
