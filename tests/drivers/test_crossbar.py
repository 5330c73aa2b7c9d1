from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import (
    Capabilities,
    CellPulses,
    Characteristics,
    ChipFileError,
    CoincidencePulses,
    LimitError,
    Limits,
    ProgramError,
    PulseConditions,
    PulseShape,
    WearLedger,
)

ONES = CellPulses(np.ones((2, 3), int))
HIGH = PulseConditions(PulseShape(9.0, 1e-3), PulseShape(-1.5, 1e-3), 1e-3)
WIDE = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.5, 1.0), 1.0)
BUSY = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.5, 1e-3), 1e-6)


@pytest.mark.parametrize(
    ("rows", "columns", "shape"),
    [
        (slice(None), slice(None), (2, 3)),
        (0, slice(None), (1, 3)),
        (slice(None), -1, (2, 1)),
        ([1, 0], [2], (2, 1)),
        ((1, 0), (0, 1, 2), (2, 3)),
        (range(2), np.array([0, 2]), (2, 2)),
        (slice(0, 0), slice(None), (0, 3)),
        ([], [0], (0, 1)),
        (slice(None, None, -1), slice(0, 3, 2), (2, 2)),
        ([True, False], [0], (1, 1)),
    ],
)
def test_read_takes_every_way_of_naming_lines(recording, rows, columns, shape):
    crossbar = recording()
    part = crossbar.read(rows, columns)
    assert part.shape == shape
    all_rows, all_columns = np.arange(2), np.arange(3)
    index = [
        np.atleast_1d(lines[list(asked) if isinstance(asked, tuple) else asked])
        for lines, asked in ((all_rows, rows), (all_columns, columns))
    ]
    np.testing.assert_array_equal(part, crossbar.g[np.ix_(*index)])


@pytest.mark.parametrize(("rows", "columns"), [(2, 0), ([0, 2], 0), (0, 3), (-3, 0), (0, [-4])])
def test_read_of_lines_beyond_is_an_index_error_and_reaches_nothing(recording, rows, columns):
    crossbar = recording()
    with pytest.raises(IndexError):
        crossbar.read(rows, columns)
    assert crossbar.reads == 0


@pytest.mark.parametrize(
    ("limits", "program"),
    [
        ({"voltage": 2.0}, CellPulses(np.ones((2, 3), int), conditions=HIGH)),
        ({"width": 0.1}, CellPulses(np.ones((2, 3), int), conditions=WIDE)),
        ({"duty_cycle": 0.5}, CellPulses(np.ones((2, 3), int), conditions=BUSY)),
        ({"pulses_per_program": 4}, CellPulses(np.full((2, 3), -5))),
        ({"pulses_per_cell": 4}, CellPulses(np.full((2, 3), 5))),
        ({}, CellPulses(np.ones((3, 2), int))),
    ],
)
def test_refused_program_reaches_nothing(recording, limits, program):
    ledger = WearLedger((2, 3))
    crossbar = recording(limits=Limits(**limits), ledger=ledger)
    with pytest.raises(LimitError):
        crossbar.pulse(program)
    assert crossbar.sent == []
    assert not ledger.pulses.any()
    assert crossbar.pulse(ONES).sequence == 1


def test_wear_is_on_disk_before_the_program_is_sent(recording, tmp_path):
    path = tmp_path / "wear.npy"
    crossbar = recording(ledger=WearLedger((2, 3), path))
    crossbar.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        crossbar.pulse(ONES)
    assert WearLedger((2, 3), path).pulses.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_wear_limit_holds_over_two_openings(recording, tmp_path):
    path, limits = tmp_path / "wear.npy", Limits(pulses_per_cell=1)
    recording(limits=limits, ledger=WearLedger((2, 3), path)).pulse(ONES)
    crossbar = recording(limits=limits, ledger=WearLedger((2, 3), path))
    with pytest.raises(LimitError, match="would reach 2 pulses in its life"):
        crossbar.pulse(ONES)
    assert crossbar.sent == []


def test_bench_beyond_its_own_limits_cannot_be_made(recording):
    with pytest.raises(LimitError):
        recording(limits=Limits(voltage=1.0))
    with pytest.raises(LimitError):
        recording(limits=Limits(read_voltage=0.01))


def test_receipt_says_what_became_of_the_program(recording):
    crossbar = recording()
    program = CellPulses(np.array([[1, 0, -2], [0, 0, 0]]))
    crossbar.pulse(ONES)
    receipt = crossbar.pulse(program)
    assert (receipt.digest, receipt.sequence) == (program.digest, 2)
    assert (receipt.pulses_applied, receipt.cells_touched, receipt.clipped) == (3, 2, 0)
    assert receipt.seconds >= 0


def test_pulses_sent_are_those_since_it_was_opened(recording):
    ledger = WearLedger((2, 3))
    recording(ledger=ledger).pulse(ONES)
    crossbar = recording(ledger=ledger)
    assert crossbar.pulses_sent == 0
    crossbar.pulse(CellPulses(np.array([[1, 0, -2], [0, 0, 0]])))
    assert crossbar.pulses_sent == 3


