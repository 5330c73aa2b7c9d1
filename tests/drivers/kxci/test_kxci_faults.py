"""The KXCI bench when things go wrong: exactly once or in doubt, and safe at the end."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    InDoubtError,
    InstrumentError,
    NotConnectedError,
    PulseReceipt,
    ReportedError,
)
from ohmloop.drivers.kxci import commands, lowering
from ohmloop.drivers.links import visa
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments.faults import Fault, Strike
from ohmloop.sim_backend.instruments.kxci.sequences import RefusedError

PROGRAM = CellPulses(np.array([[3, -2], [1, 4]]))
TRAINS = CoincidencePulses(
    np.array([[0b0111, 0b1010]]), np.array([[0b1110, 0b0011]]), [[1, -1]], [[-1, 1]], length=4
)
PLACES = [
    "first",
    "execute",
    "after",
    *(
        pytest.param(place, marks=pytest.mark.campaign)
        for place in ("middle", "register", "status", "count", "last")
    ),
]
MOMENTS = [fault for fault in Fault if fault is not Fault.STUCK_OUTPUT]


def commands_of(emulated, chip, program) -> list[str]:
    """The commands that a program is sent as, once the instrument knows its pulses."""
    chip.pulse(program)
    heard: list[str] = []
    device = emulated.rig.analyser
    answer = device.answer

    def listen(text: str) -> str:
        heard.append(text)
        return answer(text)

    device.answer = listen
    chip.pulse(program)
    device.answer = answer
    return heard


def position(heard: list[str], place: str) -> int:
    execute = heard.index(commands.EXECUTE)
    return {
        "first": 0,
        "middle": execute // 2,
        "register": execute - 1,
        "execute": execute,
        "after": execute + 1,
        "status": execute + 2,
        "count": execute + 3,
        "last": len(heard) - 1,
    }[place]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", MOMENTS, ids=lambda fault: fault.name)
def test_a_program_is_applied_once_or_in_doubt_whatever_fails_when(fault, place, small, twin_of):
    twin = twin_of(small)
    with open_on_bench(small.bench) as chip:
        at = position(commands_of(small, chip, PROGRAM), place)
        twin.pulse(PROGRAM), twin.pulse(PROGRAM)
        before, total = small.pulses_applied, PROGRAM.total_pulses
        small.servers["scs"].faults.extend([None] * at + [Strike(fault, pulses=3, seconds=0.25)])
        outcome = attempt(chip, PROGRAM)
        given = small.pulses_applied - before
        if isinstance(outcome, InDoubtError):
            assert fault in UNSURE
            assert given <= total
            assert outcome.applied in (None, given)
        elif isinstance(outcome, InstrumentError):
            assert fault is Fault.HUNG
            assert given == 0
        else:
            twin.pulse(PROGRAM)
            assert outcome.pulses_applied == given == total
            assert np.array_equal(small.cells.conductance, twin.conductance)
        _usable_again(small, chip)
    _off(small)


def attempt(chip, program) -> PulseReceipt | InstrumentError:
    try:
        return chip.pulse(program)
    except InstrumentError as error:
        return error


UNSURE = [
    Fault.HUNG,
    Fault.POWER_BEFORE,
    Fault.POWER_MIDWAY,
    Fault.POWER_AFTER,
    Fault.HARDWARE,
    Fault.ERROR,
]
"""Faults that lose the instrument's memory, stop it, or leave an error unexplained."""


def _usable_again(emulated, chip) -> None:
    emulated.servers["scs"].faults.clear()
    emulated.rig.analyser._strike = None
    emulated.rig.analyser.cards.overloaded = False
    if emulated.servers["scs"].hung:
        emulated.servers["scs"].power_cycle()
    before = emulated.pulses_applied
    assert chip.read().shape == chip.shape
    assert chip.pulse(PROGRAM).pulses_applied == emulated.pulses_applied - before


