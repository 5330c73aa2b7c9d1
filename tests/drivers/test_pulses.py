from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    ProgramError,
    PulseConditions,
    PulseProgram,
    PulseRuns,
    PulseShape,
)

CONDITIONS = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.2, 2e-3), 5e-4)
INT32 = np.iinfo(np.int32)
maybe_conditions = st.sampled_from([None, CONDITIONS])


@st.composite
def cell_programs(draw: st.DrawFn) -> CellPulses:
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    size = rows * columns
    counts = draw(st.lists(st.integers(-INT32.max, INT32.max), min_size=size, max_size=size))
    return CellPulses(np.array(counts).reshape(rows, columns), conditions=draw(maybe_conditions))


@st.composite
def coincidence_programs(draw: st.DrawFn) -> CoincidencePulses:
    batch, rows, columns = (draw(st.integers(1, n)) for n in (5, 4, 4))
    length = draw(st.integers(1, 64))

    def array(lines: int, values: st.SearchStrategy[int], dtype: type) -> np.ndarray:
        size = batch * lines
        listed = draw(st.lists(values, min_size=size, max_size=size))
        return np.array(listed, dtype).reshape(batch, lines)

    train, sign = st.integers(0, 2**length - 1), st.sampled_from([-1, 1])
    return CoincidencePulses(
        array(rows, train, np.uint64),
        array(columns, train, np.uint64),
        array(rows, sign, np.int8),
        array(columns, sign, np.int8),
        length,
        conditions=draw(maybe_conditions),
    )


programs = st.one_of(cell_programs(), coincidence_programs())


def _slot_by_slot(program: CoincidencePulses) -> dict[int, list[int]]:
    """The definition: sample after sample, slot after slot, the signs that each cell receives."""
    rows, columns = program.shape
    received: dict[int, list[int]] = {cell: [] for cell in range(rows * columns)}
    for sample in range(program.batch):
        for slot in range(program.length):
            for row in range(rows):
                for column in range(columns):
                    row_fires = int(program.row_trains[sample, row]) >> slot & 1
                    column_fires = int(program.column_trains[sample, column]) >> slot & 1
                    if row_fires and column_fires:
                        sign = program.row_signs[sample, row] * program.column_signs[sample, column]
                        received[row * columns + column].append(int(sign))
    return received


def _pulse_by_pulse(runs: PulseRuns, cells: int) -> dict[int, list[int]]:
    received: dict[int, list[int]] = {cell: [] for cell in range(cells)}
    for cell, count in zip(runs.cells.tolist(), runs.counts.tolist(), strict=True):
        received[cell] += [1 if count > 0 else -1] * abs(count)
    return received


@given(coincidence_programs())
@settings(max_examples=60, deadline=None)
def test_lowering_gives_every_cell_its_pulses_in_order(program):
    expected = _slot_by_slot(program)
    assert _pulse_by_pulse(program.runs, len(expected)) == expected
    totals = [sum(signs) for signs in expected.values()]
    assert program.counts().sum(axis=0).ravel().tolist() == totals
    assert program.total_pulses == sum(map(len, expected.values()))
    assert program.runs.cells_touched == sum(1 for signs in expected.values() if signs)


@given(programs)
@settings(max_examples=100, deadline=None)
def test_counts_of_cells_are_the_sizes_of_the_lowering(program):
    expected = np.abs(program.counts()).sum(axis=0, dtype=np.int64)
    total = np.ones(program.shape, np.int64)
    program.add_to(total)
    np.testing.assert_array_equal(total - 1, expected)
    np.testing.assert_array_equal(program.per_cell, expected)
    program.add_to(total)  # now that they are known
    np.testing.assert_array_equal(total - 1, 2 * expected)
    assert program.at_most >= expected.max()
    assert program.cells_touched == np.count_nonzero(expected)


@pytest.mark.parametrize("odds", [0.0, 0.05, 0.2, 0.9])
def test_counts_of_cells_where_few_or_many_lines_fire(odds):
    rng, shape = np.random.default_rng(1), (30, 70)
    fires = [rng.random((9, lines)) < odds for lines in shape]
    fires[0][3] = fires[1][5] = False
    trains = [some * rng.integers(1, 2**31, some.shape, np.uint64) for some in fires]
    signs = [rng.choice([-1, 1], some.shape) for some in fires]
    program = CoincidencePulses(*trains, *signs, 31)
    expected = np.abs(program.counts()).sum(axis=0)
    np.testing.assert_array_equal(program.per_cell, expected)


@given(programs)
@settings(max_examples=100, deadline=None)
def test_runs_ascend_and_alternate(program):
    runs = program.runs
    assert runs.cells.dtype == np.int64
    assert runs.counts.dtype == np.int32
    assert (runs.counts != 0).all()
    same = np.diff(runs.cells) == 0
    assert (np.diff(runs.cells) >= 0).all()
    assert (runs.counts[1:][same] * np.sign(runs.counts[:-1][same]) < 0).all()


@given(programs)
@settings(max_examples=100, deadline=None)
def test_bytes_round_trip(program):
    again = PulseProgram.from_bytes(program.to_bytes())
    assert type(again) is type(program)
    assert again == program
    assert again.digest == program.digest
    assert hash(again) == hash(program)
    assert again.conditions == program.conditions
    np.testing.assert_array_equal(again.counts(), program.counts())


def test_up_and_down_of_one_cell_stay_apart_and_in_order():
    signs = np.array([[1], [-1], [-1], [1]], np.int8)
    ones = np.ones((4, 1), np.uint64)
    program = CoincidencePulses(ones, ones, signs, np.ones((4, 1), np.int8), 1)
    assert program.runs.cells.tolist() == [0, 0, 0]
    assert program.runs.counts.tolist() == [1, -2, 1]
    assert program.total_pulses == 4


