"""Every fault at several moments: a program is applied once or in doubt, and the bench lives on."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import CellPulses, CoincidencePulses, InDoubtError, LinkError
from ohmloop.sim_backend.instruments.faults import ON_REPLY, Fault, Strike

ALL = sorted(set(Fault) - {Fault.HUNG, Fault.STUCK_OUTPUT}, key=lambda fault: fault.name)
# Lines of a program: begin, patterns or runs, run; faults of a reply wait for the next one.
POSITIONS = (0, 2)
SURE = (ON_REPLY - {Fault.POWER_AFTER}) | {Fault.DROP_REQUEST, Fault.CUT_REQUEST, Fault.COMPLIANCE}


def cell_program(seed: int) -> CellPulses:
    """A few cells, so that a lost reply is not waited for long."""
    counts = np.random.default_rng(seed).integers(-4, 5, (4, 6))
    counts[:, 2:] = 0
    return CellPulses(counts)


def coincidence_program(seed: int) -> CoincidencePulses:
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, 2**6, (2, 6))
    columns[:, 1:] = 0
    return CoincidencePulses(
        rng.integers(0, 2**6, (2, 4)),
        columns,
        rng.choice([-1, 1], (2, 4)),
        rng.choice([-1, 1], (2, 6)),
        length=6,
    )


WAYS = {
    "timers": ("", cell_program),
    "script": (", timing: script", cell_program),
    "two channels": (", column_channel: b", coincidence_program),
}


@pytest.fixture(params=WAYS, ids=str)
def way(request) -> str:
    return request.param


@pytest.fixture
def emulated(way, make):
    return make(timeout="500 ms", wiring=WAYS[way][0])


@pytest.fixture
def program(way):
    return WAYS[way][1]


def _strike(fault: Fault) -> Strike:
    return Strike(fault, pulses=7, seconds=0.4)


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.name)
def test_applied_once_or_in_doubt(emulated, tools, fault, program):
    doubts = 0
    with tools.open(emulated) as chip:
        for position in POSITIONS:
            before = emulated.pulses_applied
            emulated.servers["smu"].faults.extend([None] * position + [_strike(fault)])
            wanted = program(position)
            try:
                receipt = chip.pulse(wanted)
                counted: int | None = receipt.pulses_applied
                assert counted == wanted.total_pulses
                told = 1
            except InDoubtError as error:
                doubts += 1
                counted = error.applied
                told = len(error.cells)
            assert told
            given = emulated.pulses_applied - before
            assert counted == given or (counted is None and given <= wanted.total_pulses)
            emulated.servers["smu"].faults.clear()
            assert not emulated.outputs_on
            assert chip.read().shape == (4, 6)  # and the link is in step, whatever happened
            before = emulated.pulses_applied
            assert chip.pulse(cell_program(9)).pulses_applied == emulated.pulses_applied - before
    if fault in SURE:
        assert not doubts
    assert emulated.chips["left"].witness.voltage <= 2
    assert emulated.hot_switches == 0
    assert not emulated.rig.matrix.closed


def test_power_lost_midway_is_in_doubt_after_what_was_given(emulated, tools):
    with tools.open(emulated) as chip:
        emulated.servers["smu"].faults.append(_strike(Fault.POWER_MIDWAY))
        with pytest.raises(InDoubtError, match="read the crossbar again") as caught:
            chip.pulse(cell_program(0))
        assert caught.value.applied is None
        assert emulated.pulses_applied == 7
        assert not emulated.outputs_on


def test_an_error_of_the_hardware_stops_at_the_next_cell(emulated, tools):
    with tools.open(emulated) as chip:
        emulated.servers["smu"].faults.append(_strike(Fault.HARDWARE))
        with pytest.raises(InDoubtError, match=r"'stopped' after .* -286") as caught:
            chip.pulse(cell_program(0))
        assert 7 <= emulated.pulses_applied == caught.value.applied < 7 + 4


def test_a_pulse_at_the_current_limit_is_counted_in_the_middle_of_a_run(make, tools):
    emulated = make()
    counts = np.zeros((4, 6), int)
    counts[2, 2] = 9
    with tools.open(emulated) as chip:
        chip.pulse(CellPulses(counts))
        emulated.servers["smu"].faults.append(Fault.COMPLIANCE)
        assert chip.pulse(CellPulses(counts)).clipped == 1
        assert chip.pulse(CellPulses(counts)).clipped == 0


def test_an_instrument_that_hangs_is_in_doubt_and_works_after_a_power_cycle(make, tools):
    emulated = make(timeout="300 ms")
    with tools.open(emulated) as chip:
        chip.read()
        emulated.servers["smu"].faults.append(Fault.HUNG)
        counts = np.zeros((4, 6), int)
        counts[0, 0] = 2
        with pytest.raises(InDoubtError) as caught:
            chip.pulse(CellPulses(counts))
        assert caught.value.applied is None
        assert emulated.pulses_applied == 0
        assert not emulated.rig.matrix.closed
        emulated.servers["smu"].power_cycle()
        assert chip.read().shape == (4, 6)
        assert chip.pulse(CellPulses(counts)).pulses_applied == emulated.pulses_applied == 2
    assert not emulated.outputs_on


def test_an_output_that_sticks_is_said_and_the_pulses_are_counted(make, tools, caplog):
    emulated = make()
    with tools.open(emulated) as chip:
        emulated.servers["smu"].faults.append(Fault.STUCK_OUTPUT)
        assert chip.pulse(cell_program(0)).pulses_applied == emulated.pulses_applied
        chip.make_safe()
        assert "the output stays on" in caplog.text
        assert emulated.hot_switches == 0
        emulated.servers["smu"].power_cycle()
    assert not emulated.outputs_on


@pytest.mark.parametrize("fault", sorted(ON_REPLY, key=lambda fault: fault.name))
def test_a_read_survives_what_happens_to_its_reply(make, tools, fault):
    emulated = make(timeout="300 ms")
    twin_like = emulated.cells.conductance
    with tools.open(emulated) as chip:
        emulated.servers["smu"].faults.append(_strike(fault))
        np.testing.assert_allclose(chip.read(), twin_like, rtol=0.05)
        np.testing.assert_allclose(chip.read(), twin_like, rtol=0.05)


def test_power_lost_before_the_last_part_was_sent_is_no_doubt(make, tools, monkeypatch):
    """What was never asked to run was not run, even where the script's memory is gone."""
    monkeypatch.setattr("ohmloop.drivers.tsp.tsp_messages._MESSAGE_BYTES", 40)
    emulated = make(timeout="300 ms")
    with tools.open(emulated) as chip:
        write, parts = chip.smu.transport.write, []

        def lose_power(text: str) -> None:
            parts.append(text)
            if len(parts) == 2:
                emulated.servers["smu"].power_cycle()
                emulated.servers["smu"].unplug()
                raise LinkError("smu", "", "cut off")
            write(text)

        monkeypatch.setattr(chip.smu.transport, "write", lose_power)
        program = cell_program(3)
        assert chip.pulse(program).pulses_applied == emulated.pulses_applied
        assert emulated.pulses_applied == program.total_pulses


def test_a_script_that_breaks_off_in_a_run_is_in_doubt_and_switched_off(make, tools):
    emulated = make(timeout="300 ms")
    with tools.open(emulated) as chip:
        chip.smu.transport.write("ohmloop.limited = nil")
        with pytest.raises(InDoubtError, match=r"'running'.*-286") as caught:
            chip.pulse(cell_program(0))
        assert caught.value.applied is None
        assert not emulated.outputs_on
        before = emulated.pulses_applied
        assert chip.pulse(cell_program(1)).pulses_applied == emulated.pulses_applied - before
