"""Exactly once on the SCPI bench, whatever fails, wherever; with and without generator."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    InDoubtError,
    InstrumentError,
    LinkError,
    ReportedError,
)
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.scpi.marks import PREPARED
from ohmloop.sim_backend.instruments.faults import ON_REPLY, Fault, Strike

LATE = Strike(Fault.DELAY, seconds=0.2)  # beyond the time-out
LINK = [
    *sorted(ON_REPLY - {Fault.POWER_AFTER, Fault.DELAY}, key=lambda fault: fault.name),
    *(Fault.DROP_REQUEST, Fault.CUT_REQUEST, LATE),
]
POWER = [Fault.POWER_BEFORE, Fault.POWER_MIDWAY, Fault.POWER_AFTER]


@pytest.fixture
def timeout() -> str:
    return "150 ms"


@pytest.fixture
def program() -> CellPulses:
    """Three cells, one of them down."""
    counts = np.zeros((4, 6), int)
    counts[0, 1], counts[2, 3], counts[2, 5] = 4, -3, 2
    return CellPulses(counts)


def alternating() -> CoincidencePulses:
    """One cell, up and down and up."""
    rows, columns = np.zeros((3, 4), int), np.zeros((3, 6), int)
    rows[:, 1] = columns[:, 2] = 7
    signs = np.array([[1], [-1], [1]]) * np.ones((3, 4), int)
    return CoincidencePulses(rows, columns, signs, np.ones((3, 6), int), 3)


def usable_and_safe(emulated, chip, pulser) -> None:
    """What every failure has to leave behind."""
    for server in emulated.servers.values():
        server.faults.clear()
    assert not emulated.outputs_on
    before = emulated.pulses_applied
    receipt = chip.pulse(CellPulses(np.ones((4, 6), int)))
    assert receipt.pulses_applied == emulated.pulses_applied - before == 24
    np.testing.assert_allclose(chip.read(), emulated.cells.conductance, rtol=0.05)
    chip.close()
    assert not emulated.outputs_on
    assert not emulated.rig.matrix.closed
    assert emulated.hot_switches == 0
    assert emulated.chips["array"].witness.voltage <= chip.limits.voltage


def pulse_or_doubt(emulated, chip, program) -> InDoubtError | None:
    """Applied once, as the receipt says; or in doubt, with a count that is right if it is there."""
    before, doubt, counted = emulated.pulses_applied, None, None
    try:
        counted = chip.pulse(program).pulses_applied
    except InDoubtError as error:
        doubt, counted = error, error.applied
    applied = emulated.pulses_applied - before
    assert applied <= program.total_pulses
    assert counted == applied or (doubt and counted is None)
    assert doubt or applied == program.total_pulses
    return doubt


def test_link_faults_at_a_train_leave_what_the_twin_has(pulser, emulated, chip, twin, program):
    for fault in LINK:
        emulated.servers[pulser].faults.extend([None, fault])
        assert pulse_or_doubt(emulated, chip, program) is None, fault
        assert not emulated.servers[pulser].faults, fault
        twin.pulse(program)
        assert np.array_equal(emulated.cells.conductance, twin.conductance), fault
    usable_and_safe(emulated, chip, pulser)


def test_link_faults_at_a_move_of_relays_leave_no_doubt(pulser, emulated, chip, program):
    for fault in LINK:
        emulated.servers["matrix"].faults.extend([None, fault])
        assert pulse_or_doubt(emulated, chip, program) is None, fault
    usable_and_safe(emulated, chip, pulser)


def test_runs_of_both_signs_on_one_cell(pulser, emulated, chip, twin):
    for fault in LINK:
        emulated.servers[pulser].faults.extend([None, fault])
        assert pulse_or_doubt(emulated, chip, alternating()) is None, fault
        twin.pulse(alternating())
        assert np.array_equal(emulated.cells.conductance, twin.conductance), fault
    usable_and_safe(emulated, chip, pulser)


def test_several_faults_in_a_row(pulser, emulated, chip, program):
    faults = [None, Fault.HANG_UP, Fault.DROP, Fault.GARBLE]
    emulated.servers[pulser].faults.extend(faults)
    assert pulse_or_doubt(emulated, chip, program) is None
    usable_and_safe(emulated, chip, pulser)


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("fault", POWER, ids=lambda fault: fault.name)
def test_power_lost_at_the_source(pulser, emulated, chip, program, fault, position):
    """Before the program it is made good; in a train nobody can tell."""
    emulated.servers[pulser].faults.extend([None] * position + [Strike(fault, pulses=2)])
    doubt = pulse_or_doubt(emulated, chip, program)
    if position:
        assert doubt is not None
        assert doubt.applied is None
        assert "lost its power" in str(doubt)
    elif fault is not Fault.POWER_MIDWAY:  # which waits for the first train
        assert doubt is None
    usable_and_safe(emulated, chip, pulser)


@pytest.mark.parametrize("position", [0, 1, 2, 3])
@pytest.mark.parametrize("fault", [Fault.POWER_BEFORE, Fault.POWER_AFTER], ids=lambda f: f.name)
def test_power_lost_at_the_matrix(pulser, emulated, chip, program, fault, position):
    """Relays that open between a train and the next look at them leave a doubt."""
    emulated.servers["matrix"].faults.extend([None] * position + [fault])
    doubt = pulse_or_doubt(emulated, chip, program)
    assert (doubt is None) == (position == 0)
    if doubt:
        assert doubt.applied is None
        assert "opened by themselves" in str(doubt)
    usable_and_safe(emulated, chip, pulser)


@pytest.mark.parametrize("pulses", [1, 3])
def test_hardware_that_stops_half_way(pulser, emulated, chip, program, pulses):
    emulated.servers[pulser].faults.extend([None, Strike(Fault.HARDWARE, pulses=pulses)])
    doubt = pulse_or_doubt(emulated, chip, program)
    assert doubt is not None
    assert "-310" in str(doubt)
    assert emulated.pulses_applied == pulses
    assert doubt.applied == (pulses if pulser == "smu" else None)  # a generator does not count
    usable_and_safe(emulated, chip, pulser)


@pytest.mark.parametrize("lost", [Fault.DROP, Fault.HANG_UP, Fault.GARBLE], ids=lambda f: f.name)
def test_a_lost_reply_takes_no_evidence_of_a_stop_with_it(pulser, emulated, chip, program, lost):
    """Six pulses more: in the second train, whose reply is lost."""
    emulated.servers[pulser].faults.extend([None, Strike(Fault.HARDWARE, pulses=6), lost])
    doubt = pulse_or_doubt(emulated, chip, program)
    assert doubt is not None
    assert "-310" in str(doubt)
    assert emulated.pulses_applied == 6
    usable_and_safe(emulated, chip, pulser)


@pytest.mark.parametrize("name", ["source", "matrix"])
@pytest.mark.parametrize("position", [1, 2])
def test_an_error_that_nothing_explains(pulser, emulated, chip, program, name, position):
    server = emulated.servers[pulser if name == "source" else "matrix"]
    server.faults.extend([None] * position + [Fault.ERROR])
    doubt = pulse_or_doubt(emulated, chip, program)
    assert doubt is not None
    assert "-310" in str(doubt)
    usable_and_safe(emulated, chip, pulser)


@pytest.mark.parametrize(("pulser", "name"), [("smu", "smu"), ("generator", "matrix")])
def test_reads_are_right_whatever_happens_to_them(emulated, chip, name):
    for fault in [*LINK, Fault.POWER_BEFORE, Fault.POWER_AFTER]:
        emulated.servers[name].faults.extend([None] * 3 + [fault])
        np.testing.assert_allclose(chip.read(), emulated.cells.conductance, rtol=0.05)
        assert not emulated.servers[name].faults, fault
        assert not emulated.outputs_on, fault
    assert emulated.pulses_applied == 0
    assert emulated.hot_switches == 0


def test_power_lost_between_operations_is_made_good(pulser, emulated, chip, program):
    chip.read()
    for server in emulated.servers.values():
        server.power_cycle()
    assert pulse_or_doubt(emulated, chip, program) is None
    for server in emulated.servers.values():
        server.power_cycle()
    np.testing.assert_allclose(chip.read(), emulated.cells.conductance, rtol=0.05)


@pytest.mark.parametrize("make", ["equal", "alternating"])
def test_a_message_may_be_cut_anywhere(pulser, emulated, chip, program, make):
    """Some parsers carry out what they have of a message: cut after each command in turn.

    The SMU's trace always says what was played; a generator cannot say around its trigger.
    """
    train = alternating() if make == "alternating" else program
    source = getattr(emulated.rig, pulser)
    carry_out, told, cuts = source.message, [], []

    def message(data: bytes) -> bytes:
        commands = data.decode().split(";")
        plays = any(c.startswith((":INIT", "*TRG")) for c in commands)
        if "*OPC?" not in commands or not plays or len(cuts) > len(told):
            return carry_out(data)
        cuts.append(commands[: len(cuts)])
        carry_out(";".join(cuts[-1]).encode())
        emulated.servers[pulser].unplug()
        return b""

    source.message = message
    while len(told) < 25:
        told.append(pulse_or_doubt(emulated, chip, train))
    doubts = [cut[-1][:4] for cut, doubt in zip(cuts, told, strict=True) if doubt]
    assert doubts == ([] if pulser == "smu" else ["*ESE", "*TRG"])
    source.message = carry_out
    usable_and_safe(emulated, chip, pulser)


def test_a_message_that_lay_in_the_buffer_of_a_broken_link(pulser, emulated, chip, program):
    """It is carried out between the first answer over the new link and the second."""
    source = getattr(emulated.rig, pulser)
    carry_out, late = source.message, []

    def message(data: bytes) -> bytes:
        if not late and (b":INIT" in data or b"*TRG" in data):
            late.append(data)
            emulated.servers[pulser].unplug()
            return b""
        reply = carry_out(data)
        if late and data.startswith(b"*OPC?;*ESE?") and len(late) == 1:
            late.append(carry_out(late[0]))
        return reply

    source.message = message
    assert pulse_or_doubt(emulated, chip, program) is None
    assert len(late) == 2
    usable_and_safe(emulated, chip, pulser)


def test_somebody_else_at_the_instrument_is_noticed(pulser, emulated, chip, program):
    source = getattr(emulated.rig, pulser)
    chip.pulse(program)
    source.message(b"*ESE 0")
    assert pulse_or_doubt(emulated, chip, program) is None  # noticed before the first train
    assert source.event_enable not in (0, PREPARED)


def test_ctrl_c_in_a_train_leaves_the_next_program_right(
    pulser, emulated, chip, program, monkeypatch
):
    transport = chip.pulser.transport
    read = type(transport)._read
    seen = []

    def interrupted(self, wait, count=None):
        reply = read(self, wait, count)
        seen.append(reply)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return reply

    with monkeypatch.context() as patch:
        patch.setattr(type(transport), "_read", interrupted)
        patch.setattr(chip, "_off_quietly", lambda: None)  # the worst case
        with pytest.raises(KeyboardInterrupt):
            chip.pulse(program)
    before = emulated.pulses_applied
    assert chip.pulse(program).pulses_applied == emulated.pulses_applied - before
    usable_and_safe(emulated, chip, pulser)


def test_an_interrupt_before_a_message_leaves_is_no_message(
    pulser, emulated, chip, twin, program, monkeypatch
):
    """After a train of both signs: what the generator has in its memory is another waveform."""
    transport = type(chip.pulser.transport)
    for p in (chip, twin):
        p.pulse(alternating())
    send, trains = transport._send, []

    def interrupted(self, stream, text):
        if self is chip.pulser.transport and "*ESE?;" in text and ";*OPC?" in text[20:]:
            trains.append(text)
            raise KeyboardInterrupt
        return send(self, stream, text)

    with monkeypatch.context() as patch:
        patch.setattr(transport, "_send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            chip.pulse(program)
    assert trains
    for p in (chip, twin):
        p.pulse(program)
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    usable_and_safe(emulated, chip, pulser)


def test_an_output_that_stays_on_is_said_also_with_errors_in_the_queue(
    pulser, emulated, chip, program, caplog
):
    source = getattr(emulated.rig, pulser)
    chip.pulser.batch([":OUTP1 ON"])
    source.channels[1].stuck = True
    source.error(-310)
    chip.make_safe()
    assert "stays on" in caplog.text
    source.channels[1].stuck = False
    source.error(-310)
    caplog.clear()
    chip.make_safe()
    assert "-310" in caplog.text
    assert not emulated.outputs_on


def test_a_stuck_output_in_a_program_is_said(pulser, emulated, chip, program):
    emulated.servers[pulser].faults.extend([None, Fault.STUCK_OUTPUT])
    with pytest.raises(InDoubtError, match="stays on after it was switched off") as caught:
        chip.pulse(program)
    assert caught.value.applied == emulated.pulses_applied == program.total_pulses
    emulated.servers[pulser].power_cycle()
    usable_and_safe(emulated, chip, pulser)


def test_a_bench_that_is_gone_is_said(emulated, program, caplog, monkeypatch):
    chip = open_on_bench(emulated.bench)
    monkeypatch.setattr("ohmloop.drivers.links.visa._PAUSES", (0.0, 0.01))
    for server in emulated.servers.values():
        server.close()
    with pytest.raises(InstrumentError):
        chip.pulse(program)
    with pytest.raises(InstrumentError):
        chip.read()
    chip.close()
    assert "could not be made safe" in caplog.text


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(4))
def test_any_faults_in_any_order(pulser, emulated, chip, seed):
    """Whatever strikes, however often: pulses are applied once, or in doubt with a right count."""
    rng = np.random.default_rng(seed)
    kinds = [None, None, *LINK, *POWER, Fault.ERROR, Fault.HARDWARE, Fault.COMPLIANCE]
    for turn in range(40):
        for server in emulated.servers.values():
            chosen = rng.integers(0, len(kinds), rng.integers(0, 6))
            server.faults.extend([kinds[k] for k in chosen])
        counts = np.where(rng.random((4, 6)) < 0.2, rng.integers(-4, 5, (4, 6)), 0)
        with suppress(ReportedError, LinkError):  # in the settings, before any pulse
            pulse_or_doubt(emulated, chip, CellPulses(counts) if turn % 2 else alternating())
        for server in emulated.servers.values():
            server.faults.clear()
        assert emulated.hot_switches == 0
    emulated.rig.fixtures[-1].after(0, lambda: None)  # no fault left waiting for a pulse
    usable_and_safe(emulated, chip, pulser)
