from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    ConfigError,
    LimitError,
    Limits,
    PulseConditions,
    PulseShape,
    ReadCondition,
    WearLedger,
)
from ohmloop.drivers.limits import Guard

READ = ReadCondition(0.1)


def _conditions(up_v=1.5, up_t=1e-3, down_v=-1.5, down_t=1e-3, rest=1e-3) -> PulseConditions:
    return PulseConditions(PulseShape(up_v, up_t), PulseShape(down_v, down_t), rest)


def _guard(limits: Limits | None = None, shape=(1, 2), ledger: WearLedger | None = None) -> Guard:
    return Guard(limits or Limits(), _conditions(), READ, ledger or WearLedger(shape))


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"up_v": 2.1}, "limits.voltage"),
        ({"up_v": -2.1}, "limits.voltage"),
        ({"down_v": -2.1}, "limits.voltage"),
        ({"up_v": nan}, "limits.voltage"),
        ({"up_v": inf}, "limits.voltage"),
        ({"up_t": 2e-2}, "limits.width"),
        ({"down_t": 2e-2}, "limits.width"),
        ({"up_t": 0.0}, "limits.width"),
        ({"down_t": -1e-3}, "limits.width"),
        ({"up_t": nan}, "limits.width"),
        ({"rest": 1e-4}, "limits.duty_cycle"),
        ({"rest": 0.0}, "limits.duty_cycle"),
        ({"rest": -2e-3}, "a rest of -2 ms"),
        ({"rest": -1e-3}, "a rest of -1 ms"),
        ({"rest": nan}, "a rest of nan s"),
    ],
)
def test_conditions_beyond_a_limit_are_refused(changes, limit):
    limits = Limits(voltage=2.0, width=1e-2, duty_cycle=0.6)
    limits.check_conditions(_conditions())
    with pytest.raises(LimitError, match=limit):
        limits.check_conditions(_conditions(**changes))


def test_limits_are_inclusive():
    limits = Limits(voltage=1.5, width=1e-3, duty_cycle=0.5, read_voltage=0.1)
    limits.check_conditions(_conditions())
    limits.check_read(0.1)
    limits.check_read(-0.1)


@pytest.mark.parametrize("width", [0.0, -1e-3, nan])
def test_impossible_widths_are_refused_even_without_limits(width):
    with pytest.raises(LimitError):
        Limits().check_conditions(_conditions(up_t=width))


@pytest.mark.parametrize("voltage", [0.31, -0.31, inf, nan])
def test_read_beyond_the_limit_is_refused(voltage):
    with pytest.raises(LimitError, match=r"limits\.read_voltage, 300 mV"):
        Limits(read_voltage=0.3).check_read(voltage)


def test_guard_refuses_a_bench_beyond_its_own_limits():
    with pytest.raises(LimitError, match=r"the up pulse of 1\.5 V is beyond limits\.voltage, 1 V"):
        _guard(Limits(voltage=1.0))
    with pytest.raises(LimitError, match="a read at 100 mV"):
        _guard(Limits(read_voltage=0.05))


def test_program_of_another_shape_is_refused():
    with pytest.raises(LimitError, match=r"for a crossbar of \(2, 1\), this is \(1, 2\)"):
        _guard().admit(CellPulses(np.ones((2, 1), int)), (1, 2))


def test_conditions_of_a_program_are_checked():
    program = CellPulses(np.ones((1, 2), int), conditions=_conditions(up_v=2.5))
    with pytest.raises(LimitError, match=r"the up pulse of 2\.5 V"):
        _guard(Limits(voltage=2.0)).admit(program, (1, 2))


def test_pulses_a_program_are_counted_by_cell_up_and_down_alike():
    limits = Limits(pulses_per_program=3)
    _guard(limits).admit(CellPulses(np.array([[3, -3]])), (1, 2))
    with pytest.raises(LimitError, match=r"cell \(row 0, column 1\) would get 4 pulses"):
        _guard(limits).admit(CellPulses(np.array([[1, -4]])), (1, 2))


def test_pulses_that_cancel_are_counted_all_the_same():
    ones, sign = np.full((2, 1), 3, np.uint64), np.ones((2, 1), np.int8)
    program = CoincidencePulses(ones, ones, np.array([[1], [-1]]), sign, 2)
    assert program.counts().sum() == 0
    with pytest.raises(LimitError, match="would get 4 pulses"):
        _guard(Limits(pulses_per_program=3), (1, 1)).admit(program, (1, 1))


