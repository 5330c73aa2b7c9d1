"""The instrument driver by itself, over a socket."""

from __future__ import annotations

import pytest

from ohmloop.drivers import LinkError, ReportedError
from ohmloop.drivers.kxci import commands
from ohmloop.drivers.kxci.commands import Measure, Mode
from ohmloop.drivers.kxci.keithley4200a import Keithley4200A, SmuReading
from ohmloop.drivers.kxci.options import whole_nanoseconds
from ohmloop.sim_backend.instruments.faults import Fault


@pytest.fixture
def scs(calm):
    instrument = Keithley4200A.connect(calm.bench, "scs")
    yield instrument
    instrument.close()


@pytest.fixture
def hasty(small):
    instrument = Keithley4200A.connect(small.bench, "scs")
    yield instrument
    instrument.close()


def test_it_says_who_it_is_and_what_it_has(scs):
    assert scs.identity.startswith("KEITHLEY")
    assert scs.cards() == {1, 2}
    scs.reset()
    scs.check_errors()


def test_an_error_is_known_by_its_number_and_is_cleared(scs):
    with pytest.raises(ReportedError, match=r"to :PMU:LOAD 1") as caught:
        scs.tell([commands.load(1, 1e6)])
    assert caught.value.code == -992
    scs.check_errors()
    with pytest.raises(ReportedError, match="Unrecognized") as caught:
        scs.tell(["NONSENSE"])
    assert caught.value.code == -992


def test_smu_user_mode(scs):
    with pytest.raises(ReportedError, match="user mode"):
        scs.tell([commands.smu_voltage(1, 1, 5.0, 1e-2)])
    lines = [commands.USER_MODE, commands.integration(2), commands.smu_voltage(1, 1, 5.0, 1e-2)]
    scs.tell(lines)
    assert scs.measure_current(1) == SmuReading("N", 5e-6)
    scs.tell([commands.smu_voltage(1, 1, -5.0, 1e-6)])
    assert scs.measure_current(1) == SmuReading("C", -1e-6)  # this one is in compliance
    assert scs.measure_current(2) == SmuReading("T", 0.0)  # another one is
    scs.tell([commands.smu_off(1)])
    assert scs.measure_current(1) == SmuReading("N", 0.0)


def test_standard_pulse_trains(calm, scs):
    """Two up pulses on the row, columns at 0 V: both cells of the row see all of it."""
    lines = [commands.initialise(Mode.PULSE), commands.measure_mode(Measure.SPOT_MEAN)]
    for channel in (1, 3, 4):
        lines += [
            commands.use_rpm(channel),
            commands.pulse_train(channel, 0.0, 1.5 if channel == 1 else 0.0),
            commands.pulse_times(channel, 10_000, 1_000, 100, 100),
            commands.output(channel, True),
        ]
    scs.tell([*lines, commands.burst_count(2), commands.EXECUTE])
    assert scs.exchange([commands.STATUS, commands.STATUS]) == ["1", "0"]
    assert calm.cells.pulses.tolist() == [2, 2, 0, 0]
    (points,) = scs.points([(1, 0, 2)])
    assert [point.volts for point in points] == [1.5, 1.5]
    assert [point.status for point in points] == [0, 0]
    scs.outputs_off([1, 2, 3, 4])
    assert not calm.outputs_on


@pytest.mark.parametrize("fault", [Fault.DUPLICATE, Fault.DROP, Fault.GARBLE])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_reply_too_many_or_too_few_is_never_taken_for_another(fault, at, small, hasty):
    small.servers["scs"].faults.extend([None] * at + [fault])
    lines = [commands.IDENTIFY, commands.OPTIONS]
    expected = hasty.identity, "SMU1"
    replies = None
    try:
        replies = hasty.exchange(lines)
    except LinkError:
        replies = hasty.exchange(lines)
    if fault is not Fault.GARBLE:  # texts have no form by which damage could be told
        assert replies[0] == expected[0]
        assert replies[1].startswith(expected[1])
    assert hasty.exchange([commands.IDENTIFY]) == [hasty.identity]


def test_a_garbled_acknowledgement_is_no_acknowledgement(small, hasty):
    small.servers["scs"].faults.append(Fault.GARBLE)
    with pytest.raises(LinkError, match="garbled reply"):
        hasty.tell([commands.CLEAR_BUFFER])


def test_times_are_whole_steps():
    assert whole_nanoseconds(1e-6) == 1000
    for value in (1e-8, 1.005e-6, 1.0000001e-6):
        with pytest.raises(ValueError, match="steps of 10 ns"):
            whole_nanoseconds(value)
