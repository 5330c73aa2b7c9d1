"""Every family of instruments passes the whole kit, over the wire, against its emulator."""

from __future__ import annotations

import pytest

from ohmloop.drivers.board.run_once import run_once
from ohmloop.sim_backend.instruments.bench_checks import (
    BENCH_CHECKS,
    check_bench,
    check_fault,
    check_limits_hold_at_the_chip,
    check_parity_with_the_twin,
)
from ohmloop.sim_backend.instruments.benches import families, small_bench
from ohmloop.sim_backend.instruments.faults import Fault


@pytest.mark.conformance
@pytest.mark.parametrize("family", families())
@pytest.mark.parametrize("check", BENCH_CHECKS, ids=lambda check: check.__name__)
def test_conformance(check, family):
    check(small_bench(family))


def test_a_driver_that_pulses_twice_is_found_out(monkeypatch):
    def twice(board, body, wait):
        run_once(board, body, wait)
        return run_once(board, body, wait)

    monkeypatch.setattr("ohmloop.drivers.board.board_crossbar.run_once", twice)
    with pytest.raises(AssertionError, match="check_parity_with_the_twin: program 0 leaves"):
        check_parity_of(small_bench("pulse-board"))
    with pytest.raises(AssertionError, match=r"DROP at message 1 .*reported done, but"):
        check_fault(small_bench("pulse-board"), Fault.DROP)


def test_a_driver_that_hides_what_it_cannot_tell_is_found_out(monkeypatch):
    def hopeful(board, body, wait):
        from ohmloop.drivers import InDoubtError, LinkError

        try:
            return run_once(board, body, wait)
        except InDoubtError as error:
            raise LinkError("board", "", "nothing happened") from error

    monkeypatch.setattr("ohmloop.drivers.board.board_crossbar.run_once", hopeful)
    with pytest.raises(AssertionError, match="arrived, but LinkError"):
        check_fault(small_bench("pulse-board"), Fault.POWER_AFTER)


def test_a_driver_that_pulses_too_hard_is_found_out(monkeypatch):
    from ohmloop.drivers.board import board_crossbar

    encode = board_crossbar.encode_program

    def harder(program, conditions, native):
        from dataclasses import replace

        up = replace(conditions.up, amplitude=1.9)
        return encode(program, replace(conditions, up=up), native)

    monkeypatch.setattr(board_crossbar, "encode_program", harder)
    with pytest.raises(AssertionError, match=r"1\.9 V on a cell"):
        check_limits_hold_at_the_chip(small_bench("pulse-board"))


def check_parity_of(bench):
    try:
        check_parity_with_the_twin(bench)
    except AssertionError as error:
        raise AssertionError(f"check_parity_with_the_twin: {error}") from error


def test_the_whole_kit_is_one_line():
    check_bench(small_bench("pulse-board"))
