from __future__ import annotations


def say(emulated, *lines: str) -> str:
    return b"".join(emulated.rig.matrix.processor.line(line) for line in lines).decode()


def test_closing_adds_and_exclusive_closing_replaces(emulated):
    say(emulated, 'channel.close("1A01,1B02")', 'channel.close("2C03")')
    assert say(emulated, 'print(channel.getclose("allslots"))') == "1A01;1B02;2C03\n"
    say(emulated, 'channel.exclusiveclose("3H12")')
    assert say(emulated, 'print(channel.getclose("allslots"))') == "3H12\n"
    say(emulated, 'channel.exclusiveclose("")')
    assert say(emulated, 'print(channel.getclose("allslots"))') == "nil\n"


def test_slots_ranges_and_states(emulated):
    say(emulated, 'channel.close("1A01:1A03")', 'channel.open("1A02")')
    assert say(emulated, 'print(channel.getstate("1A01:1A04"))') == "1,0,1,0\n"
    say(emulated, 'channel.exclusiveslotclose("1B01")', 'channel.close("2A01")')
    assert say(emulated, 'print(channel.getclose("slot1"))') == "1B01\n"
    say(emulated, 'channel.open("slot1")')
    assert say(emulated, 'print(channel.getclose("allslots"))') == "2A01\n"


def test_nothing_moves_on_an_error_in_a_list(emulated):
    say(emulated, 'channel.close("1A01")', 'channel.close("1A02,7A01")')
    say(emulated, 'channel.close("allslots")', 'channel.open("1A13")')
    assert list(emulated.rig.matrix.closed) == ["1A01"]
    assert len(emulated.rig.matrix.processor.errors.entries) == 3


def test_forbidden_channels_open_and_stay_open(emulated):
    say(emulated, 'channel.close("1A01")', 'channel.setforbidden("1A01")')
    say(emulated, 'channel.close("1A01,1A02")')
    assert not emulated.rig.matrix.closed
    say(emulated, 'channel.clearforbidden("1A01")', 'channel.close("1A01")')
    assert list(emulated.rig.matrix.closed) == ["1A01"]


def test_relays_take_time_and_are_counted(emulated):
    clock = emulated.clock
    say(emulated, 'channel.close("1A01")')
    assert clock.now == 4e-3
    say(emulated, 'channel.close("1A01")')
    assert clock.now == 4e-3  # closed already
    say(emulated, 'channel.setdelay("1A02", 0.01)', 'channel.exclusiveclose("1A02")')
    assert clock.ns == 22_000_000  # break, then make with its extra delay
    assert say(emulated, 'print(channel.getcount("1A01,1A02"))') == "2,1\n"


def test_moving_relays_under_voltage_is_recorded(emulated):
    smu = emulated.rig.smu.processor
    say(emulated, 'channel.close("1A01,1H01")')
    smu.line("smua.source.levelv = 0.1 smua.source.output = 1")
    say(emulated, 'channel.open("allslots")')
    assert emulated.rig.fixture.hot_switches == 1