def _off(emulated) -> None:
    assert not emulated.outputs_on
    assert emulated.hot_switches == 0
    assert emulated.chips["array"].witness.voltage <= 2.0
    assert emulated.chips["array"].witness.width <= 10e-6


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.DROP_REQUEST, Fault.HANG_UP])
def test_a_lost_execute_is_settled_by_the_tag(fault, small, twin_of):
    """What the link does is never a reason for doubt: the instrument tells."""
    twin = twin_of(small)
    with open_on_bench(small.bench) as chip:
        at = position(commands_of(small, chip, TRAINS), "execute")
        small.servers["scs"].faults.extend([None] * at + [Strike(fault, seconds=0.25)])
        assert chip.pulse(TRAINS).pulses_applied == TRAINS.total_pulses
        for _ in range(3):
            twin.pulse(TRAINS)
        assert np.array_equal(small.cells.conductance, twin.conductance)


def test_a_current_beyond_the_range_is_counted(small):
    with open_on_bench(small.bench) as chip:
        heard = commands_of(small, chip, PROGRAM)
        small.servers["scs"].faults.extend(
            [*[None] * heard.index(commands.EXECUTE), Fault.COMPLIANCE]
        )
        receipt = chip.pulse(PROGRAM)
        assert receipt.pulses_applied == PROGRAM.total_pulses
        assert receipt.clipped == 4  # every beat of the program
        assert chip.pulse(PROGRAM).clipped == 0


def test_what_the_rows_measured_may_be_lost_but_not_what_was_given(small, caplog):
    with open_on_bench(small.bench) as chip:
        heard = commands_of(small, chip, PROGRAM)
        assert heard[-2].startswith(":PMU:DATA:GET 2,")
        for fault in (Fault.DROP, Fault.POWER_AFTER):
            chip.pulse(PROGRAM)  # it is set up again
            before = small.pulses_applied
            small.servers["scs"].faults.extend([*[None] * (len(heard) - 2), fault])
            assert chip.pulse(PROGRAM).pulses_applied == small.pulses_applied - before
            assert "currents of a program are unknown" in caplog.text
            caplog.clear()


@pytest.mark.parametrize("fault", [None, Fault.HANG_UP])
def test_an_execution_that_does_not_show_at_once_is_not_played_again(fault, calm):
    """Idle, with the points of before, is what an instrument that is about to start says too."""
    with open_on_bench(calm.bench) as chip:
        at = position(commands_of(calm, chip, PROGRAM), "execute")
        before = calm.pulses_applied
        calm.rig.analyser.cards.lag = 6
        calm.servers["scs"].faults.extend([None] * at + [fault])
        assert chip.pulse(PROGRAM).pulses_applied == calm.pulses_applied - before
        assert calm.rig.analyser.cards.lag == 0


def test_an_acknowledged_execution_that_never_shows_is_in_doubt(small):
    with open_on_bench(small.bench) as chip:
        chip.pulse(PROGRAM)
        before = small.pulses_applied
        small.rig.analyser.cards.lag = 10**6
        with pytest.raises(
            InDoubtError, match="acknowledged, but its points do not come"
        ) as caught:
            chip.pulse(PROGRAM)
        assert caught.value.applied is None
        assert small.pulses_applied - before == PROGRAM.total_pulses
        small.rig.analyser.cards.lag = 0
        before = small.pulses_applied
        assert chip.pulse(PROGRAM).pulses_applied == small.pulses_applied - before


def test_an_execute_that_is_refused_is_not_played(small):
    with open_on_bench(small.bench) as chip:
        chip.pulse(PROGRAM)
        device, before = small.rig.analyser, small.pulses_applied
        device.cards.execute = lambda pulses: (_ for _ in ()).throw(RefusedError("No"))
        with pytest.raises(ReportedError, match=r"No \(-992\)"):
            chip.pulse(PROGRAM)
        assert small.pulses_applied == before


def test_faults_upon_faults_while_asking(small):
    with open_on_bench(small.bench) as chip:
        at = position(commands_of(small, chip, PROGRAM), "execute")
        before = small.pulses_applied
        small.servers["scs"].faults.extend([None] * at + [Fault.HANG_UP, Fault.DROP, Fault.GARBLE])
        receipt = chip.pulse(PROGRAM)
        assert receipt.pulses_applied == small.pulses_applied - before


