from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    Characteristics,
    CoincidencePulses,
    ConfigError,
    LimitError,
    Limits,
    PulseConditions,
    PulseProgram,
    PulseShape,
    Region,
    SqliteJournal,
)
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample

OWN = PulseConditions(PulseShape(1.0, 1e-3), PulseShape(-1.0, 1e-3), 1e-3)


@pytest.fixture
def parent(recording):
    maps = np.arange(20.0).reshape(4, 5)
    known = Characteristics(maps, maps + 1, maps, maps, maps > 0)
    limits = Limits(read_voltage=0.3, pulses_per_program=10, voltage=2.0)
    return recording((4, 5), limits=limits, characteristics=known)


def _trains(batch=3, rows=2, columns=3, conditions=None) -> CoincidencePulses:
    rng = np.random.default_rng(1)
    return CoincidencePulses(
        rng.integers(0, 4, (batch, rows)),
        rng.integers(0, 4, (batch, columns)),
        rng.choice([-1, 1], (batch, rows)),
        rng.choice([-1, 1], (batch, columns)),
        2,
        conditions=conditions,
    )


def test_cell_pulses_land_in_the_rectangle(parent):
    counts = np.array([[1, -2, 0], [3, 0, -4]])
    Region(parent, (1, 2), (2, 3)).pulse(CellPulses(counts, conditions=OWN))
    (sent,) = parent.sent
    expected = np.zeros((4, 5), int)
    expected[1:3, 2:5] = counts
    np.testing.assert_array_equal(sent.pulse_counts, expected)
    assert sent.conditions == OWN


def test_trains_stay_trains_and_pulse_the_rectangle_only(parent):
    program = _trains(conditions=OWN)
    Region(parent, (1, 2), (2, 3)).pulse(program)
    (sent,) = parent.sent
    assert isinstance(sent, CoincidencePulses)
    assert (sent.length, sent.conditions) == (2, OWN)
    expected = np.zeros((3, 4, 5), int)
    expected[:, 1:3, 2:5] = program.counts()
    np.testing.assert_array_equal(sent.counts(), expected)


def test_order_within_cells_survives_embedding(parent):
    program = _trains(batch=8)
    Region(parent, (0, 0), (2, 3)).pulse(program)
    (sent,) = parent.sent
    rows, columns = np.divmod(program.runs.cells, 3)
    assert sent.runs.cells.tolist() == (rows * 5 + columns).tolist()
    assert sent.runs.counts.tolist() == program.runs.counts.tolist()


def test_whole_parent_takes_the_program_itself(parent):
    program = CellPulses(np.ones((4, 5), int))
    Region(parent, (0, 0), (4, 5)).pulse(program)
    assert parent.sent[0] is program


def test_reads_are_those_of_the_rectangle(parent):
    region = Region(parent, (1, 2), (2, 3))
    np.testing.assert_array_equal(region.read(), parent.g[1:3, 2:5])
    np.testing.assert_array_equal(region.read([1], [2, 0]), parent.g[2:3, [4, 2]])
    with pytest.raises(IndexError):
        region.read([2])


def test_products_leave_other_lines_out(parent):
    region = Region(parent, (1, 2), (2, 3))
    volts = np.array([[0.1, -0.1, 0.2]])
    np.testing.assert_allclose(region.forward(volts), volts @ parent.g[1:3, 2:5].T, rtol=1e-14)
    rows = np.array([[0.1, 0.2]])
    np.testing.assert_allclose(region.backward(rows), rows @ parent.g[1:3, 2:5], rtol=1e-14)


@pytest.mark.parametrize("way", ["parent", "another region", "inner region"])
def test_products_see_pulses_that_came_another_way(parent, way):
    region = Region(parent, (1, 2), (2, 3))
    volts = np.full((1, 3), 0.1)
    before = region.forward(volts)
    if way == "parent":
        parent.pulse(CellPulses(np.full((4, 5), 5)))
    elif way == "another region":
        Region(parent, (0, 0), (3, 4)).pulse(CellPulses(np.full((3, 4), 5)))
    else:
        Region(region, (0, 0), (2, 1)).pulse(CellPulses(np.full((2, 1), 5)))
    assert (region.forward(volts) > before).all()


