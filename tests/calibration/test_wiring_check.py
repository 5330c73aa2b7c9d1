"""The judgement of a survey, on synthetic maps.

Statistical tests say how often a sound program fails them. Seeds are fixed, so they either pass
always or never; the rate is what a change of seed would risk.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ohmloop.calibration.conduction import FALSE_ALARMS
from ohmloop.calibration.finding import Wrong
from ohmloop.calibration.survey import Survey
from ohmloop.calibration.wiring_check import check_wiring

V, LIMIT = 0.1, 1e-3
SHAPE = (12, 16)


def conductances(rng, shape=SHAPE, low=5e-6, high=60e-6):
    return rng.uniform(low, high, shape)


def survey(rng, g, noise=2e-12, offset=5e-11, relative=0.005, repeats=2) -> Survey:
    """What a meter with an offset and noise of its own makes of a chip."""

    def meter(current, count):
        shape = (count, *current.shape)
        device = 1 + relative * rng.standard_normal(shape)
        shown = current * device + offset + noise * rng.standard_normal(shape)
        return np.clip(shown, -LIMIT, LIMIT)

    corner = g[:8, :8]
    return Survey(
        V,
        LIMIT,
        meter(g * V, repeats),
        zero=meter(0 * corner, 4),
        minus=meter(-V * corner, 1)[0],
        half=meter(V / 2 * corner, 1)[0],
        plus=meter(V * corner, 1)[0],
    )


def places(report):
    return [(f.wrong, f.rows, f.columns) for f in report.findings]


def test_a_sound_chip_is_fine_and_its_meter_is_measured():
    rng = np.random.default_rng(1)
    g = conductances(rng)
    report = check_wiring(survey(rng, g), known=g)
    assert report.fine
    assert places(report) == []
    assert report.notes == ()
    assert report.floor.offset == pytest.approx(5e-11, abs=2e-12)
    # 192 standard-normal differences a repeat: 25 % is more than four standard errors.
    assert report.floor.noise == pytest.approx(2e-12, rel=0.25)
    assert report.floor.relative == pytest.approx(0.005, rel=0.25)
    assert report.order.rows.startswith("as in the calibration, 12 rows")
    assert report.order.columns.startswith("as in the calibration, 16 columns")
    assert abs(report.asymmetry) < 0.01 > abs(report.nonlinearity)


def test_lines_and_cells_without_current():
    rng = np.random.default_rng(2)
    g = conductances(rng)
    g[3], g[:, 7], g[5, 2] = 0, 0, 0
    assert places(check_wiring(survey(rng, g))) == [
        (Wrong.OPEN_ROW, (3,), ()),
        (Wrong.OPEN_COLUMN, (), (7,)),
        (Wrong.OPEN_CELL, (5,), (2,)),
    ]


def test_weak_cells_are_not_open():
    """1 nS is 100 pA against a floor of 2 pA; a chip's cells span four decades."""
    rng = np.random.default_rng(3)
    g = 10 ** rng.uniform(-9, -5, SHAPE)
    assert check_wiring(survey(rng, g)).fine


def test_evidence_of_an_open_line_has_units():
    rng = np.random.default_rng(4)
    g = conductances(rng)
    g[0] = 0
    (finding,) = check_wiring(survey(rng, g)).findings
    assert finding.evidence.startswith("largest of 16 currents ")
    assert "pA; noise floor " in finding.evidence
    assert finding.wrong.remedy


def test_a_chip_that_is_not_there_is_one_finding():
    rng = np.random.default_rng(5)
    report = check_wiring(survey(rng, np.zeros(SHAPE)))
    assert places(report) == [(Wrong.NOTHING_CONDUCTS, (), ())]
    assert not report.fine


def test_cells_and_lines_at_the_current_limit():
    rng = np.random.default_rng(6)
    g = conductances(rng)
    g[2, 5], g[:, 9] = 1.0, 1.0
    report = check_wiring(survey(rng, g))
    expected = [(Wrong.SHORTED_COLUMN, (), (9,)), (Wrong.SHORTED_CELL, (2,), (5,))]
    assert places(report) == expected
    assert "at the current limit of 1 mA" in report.findings[0].evidence


def test_a_chip_that_is_one_short_is_said_once():
    rng = np.random.default_rng(25)
    found = places(check_wiring(survey(rng, np.ones(SHAPE))))
    assert found == [(Wrong.SHORTED_ROW, (row,), ()) for row in range(12)]