@pytest.mark.parametrize("pulses", [1, 4, 7])
def test_hardware_that_stops_says_how_many_pulses_it_gave(pulses, small):
    with open_on_bench(small.bench) as chip:
        at = position(commands_of(small, chip, PROGRAM), "execute")
        before = small.pulses_applied
        small.servers["scs"].faults.extend([None] * at + [Strike(Fault.HARDWARE, pulses=pulses)])
        with pytest.raises(InDoubtError, match="Pulse card failure") as caught:
            chip.pulse(PROGRAM)
        assert caught.value.applied == small.pulses_applied - before >= pulses
        assert set(caught.value.cells) == {0, 1, 2, 3}


def test_a_part_that_fails_leaves_the_parts_before_it_known(small, monkeypatch):
    monkeypatch.setattr(lowering, "MOST_BEATS", 4)
    program = CellPulses(np.full((2, 2), 6))
    with open_on_bench(small.bench) as chip:
        heard = commands_of(small, chip, program)
        assert heard.count(commands.EXECUTE) == 3
        before = small.pulses_applied
        second = [k for k, text in enumerate(heard) if text == commands.EXECUTE][1]
        small.servers["scs"].faults.extend([None] * second + [Fault.ERROR])
        with pytest.raises(InDoubtError) as caught:
            chip.pulse(program)
        assert caught.value.applied == small.pulses_applied - before > 0


@pytest.mark.parametrize("fault", [Fault.HANG_UP, Fault.POWER_BEFORE, Fault.DROP, Fault.ERROR])
def test_a_read_is_repeated(fault, small):
    with open_on_bench(small.bench) as chip:
        chip.read()
        for at in (0, 9, 23):
            small.servers["scs"].faults.extend([None] * at + [fault])
            np.testing.assert_allclose(chip.read(), small.cells.conductance, rtol=0.1)
            small.servers["scs"].faults.clear()
    assert small.pulses_applied == 0


def test_power_lost_between_operations_is_made_good(small):
    with open_on_bench(small.bench) as chip:
        chip.pulse(PROGRAM)
        small.servers["scs"].power_cycle()
        chip.read()
        small.servers["scs"].power_cycle()
        before = small.pulses_applied
        assert chip.pulse(PROGRAM).pulses_applied == small.pulses_applied - before


def test_an_instrument_that_is_gone_is_an_error_and_nothing_hangs(small, caplog, monkeypatch):
    monkeypatch.setattr(visa, "_PAUSES", (0.0, 0.05))
    crossbar = open_on_bench(small.bench)
    crossbar.read()
    small.servers["scs"].close()
    with pytest.raises(InstrumentError, match="nothing of program 1 was applied"):
        crossbar.pulse(PROGRAM)
    crossbar.close()
    assert "could not be made safe" in caplog.text
    assert small.pulses_applied == 0


def test_a_stuck_output_is_said_and_comes_loose_with_the_power(small, caplog):
    with open_on_bench(small.bench) as chip:
        chip.pulse(PROGRAM)
        small.servers["scs"].faults.append(Fault.STUCK_OUTPUT)
    assert "PMU1-1, PMU1-2, PMU2-1, PMU2-2 does not say that it is off" in caplog.text
    assert small.outputs_on
    small.servers["scs"].power_cycle()
    _off(small)


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.HANG_UP, Fault.GARBLE, Fault.DUPLICATE])
def test_make_safe_comes_through_a_link_that_fails(fault, small):
    for at in (0, 5):
        with open_on_bench(small.bench) as chip:
            chip.pulse(PROGRAM)
            small.servers["scs"].faults.extend([None] * at + [fault])
        _off(small)


def test_ctrl_c_while_it_waits_leaves_the_next_program_right(small, monkeypatch):
    with open_on_bench(small.bench) as chip:
        chip.pulse(PROGRAM)
        whole = chip.scs.whole

        def interrupted(replies):
            whole(replies)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(chip.scs, "whole", interrupted)
            with pytest.raises(KeyboardInterrupt):
                chip.pulse(PROGRAM)
        before = small.pulses_applied
        assert before == 2 * PROGRAM.total_pulses
        assert chip.pulse(PROGRAM).pulses_applied == small.pulses_applied - before


def test_nobody_at_the_resource(small):
    small.servers["scs"].close()
    with pytest.raises(NotConnectedError, match="nobody answers"):
        open_on_bench(small.bench)