def test_pulses_elsewhere_cost_no_new_read(parent):
    left, right = Region(parent, (0, 0), (4, 2)), Region(parent, (0, 2), (4, 3))
    inner = Region(right, (0, 0), (4, 1))
    for region in (left, right, inner):
        region.forward(np.full((1, region.shape[1]), 0.1))
    reads = parent.reads
    left.pulse(CellPulses(np.ones((4, 2), int)))
    right.forward(np.full((1, 3), 0.1))
    inner.forward(np.full((1, 1), 0.1))
    assert parent.reads == reads


def test_the_lowering_of_an_embedded_program_is_that_of_its_arrays(parent):
    region = Region(parent, (1, 2), (2, 3))
    for program in (
        CellPulses(np.arange(-3, 3).reshape(2, 3)),
        CoincidencePulses([[7, 3]], [[5, 0, 7]], [[1, -1]], [[1, 1, -1]], length=3),
    ):
        embedded = region._embed(program)
        again = PulseProgram.from_bytes(embedded.to_bytes())
        assert np.array_equal(embedded.runs.cells, again.runs.cells)
        assert np.array_equal(embedded.runs.counts, again.runs.counts)
        assert embedded.runs.total_pulses == program.total_pulses


def test_limits_of_the_parent_hold(parent):
    region = Region(parent, (1, 2), (2, 3))
    with pytest.raises(LimitError, match="would get 11 pulses"):
        region.pulse(CellPulses(np.full((2, 3), 11)))
    high = PulseConditions(PulseShape(2.5, 1e-3), PulseShape(-1, 1e-3), 1e-3)
    with pytest.raises(LimitError, match=r"limits\.voltage"):
        region.pulse(CellPulses(np.ones((2, 3), int), conditions=high))
    with pytest.raises(LimitError, match=r"limits\.read_voltage"):
        region.forward(np.full((1, 3), 0.5))
    with pytest.raises(LimitError, match="this is"):
        region.pulse(CellPulses(np.ones((4, 5), int)))
    assert parent.sent == []


def test_programs_go_through_the_journal_of_the_parent(parent, tmp_path):
    parent.journal = SqliteJournal(tmp_path / "journal.sqlite")
    Region(parent, (1, 2), (2, 3)).pulse(CellPulses(np.ones((2, 3), int)))
    assert parent.journal.totals() == {"done": 1, "in_doubt": 0, "pulses_applied": 6}
    parent.journal.close()


def test_receipt_is_for_the_program_of_the_region(parent):
    program = CellPulses(np.array([[1, 0, 0], [0, 0, -2]]))
    receipt = Region(parent, (1, 2), (2, 3)).pulse(program)
    assert receipt.digest == program.digest
    assert (receipt.pulses_applied, receipt.cells_touched) == (3, 2)


def test_region_knows_its_part_of_the_characteristics(parent):
    region = Region(parent, (1, 2), (2, 3))
    np.testing.assert_array_equal(
        region.characteristics.g_min, parent.characteristics.g_min[1:3, 2:5]
    )


def test_make_safe_reaches_the_parent(parent):
    with Region(parent, (0, 0), (1, 1)):
        pass
    assert parent.made_safe == 1


@pytest.mark.parametrize(
    ("origin", "shape"),
    [((-1, 0), (1, 1)), ((0, -1), (1, 1)), ((3, 0), (2, 1)), ((0, 3), (1, 3)), ((0, 0), (0, 1)),
     ((0, 0), (1, 0)), ((4, 5), (1, 1)), ((0, 0), (5, 5))],
)  # fmt: skip
def test_rectangle_outside_the_parent_is_refused(parent, origin, shape):
    with pytest.raises(ConfigError, match="no room for"):
        Region(parent, origin, shape)


def test_time_and_wear_are_the_parents():
    twin = TwinCrossbar(sample(PopulationSpec(), (4, 4), np.random.default_rng(0)), seed=0)
    part = Region(twin, (1, 1), (2, 2))
    part.pulse(CellPulses(np.full((2, 2), 3, np.int32)))
    part.wait(5.0)
    assert twin.clock.now == part.clock.now == 5.0
    assert part.wear.tolist() == twin.wear[1:3, 1:3].tolist() == [[3, 3], [3, 3]]