def test_a_cell_without_a_reading_says_what_the_instrument_said():
    rng = np.random.default_rng(7)
    readings = survey(rng, conductances(rng))
    readings.readings[:, 4, 4], readings.readings[0, 1, 1] = np.nan, np.nan
    told = replace(
        readings,
        problems={(4, 4): "beyond the range", (1, 1): "relay fails"},
        reported=frozenset({(1, 1)}),
    )
    report = check_wiring(told)
    assert places(report) == [
        (Wrong.SHORTED_CELL, (4,), (4,)),
        (Wrong.UNREADABLE_CELL, (1,), (1,)),
    ]
    assert report.findings[0].evidence == "no reading at 100 mV: beyond the range"


def test_rows_and_columns_that_touch():
    rng = np.random.default_rng(8)
    g = conductances(rng)
    g[[2, 6]] = g[2] + g[6]
    g[:, [1, 3, 9]] = g[:, [1, 3, 9]].sum(axis=1, keepdims=True)
    report = check_wiring(survey(rng, g))
    assert places(report) == [
        (Wrong.ROWS_TOGETHER, (2, 6), ()),
        (Wrong.COLUMNS_TOGETHER, (), (1, 3, 9)),
    ]


def test_lines_that_touch_do_not_hide_other_faults():
    rng = np.random.default_rng(9)
    g = conductances(rng)
    known = g.copy()
    g[[2, 6]] = g[2] + g[6]
    g[[0, 11]] = g[[11, 0]]
    g[4, 4] = 0
    report = check_wiring(survey(rng, g), known)
    assert places(report) == [
        (Wrong.OPEN_CELL, (4,), (4,)),
        (Wrong.ROWS_TOGETHER, (2, 6), ()),
        (Wrong.SWAPPED_ROWS, (0, 11), ()),
    ]


def test_cells_that_are_all_alike_cannot_tell_lines_apart():
    """A fresh chip whose cells differ by 0.1 % and are read with 0.5 % noise."""
    rng = np.random.default_rng(10)
    g = 5e-6 * (1 + 0.001 * rng.standard_normal(SHAPE))
    report = check_wiring(survey(rng, g), known=conductances(rng))
    assert report.fine
    assert [note.partition(" read alike")[0] for note in report.notes] == [
        "66 pairs of rows",
        "120 pairs of columns",
    ]
    assert report.order.rows.startswith("cannot be told: only ")


def test_equal_rows_alone_are_no_short_where_cells_have_two_values():
    """Binary patterns agree by chance: of 4 cells, two rows in 16 do."""
    rng = np.random.default_rng(11)
    g = np.where(rng.random((12, 4)) < 0.5, 5e-6, 50e-6)
    assert all(f.wrong is not Wrong.ROWS_TOGETHER for f in check_wiring(survey(rng, g)).findings)


@pytest.mark.parametrize("swap", [([0, 5], []), ([], [2, 15]), ([0, 5], [2, 15])])
def test_swapped_lines_against_a_known_map(swap):
    rng = np.random.default_rng(12)
    known = conductances(rng)
    rows, columns = swap
    g = known.copy()
    g[rows] = g[rows[::-1]]
    g[:, columns] = g[:, columns[::-1]]
    expected = [(Wrong.SWAPPED_ROWS, tuple(rows), ())] if rows else []
    expected += [(Wrong.SWAPPED_COLUMNS, (), tuple(columns))] if columns else []
    report = check_wiring(survey(rng, g), known)
    assert places(report) == expected
    assert ("not where" in report.order.rows) == bool(rows)


def test_a_cycle_of_three_is_one_finding_that_says_which_is_which():
    rng = np.random.default_rng(13)
    known = conductances(rng)
    g = known.copy()
    g[[1, 4, 7]] = known[[4, 7, 1]]
    (finding,) = check_wiring(survey(rng, g), known).findings
    assert finding.rows == (1, 4, 7)
    for said in ("row 1 is row 4", "row 4 is row 7", "row 7 is row 1"):
        assert said in finding.evidence


def test_a_chip_that_is_turned_round():
    """Rows and columns both the wrong way round, as of a socket turned by half a turn."""
    rng = np.random.default_rng(24)
    known = conductances(rng, (16, 16))
    report = check_wiring(survey(rng, known[::-1, ::-1]), known)
    assert [f.wrong for f in report.findings] == [Wrong.SWAPPED_ROWS] * 8 + [
        Wrong.SWAPPED_COLUMNS
    ] * 8
    assert report.findings[0].rows == (0, 15)


