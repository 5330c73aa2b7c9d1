"""Exactly once on the B1500A bench: every fault, at several messages, on both instruments."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    InDoubtError,
    InstrumentError,
    PulseConditions,
    PulseShape,
    ReportedError,
)
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments.faults import Fault, Strike

LINK = {
    Fault.DROP_REQUEST,
    Fault.CUT_REQUEST,
    Fault.DROP,
    Fault.DELAY,
    Fault.GARBLE,
    Fault.DUPLICATE,
    Fault.TRUNCATE,
    Fault.HANG_UP,
}
OWN = [fault for fault in Fault if fault not in LINK and fault is not Fault.HUNG]
# Messages of a program: prepare 3; then for a train settings, start and wait, state. The first few
# are struck by the kit for families (tests/sim_backend/instruments/test_bench_checks.py).
BY_LINK = [("spgu", f, at) for f in sorted(LINK, key=lambda f: f.name) for at in (4, 5)]
BY_LINK += [("smu", f, 4) for f in sorted(LINK, key=lambda f: f.name)]
BY_LINK += [("spgu", f, at) for f in (Fault.CUT_REQUEST, Fault.HANG_UP) for at in range(6, 13)]
BY_ITSELF = [("spgu", f, at) for f in OWN for at in (4, 5, 7)]
BY_ITSELF += [("smu", f, at) for f in OWN for at in (4, 5)]


def named(value: object) -> str:
    return value.name if isinstance(value, Fault) else str(value)


PROGRAM = CellPulses(np.array([[3, 0, 0, -2, 0, 0], [0, 0, 4, 0, 0, 0], *np.zeros((2, 6), int)]))


@pytest.fixture
def timeout() -> str:
    """Short: here replies are meant to be missed."""
    return "150 ms"


def pulse_through(emulated, chip, instrument, fault, at) -> bool:
    """Pulse while one fault strikes; the books agree; says whether the program is in doubt."""
    server = emulated.servers[instrument]
    server.faults.extend([None] * at + [Strike(fault, seconds=0.2)])
    receipt, problem = None, None
    try:
        receipt = chip.pulse(PROGRAM)
    except (InDoubtError, ReportedError) as error:
        problem = error
    assert len(server.faults) == 0
    if receipt is not None:
        assert receipt.pulses_applied == emulated.pulses_applied == PROGRAM.total_pulses
    elif isinstance(problem, InDoubtError):
        assert 0 <= emulated.pulses_applied <= PROGRAM.total_pulses
        assert problem.applied in (None, emulated.pulses_applied)
        assert problem.cells.tolist() == [0, 3, 8]
    else:  # refused before a pulse
        assert fault is Fault.ERROR
        assert emulated.pulses_applied == 0
    return isinstance(problem, InDoubtError)


def works_again(emulated, chip) -> None:
    before, true = emulated.pulses_applied, emulated.cells.conductance
    np.testing.assert_allclose(chip.read(), true, rtol=0.05)
    assert chip.pulse(PROGRAM).pulses_applied == PROGRAM.total_pulses
    assert emulated.pulses_applied == before + PROGRAM.total_pulses
    chip.make_safe()
    assert not emulated.outputs_on
    assert not emulated.rig.matrix.closed
    assert emulated.hot_switches == 0
    assert emulated.chips["array"].witness.voltage <= chip.limits.voltage
    assert emulated.chips["array"].witness.width <= chip.limits.width


@pytest.mark.parametrize(("pulses", "fault", "at"), BY_LINK, ids=named)
def test_a_broken_link_is_never_a_doubt(emulated, chip, fault, at):
    assert not pulse_through(emulated, chip, "analyser", fault, at)
    works_again(emulated, chip)


@pytest.mark.parametrize(("pulses", "fault", "at"), BY_ITSELF, ids=named)
def test_what_the_instrument_does_is_told(emulated, chip, fault, at):
    pulse_through(emulated, chip, "analyser", fault, at)
    emulated.servers["analyser"].power_cycle()  # a stuck relay comes loose
    works_again(emulated, chip)


@pytest.mark.parametrize("at", [0, 5])
@pytest.mark.parametrize(
    "fault", [Fault.HANG_UP, Fault.GARBLE, Fault.POWER_BEFORE, Fault.POWER_AFTER]
)
def test_a_spoiled_read_is_read_again(emulated, chip, fault, at):
    true = emulated.cells.conductance
    emulated.servers["analyser"].faults.extend([None] * at + [fault])
    np.testing.assert_allclose(chip.read(), true, rtol=0.05)
    assert emulated.pulses_applied == 0
    works_again(emulated, chip)


@pytest.mark.parametrize("pulses", ["spgu", "smu"])
@pytest.mark.parametrize("lost", [Fault.DROP, Fault.HANG_UP, Fault.GARBLE])
@pytest.mark.parametrize("after", range(4))
def test_a_lost_reply_does_not_take_the_error_with_it(emulated, chip, pulses, lost, after):
    """The train stops half-way, and the reply that says so is lost."""
    arm = {"spgu": 3, "smu": 2}[pulses]
    faults = [None] * arm + [Strike(Fault.HARDWARE, pulses=1)] + [None] * after + [lost]
    emulated.servers["analyser"].faults.extend(faults)
    with pytest.raises(InDoubtError, match=r"error (305|0, which is not told)") as caught:
        chip.pulse(PROGRAM)
    assert caught.value.applied in (None, emulated.pulses_applied)
    assert emulated.pulses_applied == 1
    emulated.servers["analyser"].faults.clear()
    works_again(emulated, chip)


@pytest.mark.parametrize("pulses", ["spgu", "smu"])
@pytest.mark.parametrize("status", [0, 48])
def test_a_status_byte_that_does_not_tell_makes_a_lost_reply_a_doubt(emulated, pulses, status):
    """What a masked bit shows is what the manual leaves open: the driver finds it out."""
    emulated.rig.analyser.handlers["*STB?"] = (lambda: str(status), 0, 0)
    arm = {"spgu": 3, "smu": 2}[pulses]
    server = emulated.servers["analyser"]
    with open_on_bench(emulated.bench) as chip:
        assert not chip.pulser.analyser.status_tells
        assert chip.pulse(PROGRAM).pulses_applied == PROGRAM.total_pulses
        server.faults.extend([None] * arm + [Strike(Fault.HARDWARE, pulses=1)])
        with pytest.raises(InDoubtError, match="305"):
            chip.pulse(PROGRAM)
        before = emulated.pulses_applied
        server.faults.extend([None] * (arm + 1) + [Fault.HANG_UP])
        with pytest.raises(InDoubtError, match="cannot be asked again") as caught:
            chip.pulse(PROGRAM)
        assert caught.value.applied is None
        assert emulated.pulses_applied - before == 3
        works_again(emulated, chip)


@pytest.mark.parametrize("pulses", ["spgu", "smu"])
def test_an_output_that_stays_on_is_told(emulated, chip, caplog, pulses):
    chip.read()
    start = 4 if pulses == "spgu" else 3
    emulated.servers["analyser"].faults.extend([None] * start + [Fault.STUCK_OUTPUT])
    with pytest.raises(InDoubtError, match=r"channel (101|501) stays on") as caught:
        chip.pulse(PROGRAM)
    assert caught.value.applied == emulated.pulses_applied == PROGRAM.total_pulses
    assert emulated.outputs_on
    with pytest.raises(InstrumentError, match=r"channel (101|501) stays on"):
        chip.pulser.make_safe()
    chip.make_safe()
    assert "stays on" in caplog.text
    assert not emulated.rig.matrix.closed


@pytest.mark.parametrize("pulses", ["spgu", "smu"])
def test_an_error_that_was_there_before_stops_the_program_before_a_pulse(emulated, chip):
    emulated.rig.analyser.push(305)
    with pytest.raises(InstrumentError, match="305"):
        chip.pulse(PROGRAM)
    assert emulated.pulses_applied == 0
    works_again(emulated, chip)


@pytest.mark.parametrize("pulses", ["smu"])
def test_pulses_at_the_current_limit_are_counted(emulated, chip):
    emulated.servers["analyser"].faults.extend([None] * 2 + [Fault.COMPLIANCE])
    assert chip.pulse(PROGRAM).clipped == 1
    emulated.servers["analyser"].faults.clear()
    assert emulated.rig.fixtures[1].compliance_pulses == 1


def test_a_line_cut_between_commands_is_in_doubt_not_repeated(emulated, chip):
    """On GPIB a part of a line can arrive; the empty line that comes after carries it out."""
    device, message = emulated.rig.analyser, emulated.rig.analyser.message

    def cut(data: bytes) -> bytes:
        if b"SRP" in data:
            device.message = message
            message(data.partition(b"SRP")[0])
            emulated.servers["analyser"].unplug()
            return b""
        return message(data)

    device.message = cut
    with pytest.raises(InDoubtError, match="was cut") as caught:
        chip.pulse(PROGRAM)
    assert caught.value.applied is None
    assert emulated.pulses_applied == 0
    works_again(emulated, chip)


def test_a_train_of_which_the_link_knows_nothing_is_waited_for(emulated, chip):
    long = CellPulses(np.pad(np.array([[1500]]), ((0, 3), (0, 5))))
    emulated.servers["analyser"].faults.extend([None] * 3 + [Fault.HANG_UP])
    assert chip.pulse(long).pulses_applied == emulated.pulses_applied == 1500


def test_a_train_of_minutes_is_waited_for_in_a_few_messages(emulated, chip):
    slow = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.5, 1e-3), rest=9.0)
    long = CellPulses(np.pad(np.array([[30]]), ((0, 3), (0, 5))), conditions=slow)
    before = chip.messages
    assert chip.pulse(long).pulses_applied == emulated.pulses_applied == 30
    assert emulated.clock.now > 270
    assert chip.messages - before < 20


def test_an_interrupt_in_a_train_leaves_everything_off_and_usable(emulated, chip, monkeypatch):
    transport = type(chip.meter.analyser.transport)
    read, seen = transport._read, []

    def interrupted(self, wait, count=None):
        reply = read(self, wait, count)
        seen.append(reply)
        if len(seen) == 6:
            raise KeyboardInterrupt
        return reply

    with monkeypatch.context() as patch:
        patch.setattr(transport, "_read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            chip.pulse(PROGRAM)
    assert not emulated.outputs_on
    works_again(emulated, chip)


def test_the_power_may_fail_between_programs(emulated, chip):
    chip.pulse(PROGRAM)
    emulated.servers["analyser"].power_cycle()
    assert chip.pulse(PROGRAM).pulses_applied == PROGRAM.total_pulses
    emulated.servers["analyser"].power_cycle()
    emulated.servers["matrix"].power_cycle()
    works_again(emulated, chip)


@pytest.mark.parametrize("pulses", ["spgu", "smu"])
@pytest.mark.parametrize("fault", [Fault.POWER_BEFORE, Fault.POWER_MIDWAY, Fault.POWER_AFTER])
@pytest.mark.parametrize("at", [3, 4, 5])
def test_it_would_not_matter_if_variables_outlived_the_power(emulated, chip, fault, at):
    """That they do not is what the manual leaves open."""
    device = emulated.rig.analyser
    power_on = device._power_on

    def keep() -> None:
        kept = device._variables
        power_on()
        device._variables = kept

    device._power_on = keep
    pulse_through(emulated, chip, "analyser", fault, at)
    works_again(emulated, chip)


def test_a_load_that_is_not_taken_is_refused(emulated):
    emulated.rig.analyser.handlers["SER"] = (lambda *_: None, 2, 2)
    with pytest.raises(InstrumentError, match="takes its load for 50 ohm"):
        open_on_bench(emulated.bench)
    assert not emulated.outputs_on


@pytest.mark.campaign
@pytest.mark.parametrize("pulses", ["spgu", "smu"])
@pytest.mark.parametrize("seed", range(4))
def test_any_faults_in_any_order(emulated, chip, seed):
    """Whatever strikes, however often: pulses are applied once, or in doubt with a right count."""
    rng = np.random.default_rng(seed)
    kinds = [None, None, *[f for f in Fault if f not in (Fault.HUNG, Fault.STUCK_OUTPUT)]]
    for _ in range(40):
        for server in emulated.servers.values():
            chosen = rng.integers(0, len(kinds), rng.integers(0, 6))
            server.faults.extend([kinds[k] for k in chosen])
        counts = np.where(rng.random((4, 6)) < 0.2, rng.integers(-4, 5, (4, 6)), 0)
        before = emulated.pulses_applied
        try:
            receipt = chip.pulse(CellPulses(counts))
        except InstrumentError as error:
            applied = getattr(error, "applied", 0)  # others come before a pulse
            given = emulated.pulses_applied - before
            assert given <= np.abs(counts).sum()
            assert applied is None or applied == given
        else:
            assert receipt.pulses_applied == emulated.pulses_applied - before
        for server in emulated.servers.values():
            server.faults.clear()
        assert emulated.hot_switches == 0
    for fixture in emulated.rig.fixtures.values():
        fixture.after(0, lambda: None)  # no fault is left waiting for a pulse
    works_again(emulated, chip)


def test_leaving_while_everything_is_unplugged_does_not_hang(emulated):
    crossbar = open_on_bench(emulated.bench)
    crossbar.read()
    for server in emulated.servers.values():
        server.unplug()
    crossbar.close()
    assert not emulated.outputs_on
    assert not emulated.rig.matrix.closed
