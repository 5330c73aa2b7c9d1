"""The emulated 4200A-SCS, told what to do byte by byte."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.sim_backend.instruments.faults import Fault, PowerLostError, Strike
from ohmloop.sim_backend.instruments.server import zero_ended

PULSE = [
    ":PMU:SARB:SEQ:TIME {c}, 1, 100E-9, 900E-9, 100E-9, 900E-9",
    ":PMU:SARB:SEQ:STARTV {c}, 1, 0, {v}, {v}, 0",
    ":PMU:SARB:SEQ:STOPV {c}, 1, {v}, {v}, 0, 0",
    ":PMU:SARB:SEQ:MEAS:TYPE {c}, 1, 0, 1, 0, 0",
    ":PMU:SARB:SEQ:MEAS:START {c}, 1, 0, 0, 0, 0",
    ":PMU:SARB:SEQ:MEAS:STOP {c}, 1, 0, 900E-9, 0, 0",
    ":PMU:SARB:WFM:SEQ:LIST {c}, 1, {loops}",
    ":PMU:MEASURE:RANGE {c}, 2, 1e-2",
    ":PMU:OUTPUT:STATE {c}, 1",
]


def told(scs, *lines: str) -> list[str]:
    return [scs.message(line.encode())[:-1].decode() for line in lines]


def load(scs, volts: dict[int, float], loops: int = 1, change: tuple[str, str] = ("", "")) -> None:
    assert told(scs, ":PMU:INIT 1") == ["ACK"]
    for channel, v in volts.items():
        lines = [line.format(c=channel, v=v, loops=loops) for line in PULSE]
        lines = [line.replace(*change) if change[0] else line for line in lines]
        assert set(told(scs, *lines)) == {"ACK"}


def run(scs) -> str:
    (reply,) = told(scs, ":PMU:EXECUTE")
    told(scs, ":PMU:TEST:STATUS?")
    return reply


def test_every_message_ends_with_nul_and_has_one_reply(scs):
    whole, rest = zero_ended(b"*IDN?\0US\0:PMU:TE")
    assert (whole, rest) == ([b"*IDN?", b"US"], b":PMU:TE")
    for message in (*whole, b"nonsense", b"DV9", b":PMU:INIT", b":PMU:INIT x", b"\xff"):
        assert scs.message(message).count(b"\0") == 1
        assert scs.message(message).endswith(b"\0")


def test_errors_stay_in_the_register_until_cleared(scs):
    assert told(scs, ":ERROR:LAST:GET") == ["No error. (0)"]
    (reply,) = told(scs, ":PMU:WRONG 1")
    assert reply == "Unrecognized command (-992)"
    assert told(scs, "BC", ":ERROR:LAST:GET") == ["ACK", reply]
    assert told(scs, ":ERROR:LAST:CLEAR", ":ERROR:LAST:GET") == ["ACK", "No error. (0)"]


@pytest.mark.parametrize(
    "line",
    [
        ":PMU:SARB:SEQ:TIME 1, 1, 1e-6, 1e-6, 1e-6",  # before INIT
        ":PMU:LOAD 1, 1e6",
        ":PMU:EXECUTE",
        ":PMU:INIT 2",
        ":PMU:RPM:CONFIGURE PMU3-1, 0",
        ":PMU:OUTPUT:STATE 5, 1",
        ":PMU:OUTPUT:STATE 1, 2",
        ":PMU:DATA:GET 1, 0, 1",  # no data
        ":PMU:DATA:COUNT? 9",
        "TI1",  # not in user mode
        "*TRG",
    ],
)
def test_what_it_cannot_do_is_refused_and_changes_nothing(line, scs):
    (reply,) = told(scs, line)
    assert reply.endswith("(-992)")
    assert not scs.outputs_on


@pytest.mark.parametrize(
    "line",
    [
        ":PMU:SARB:SEQ:TIME 1, 1, 1e-6, 1e-6",  # fewer than three segments
        ":PMU:SARB:SEQ:TIME 1, 1" + ", 1e-6" * 129,
        ":PMU:SARB:SEQ:TIME 1, 0, 1e-6, 1e-6, 1e-6",
        ":PMU:SARB:SEQ:STARTV 1, 1, 0, nan, 0",
        ":PMU:SARB:WFM:SEQ:LIST 1, 2, 1",  # not defined
        ":PMU:SARB:WFM:SEQ:LIST 1, 1, 0",
        ":PMU:SARB:WFM:SEQ:LIST 1, 1",
        ":PMU:SARB:WFM:SEQ:LIST 1" + ", 1, 1" * 513,
        ":PMU:MEASURE:RANGE 1, 2, 5e-3",
        ":PMU:SOURCE:RANGE 1, 20",
        ":PMU:LOAD 1, 0.1",
        ":PMU:PULSE:TRAIN 1, 0, 1",  # of standard pulses
        ":PMU:MEASURE:MODE 1",
    ],
)
def test_arguments_out_of_range_are_refused(line, scs):
    load(scs, {1: 0.1})
    assert told(scs, line)[0].endswith("(-992)")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ((", 100E-9, 900E-9, 100E-9,", ", 10E-9, 900E-9, 100E-9,"), "too short"),
        ((", 100E-9, 900E-9, 100E-9,", ", 105E-9, 900E-9, 100E-9,"), "grid of 10 ns"),
        ((", 100E-9, 900E-9, 100E-9, 900E-9", ", 100E-9, 900E-9, 100E-9"), "differ in length"),
        (("0, 0.75, 0.75, 0", "0, 0.75, 0.7, 0"), "Segments are not continuous"),
        (("0, 0.75, 0.75, 0", "0.1, 0.75, 0.75, 0"), "Sequences are not continuous"),
        (("0.75", "10.5"), "beyond the source range"),
        (("0, 900E-9, 0, 0", "0, 910E-9, 0, 0"), "outside its segment"),
        (("1, 0, 1, 0, 0", "1, 0, 2, 0, 0"), "Only spot means"),
        ((":PMU:MEASURE:RANGE 1, 2, 1e-2", ":PMU:MEASURE:RANGE 1, 0"), "fixed current range"),
        ((":PMU:OUTPUT:STATE 1, 1", ":PMU:OUTPUT:STATE 1, 0"), "No PMU output is on"),
    ],
)
def test_sequences_that_do_not_fit_are_not_played(change, problem, scs, chip):
    load(scs, {1: 0.75}, loops=2, change=change)
    assert problem in run(scs)
    assert told(scs, ":PMU:DATA:COUNT? 1") == ["0"]
    assert not scs.outputs_on
    assert chip.cells.pulses_applied == 0


def test_too_many_segments_are_refused(scs):
    load(scs, {1: 0.1})
    for sequence in range(2, 19):
        told(scs, f":PMU:SARB:SEQ:TIME 1, {sequence}" + ", 1e-6" * 128)
    assert "Too many segments" in run(scs)


def test_a_cell_between_halves_is_pulsed_and_half_selected_ones_are_not(scs, chip):
    load(scs, {1: 0.75, 2: 0.0, 3: -0.75, 4: 0.0}, loops=5)
    assert run(scs) == "ACK"
    assert chip.cells.pulses.tolist() == [5, 0, 0, 0]
    assert told(scs, ":PMU:DATA:COUNT? 1") == ["5"]


@pytest.mark.parametrize("volts", [{1: 0.75}, {1: 0.75, 4: -0.75}, {3: -0.75}])
def test_lines_whose_channel_is_off_float(volts, scs, chip):
    load(scs, volts)
    run(scs)
    wired = 1 in volts and 4 in volts
    assert chip.cells.pulses_applied == wired


def test_halves_too_large_disturb_half_selected_cells(scs, chip):
    """A cell on one firing line is a cell like all others: nobody exempts it."""
    load(scs, {1: 1.0, 2: 0.0, 3: -1.0, 4: 0.0})
    run(scs)
    assert chip.cells.pulses.tolist() == [1, 1, 1, 0]


def test_currents_add_up_on_a_line_both_ways(scs, chip):
    load(scs, {1: 0.0, 2: 0.0, 3: -0.1, 4: -0.2})
    run(scs)
    g = chip.cells.conductance
    lines = [told(scs, f":PMU:DATA:GET {c}, 0, 1")[0] for c in (1, 2, 3, 4)]
    volts, amperes, times, status = np.array([list(map(float, t.split(","))) for t in lines]).T
    assert volts.tolist() == [0.0, 0.0, -0.1, -0.2]
    expected = [g[0] @ [0.1, 0.2], g[1] @ [0.1, 0.2], -0.1 * g[:, 0].sum(), -0.2 * g[:, 1].sum()]
    np.testing.assert_allclose(amperes, expected, rtol=0.05)
    assert abs(amperes.sum()) < 1e-6 * np.abs(amperes).max()  # one reading of each cell
    assert times.tolist() == [1e-6] * 4
    assert not status.any()


def test_a_current_beyond_the_range_is_flagged(scs):
    load(scs, {1: 0.2, 3: 0.0, 4: 0.0}, change=("1e-2", "1e-7"))
    run(scs)
    _, amperes, _, status = told(scs, ":PMU:DATA:GET 1, 0, 1")[0].split(",")
    assert (float(amperes), status) == (1e-7, "1")


def test_it_is_busy_until_who_asks_has_waited(scs):
    load(scs, {1: 0.1})
    told(scs, ":PMU:EXECUTE")
    for line in (":PMU:INIT 1", ":PMU:LOAD 1, 1e6", ":PMU:EXECUTE", ":PMU:OUTPUT:STATE 1, 1"):
        assert "running" in told(scs, line)[0]
    assert told(scs, ":PMU:TEST:STATUS?", ":PMU:TEST:STATUS?") == ["1", "0"]
    assert told(scs, ":PMU:LOAD 1, 1e6") == ["ACK"]


def test_data_stay_until_init_or_the_next_execution(scs):
    load(scs, {1: 0.1}, loops=3)
    run(scs)
    told(scs, ":PMU:ABORT", ":PMU:SARB:WFM:SEQ:LIST 1, 1, 7")
    assert told(scs, ":PMU:DATA:COUNT? 1") == ["3"]
    told(scs, ":PMU:OUTPUT:STATE 1, 1")
    run(scs)
    assert told(scs, ":PMU:DATA:COUNT? 1") == ["7"]
    told(scs, ":PMU:INIT 1")
    assert told(scs, ":PMU:DATA:COUNT? 1") == ["0"]


def test_outputs_go_on_with_an_execution_and_off_at_once(scs):
    load(scs, {1: 0.1})
    assert not scs.outputs_on
    run(scs)
    assert scs.outputs_on
    assert told(scs, ":PMU:OUTPUT:STATE 1, 0") == ["ACK"]
    assert not scs.outputs_on
    assert scs.cards.hot_switches == 0
    told(scs, ":PMU:OUTPUT:STATE 1, 1", ":PMU:EXECUTE", ":PMU:OUTPUT:STATE 1, 0")
    assert scs.cards.hot_switches == 1


def test_a_stuck_output_is_reported_and_comes_loose_with_the_power(scs):
    load(scs, {1: 0.1})
    run(scs)
    scs.strike(Strike(Fault.STUCK_OUTPUT))
    assert told(scs, ":PMU:ABORT", ":PMU:OUTPUT:STATE 1, 0")[1] == "Output relay failure (-992)"
    assert scs.outputs_on
    scs.power_cycle()
    assert not scs.outputs_on


def test_power_that_fails_midway_leaves_what_was_given(scs, chip):
    load(scs, {1: 0.75, 2: 0.75, 3: -0.75, 4: 0.0}, loops=5)
    scs.strike(Strike(Fault.POWER_MIDWAY, pulses=4))
    with pytest.raises(PowerLostError):
        told(scs, ":PMU:EXECUTE")
    assert chip.cells.pulses.tolist() == [2, 0, 2, 0]
    scs.power_cycle()
    assert told(scs, ":PMU:DATA:COUNT? 1") == ["0"]


def test_hardware_that_fails_keeps_the_points_it_measured(scs, chip):
    load(scs, {1: 0.75, 3: -0.75}, loops=5)
    scs.strike(Strike(Fault.HARDWARE, pulses=2))
    told(scs, ":PMU:EXECUTE")
    assert chip.cells.pulses_applied == 2
    assert told(scs, ":PMU:DATA:COUNT? 1", ":ERROR:LAST:GET") == ["2", "Pulse card failure (-992)"]
    assert not scs.outputs_on