def test_swaps_are_found_though_some_cells_moved_since():
    rng = np.random.default_rng(14)
    known = conductances(rng)
    g = known + 4e-6 * rng.standard_normal(SHAPE)
    g[[0, 5]] = g[[5, 0]]
    report = check_wiring(survey(rng, g), known)
    assert places(report) == [(Wrong.SWAPPED_ROWS, (0, 5), ())]


def test_another_chip_s_calibration_tells_nothing():
    rng = np.random.default_rng(15)
    report = check_wiring(survey(rng, conductances(rng)), known=conductances(rng))
    assert report.fine
    assert "the cells were pulsed since, or it is of another chip" in report.order.rows


def test_few_cells_a_line_tell_nothing_of_the_order():
    rng = np.random.default_rng(16)
    g = conductances(rng, (12, 4))
    report = check_wiring(survey(rng, g), known=g)
    assert report.order.rows == "cannot be told: 4 usable cells a line are too few to know it by"
    assert report.order.columns.startswith("as in the calibration")


def test_without_a_calibration_the_order_cannot_be_told():
    rng = np.random.default_rng(17)
    report = check_wiring(survey(rng, conductances(rng)))
    assert report.order.rows == "cannot be told: no calibration is given"


def test_an_offset_that_matters_is_found_and_is_not_serious():
    rng = np.random.default_rng(18)
    report = check_wiring(survey(rng, conductances(rng), offset=1e-6))
    assert places(report) == [(Wrong.OFFSET, (), ())]
    assert report.fine


def test_a_diode_is_not_linear():
    rng = np.random.default_rng(19)
    sound = survey(rng, conductances(rng))
    report = check_wiring(replace(sound, minus=sound.minus / 3, half=sound.half / 2))
    assert [f.wrong for f in report.findings] == [Wrong.NONLINEAR, Wrong.NONLINEAR]
    assert report.asymmetry == pytest.approx(-2 / 3, abs=0.02)
    assert report.nonlinearity == pytest.approx(1, abs=0.05)


def test_a_bench_that_cannot_read_at_0_volt_still_finds_what_is_open():
    rng = np.random.default_rng(20)
    g = conductances(rng)
    g[3] = 0
    readings = replace(survey(rng, g, offset=0.0), zero=None, minus=None, half=None)
    report = check_wiring(readings)
    assert places(report)[0] == (Wrong.OPEN_ROW, (3,), ())
    assert "offset and linearity unknown" in report.notes[-1]


def test_a_meter_without_noise():
    rng = np.random.default_rng(21)
    g = conductances(rng)
    g[0, 0] = 0
    quiet = survey(rng, g, noise=0.0, offset=0.0, relative=0.0)
    assert places(check_wiring(quiet)) == [(Wrong.OPEN_CELL, (0,), (0,))]


def test_sound_chips_raise_false_alarms_as_seldom_as_is_said():
    """200 sound chips, rate of each kind at most FALSE_ALARMS.

    Under that rate, three alarms among the 200 x 4 kinds have a probability below 0.05: no more
    than two are allowed. Noise is large, so that the tests have something to err about.
    """
    rng = np.random.default_rng(22)
    alarms = 0
    for _ in range(200):
        g = conductances(rng, (8, 10), low=1e-9, high=1e-6)
        report = check_wiring(survey(rng, g, noise=2e-12, relative=0.02), known=g)
        alarms += len(report.findings)
    assert FALSE_ALARMS == 1e-3
    assert alarms <= 2


@pytest.mark.campaign
def test_faults_are_missed_as_seldom_as_is_said():
    """200 chips with an open line, two rows that touch, and a swap: at most two are missed."""
    rng = np.random.default_rng(23)
    missed = 0
    for _ in range(200):
        g = conductances(rng, (16, 12))
        known = g.copy()
        g[:, [8, 9]] = g[:, [9, 8]]
        g[1] = 0
        g[[3, 4]] = g[3] + g[4]
        found = places(check_wiring(survey(rng, g, noise=2e-12, relative=0.01), known))
        expected = {
            (Wrong.OPEN_ROW, (1,), ()),
            (Wrong.ROWS_TOGETHER, (3, 4), ()),
            (Wrong.SWAPPED_COLUMNS, (), (8, 9)),
        }
        missed += len(expected - set(found))
    assert missed <= 2