def test_wear_adds_up_over_programs_and_refusals_are_not_booked():
    ledger = WearLedger((1, 2))
    guard = _guard(Limits(pulses_per_cell=5), ledger=ledger)
    guard.admit(CellPulses(np.array([[3, -1]])), (1, 2))
    with pytest.raises(LimitError, match=r"cell \(row 0, column 0\) would reach 6 pulses"):
        guard.admit(CellPulses(np.array([[3, 1]])), (1, 2))
    assert ledger.pulses.tolist() == [[3, 1]]
    guard.admit(CellPulses(np.array([[-2, 4]])), (1, 2))
    assert ledger.pulses.tolist() == [[5, 5]]


def test_worn_out_cell_does_not_block_the_others():
    ledger = WearLedger((1, 2))
    ledger.book(np.array([[9, 0]]))
    guard = _guard(Limits(pulses_per_cell=5), ledger=ledger)
    guard.admit(CellPulses(np.array([[0, 1]])), (1, 2))
    with pytest.raises(LimitError):
        guard.admit(CellPulses(np.array([[1, 0]])), (1, 2))


def test_ledger_persists_in_its_file(tmp_path):
    path = tmp_path / "b.array.wear.npy"
    WearLedger((1, 2), path).book(np.array([[3, 4]]))
    again = WearLedger((1, 2), path)
    again.book(np.array([[1, 0]]))
    assert WearLedger((1, 2), path).pulses.tolist() == [[4, 4]]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_fresh_ledger_writes_nothing(tmp_path):
    assert WearLedger((1, 2), tmp_path / "w.npy").pulses.tolist() == [[0, 0]]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", [b"", b"no ledger", b"PK\x03\x04 half an archive", b"\x93NUMPY\x01\x00"]
)
def test_file_that_is_no_ledger_is_a_config_error(tmp_path, content):
    path = tmp_path / "w.npy"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not a wear ledger") as caught:
        WearLedger((1, 2), path)
    assert str(path) in str(caught.value)


def test_truncated_ledger_is_a_config_error(tmp_path):
    path = tmp_path / "w.npy"
    WearLedger((4, 4), path).book(np.ones((4, 4), np.int64))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ConfigError, match="not a wear ledger"):
        WearLedger((4, 4), path)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (np.zeros((2, 1), np.int64), r"wear ledger is for a crossbar of \(2, 1\), not \(1, 2\)"),
        (np.zeros((1, 2)), "not a wear ledger: float64"),
        (np.array([[0, -1]]), "not a wear ledger"),
    ],
)
def test_ledger_of_another_crossbar_is_refused(tmp_path, stored, message):
    path = tmp_path / "w.npy"
    np.save(path, stored)
    with pytest.raises(ConfigError, match=message):
        WearLedger((1, 2), path)


def test_ledger_with_pickled_content_is_refused_unread(tmp_path):
    path = tmp_path / "w.npy"
    np.save(path, np.array([[object(), 1]]), allow_pickle=True)
    with pytest.raises(ConfigError, match="not a wear ledger"):
        WearLedger((1, 2), path)


def test_programs_within_any_limit_are_counted_when_somebody_asks(monkeypatch):
    counted = []
    monkeypatch.setattr(
        CellPulses, "add_to", lambda self, total: counted.append(self) or total.__iadd__(1)
    )
    ledger = WearLedger((1, 2))
    guard, program = _guard(Limits(pulses_per_program=3), ledger=ledger), CellPulses([[3, -3]])
    for _ in range(4):
        guard.admit(program, (1, 2))
    assert not counted
    assert ledger.pulses.tolist() == [[4, 4]]
    assert ledger.pulses.tolist() == [[4, 4]]
    assert len(counted) == 4


def test_what_waits_to_be_counted_is_bounded(monkeypatch):
    monkeypatch.setattr("ohmloop.drivers.wear._MOST_HELD", 100)
    ledger, program = WearLedger((1, 2)), CellPulses([[3, -4]])
    for k in range(1, 30):
        ledger.note(program)
        assert len(ledger._noted) * program.held <= 100
        assert ledger._pulses[0, 0] + 3 * len(ledger._noted) == 3 * k
    assert ledger.pulses.tolist() == [[87, 116]]


def test_a_ledger_with_a_file_counts_at_once(tmp_path):
    path = tmp_path / "w.npy"
    guard = _guard(ledger=WearLedger((1, 2), path))
    guard.admit(CellPulses([[3, -4]]), (1, 2))
    assert WearLedger((1, 2), path).pulses.tolist() == [[3, 4]]