def test_both_kinds_of_program_reach_the_hardware_as_they_are(recording):
    crossbar = recording()
    trains = CoincidencePulses(
        np.ones((1, 2), int), np.ones((1, 3), int), np.ones((1, 2), int), np.ones((1, 3), int), 1
    )
    crossbar.pulse(ONES)
    crossbar.pulse(trains)
    assert crossbar.sent[0] is ONES
    assert crossbar.sent[1] is trains


def test_products_in_the_host_are_g_v_and_its_transpose(recording):
    crossbar = recording()
    columns, rows = np.array([[0.1, 0, -0.1], [0.05, 0.1, 0]]), np.array([[0.1, -0.2]])
    np.testing.assert_allclose(crossbar.forward(columns), columns @ crossbar.g.T, rtol=1e-14)
    np.testing.assert_allclose(crossbar.backward(rows), rows @ crossbar.g, rtol=1e-14)
    assert crossbar.reads == 1


def test_host_map_is_read_anew_after_pulses_only(recording):
    crossbar = recording()
    one = np.full((1, 3), 0.1)
    before = crossbar.forward(one)
    crossbar.forward(one)
    assert crossbar.reads == 1
    crossbar.pulse(ONES)
    assert (crossbar.forward(one) > before).all()
    assert crossbar.reads == 2


def test_host_map_is_not_trusted_after_an_interrupted_program(recording):
    crossbar = recording()
    crossbar.forward(np.full((1, 3), 0.1))
    crossbar.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        crossbar.pulse(ONES)
    crossbar.forward(np.full((1, 3), 0.1))
    assert crossbar.reads == 2


@pytest.mark.parametrize("values", [np.ones(3), np.ones((1, 4)), np.ones((1, 1, 3)), 1.0])
def test_voltages_of_another_shape_are_program_errors(recording, values):
    with pytest.raises(ProgramError, match=r"column_voltages must be \(batch, 3\)"):
        recording().forward(values)
    with pytest.raises(ProgramError, match=r"row_voltages must be \(batch, 2\)"):
        recording().backward(values)


@pytest.mark.parametrize("voltage", [0.31, -0.31, np.nan, np.inf])
def test_voltages_beyond_the_read_limit_reach_nothing(recording, voltage):
    crossbar = recording(limits=Limits(read_voltage=0.3))
    with pytest.raises(LimitError):
        crossbar.forward(np.array([[0.1, 0.1, voltage]]))
    with pytest.raises(LimitError):
        crossbar.backward(np.array([[0.1, voltage]]))
    assert crossbar.reads == 0


def test_empty_batch_gives_an_empty_batch(recording):
    assert recording().forward(np.zeros((0, 3))).shape == (0, 2)
    assert recording().backward(np.zeros((0, 2))).shape == (0, 3)


def test_promised_parallel_products_must_exist(recording):
    crossbar = recording(capabilities=Capabilities(parallel_forward=True))
    with pytest.raises(NotImplementedError):
        crossbar.forward(np.ones((1, 3)))
    with pytest.raises(NotImplementedError):
        crossbar.backward(np.ones((1, 2)))


@pytest.mark.parametrize("error", [ValueError("x"), OSError("x"), NotImplementedError()])
def test_make_safe_and_close_log_and_never_raise(recording, error, caplog):
    crossbar = recording(name="chip")
    crossbar.unsafe = error
    crossbar.make_safe()
    crossbar.close()
    assert (crossbar.made_safe, crossbar.closed) == (2, 1)
    assert "chip: could not be made safe" in caplog.text
    assert "chip: could not be closed" in caplog.text


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, None])
def test_leaving_the_context_makes_safe_whatever_happened(recording, error):
    crossbar = recording()

    def use():
        with crossbar as same:
            assert same is crossbar
            if error:
                raise error

    if error:
        with pytest.raises(error):
            use()
    else:
        use()
    assert (crossbar.made_safe, crossbar.closed) == (1, 1)


def test_characteristics_of_another_shape_are_refused(recording):
    ones = np.ones((3, 2))
    known = Characteristics(ones, ones, ones, ones, ones.astype(bool))
    with pytest.raises(ChipFileError, match=r"of a crossbar of \(3, 2\), this one has \(2, 3\)"):
        recording(characteristics=known)


def test_characteristics_of_a_part():
    whole = np.arange(6.0).reshape(2, 3)
    known = Characteristics(whole, whole + 1, whole + 2, whole + 3, whole > 2)
    part = known.region(slice(1, 2), slice(0, 2))
    assert part.shape == (1, 2)
    assert part.g_min.tolist() == [[3, 4]]
    assert part.dg_min.tolist() == [[6, 7]]
    assert part.usable.tolist() == [[True, True]]