def test_cell_pulses_lower_to_one_run_a_cell():
    runs = CellPulses(np.array([[0, 3], [-2, 0]])).runs
    assert runs.cells.tolist() == [1, 2]
    assert runs.counts.tolist() == [3, -2]


def test_empty_program_lowers_to_nothing():
    program = CellPulses(np.zeros((2, 3), int))
    assert program.total_pulses == 0
    assert program.runs.cells.size == program.runs.cells_touched == 0
    assert program.runs.cells.dtype == np.int64
    assert program.runs.counts.dtype == np.int32


def test_total_does_not_overflow():
    assert CellPulses(np.full((2, 2), INT32.max)).total_pulses == 4 * INT32.max


def test_digest_tells_programs_apart():
    up = CellPulses(np.array([[1]]))
    others = [
        CellPulses(np.array([[2]])),
        CellPulses(np.array([[1, 0]])),
        CellPulses(np.array([[1], [0]])),
        CellPulses(np.array([[1]]), conditions=CONDITIONS),
    ]
    assert len({up.digest, *(p.digest for p in others)}) == 5
    assert up != others[0]
    assert up != "program"


def test_equal_programs_have_equal_digests_however_their_numbers_were_written():
    whole = PulseConditions(PulseShape(1, 1), PulseShape(-1, 1), 1)
    floats = PulseConditions(
        PulseShape(np.float32(1), 1.0), PulseShape(np.float64(-1), 1.0), np.int64(1)
    )
    a = CellPulses(np.array([[1]], np.int8), conditions=whole)
    b = CellPulses(np.asfortranarray([[1]]).astype(">i8"), conditions=floats)
    assert a.digest == b.digest


def test_numpy_length_is_serialisable():
    ones, signs = np.ones((1, 2), np.uint64), np.ones((1, 2), np.int8)
    program = CoincidencePulses(ones, ones, signs, signs, np.int64(3))
    assert PulseProgram.from_bytes(program.to_bytes()).length == 3


def test_programs_are_immutable_and_keep_their_own_copy():
    counts = np.array([[1, 2]])
    program = CellPulses(counts)
    counts[0, 0] = 99
    assert program.pulse_counts[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        program.pulse_counts[0, 0] = 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        program.pulse_counts = counts


@pytest.mark.parametrize(
    "counts",
    [
        np.array([1, 2]),
        np.zeros((1, 1, 1), int),
        np.zeros((0, 3), int),
        np.array([[1.0]]),
        np.array([["1"]]),
        np.array([[2**31]]),
        np.array([[-(2**31)]]),
        np.array([[2**63]], np.uint64),
        5,
    ],
)
def test_counts_that_cannot_be_are_refused(counts):
    with pytest.raises(ProgramError):
        CellPulses(counts)


def _trains(**changes: object) -> CoincidencePulses:
    parts: dict[str, object] = {
        "row_trains": np.array([[1, 2]], np.uint64),
        "column_trains": np.array([[3, 0, 1]], np.uint64),
        "row_signs": np.array([[1, -1]], np.int8),
        "column_signs": np.array([[1, 1, -1]], np.int8),
        "length": 2,
    }
    return CoincidencePulses(**{**parts, **changes})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"length": 0}, "length 0 is not between 1 and 64"),
        ({"length": 65}, "length 65 is not between 1 and 64"),
        ({"length": 2.5}, "length must be a whole number"),
        ({"length": "2"}, "length must be a whole number"),
        ({"length": 1}, "row_trains fire beyond slot 0"),
        ({"row_trains": np.array([[1, 4]], np.uint64)}, "row_trains fire beyond slot 1"),
        ({"row_trains": np.array([[1, -1]])}, "do not fit uint64"),
        ({"row_trains": np.array([[1.0, 2.0]])}, "must hold integers"),
        ({"row_signs": np.array([[1, 0]])}, "row_signs may only hold -1 and 1"),
        ({"column_signs": np.array([[1, 1, 257]])}, "do not fit int8"),
        ({"column_signs": np.array([[1, 1]])}, "differ in shape"),
        ({"column_trains": np.ones((2, 3), int)}, "different batch sizes"),
        ({"row_trains": np.array([1, 2])}, "non-empty array of 2 dimensions"),
    ],
)
def test_trains_that_cannot_be_are_refused(changes, problem):
    with pytest.raises(ProgramError, match=problem):
        _trains(**changes)


def test_all_64_slots_can_fire():
    full = np.full((1, 1), 2**64 - 1, np.uint64)
    sign = np.ones((1, 1), np.int8)
    assert CoincidencePulses(full, full, sign, -sign, 64).counts().tolist() == [[[-64]]]


def test_shape_and_batch():
    assert _trains().shape == (2, 3)
    assert _trains().batch == 1
    assert CellPulses(np.zeros((4, 5), int)).shape == (4, 5)


def test_durations():
    program = CellPulses(np.array([[3, -2]]))
    assert program.duration(CONDITIONS) == pytest.approx(3 * 1.5e-3 + 2 * 2.5e-3)
    assert _trains().duration(CONDITIONS) == pytest.approx(4 * 2 * 2.5e-3)  # four sign phases
    quick = PulseConditions(PulseShape(1, 1e-6), PulseShape(-1, 1e-6), 0.0)
    own = CellPulses(np.array([[3, -2]]), conditions=quick)
    assert own.duration(CONDITIONS) == pytest.approx(5e-6)
