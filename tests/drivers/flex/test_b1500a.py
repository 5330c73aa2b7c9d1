"""The driver against its emulator, over a socket."""

from __future__ import annotations

import pytest

from ohmloop.drivers import NotConnectedError, ReportedError, WrongInstrumentError, load_bench
from ohmloop.drivers.flex.b1500a import B1500A
from ohmloop.drivers.opening import open_on_bench


@pytest.fixture
def analyser(emulated):
    device = B1500A.connect(emulated.bench, "analyser")
    yield device
    device.close()


def test_identity_and_modules(analyser):
    assert "B1500A" in analyser.identity
    assert analyser.modules == {1: "B1511B", 5: "B1525A"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("{smu: 2, spgu: 501}", r"nothing in slot 2, where options.smu wants .* have one: 1"),
        ("{smu: 5}", "B1525A in slot 5"),
        ("{smu: 1, spgu: 501, wgfmu: {channel: 301}}", r"nothing in slot 3, .*wgfmu wants B1530A"),
        ("{smu: 1, spgu: 601}", r"nothing in slot 6, where options.spgu wants B1525A"),
    ],
)
def test_a_module_that_is_not_in_its_slot_is_refused(write, emulated, options, says):
    resource = emulated.servers["analyser"].resource
    text = write().read_text().replace("{smu: 1, spgu: 501}", options)
    if "spgu" not in options:
        text = text.replace("pulses: spgu\n      pulse_rows: 10301..10304\n", "pulses: smu\n")
        text = text.replace("width: 100 us", "width: 1 ms").replace("rest: 100 us", "rest: 4 ms")
    path = emulated.bench.path
    path.write_text(text)
    with pytest.raises(WrongInstrumentError, match=says):
        B1500A.connect(load_bench(path).with_resources({"analyser": resource}), "analyser")


def test_another_instrument_is_refused_by_name(write, emulated):
    swapped = {"analyser": emulated.servers["matrix"].resource}
    with pytest.raises((WrongInstrumentError, NotConnectedError), match=r"analyser .*B2200A"):
        B1500A.connect(load_bench(write()).with_resources(swapped), "analyser")


def test_nobody_answers(write):
    bench = load_bench(write()).with_resources({"analyser": "TCPIP0::127.0.0.1::9::SOCKET"})
    with pytest.raises(NotConnectedError, match=r"analyser .*nobody answers"):
        open_on_bench(bench)


def test_errors_are_drained_and_told_all(analyser):
    analyser.check_errors()
    analyser.transport.write("NONSENSE;DV 1,20,99,1E-3;VAR 0,1,X;AB 1")
    with pytest.raises(ReportedError, match=r"100, .*120, .*102, .*103") as caught:
        analyser.check_errors()
    assert caught.value.code == 100
    analyser.check_errors()


def test_many_commands_are_packed_into_lines_that_the_input_buffer_holds(analyser):
    before = analyser.transport.traffic.messages
    analyser.obey(*[f"VAR 0,{k},{k}" for k in range(1, 60)])
    assert analyser.transport.traffic.messages - before == 3
    assert [analyser.variable(k) for k in (1, 30, 59)] == [1, 30, 59]


def test_a_lost_memory_is_noticed(analyser, emulated):
    analyser.configure()
    assert analyser.remembers()
    emulated.servers["analyser"].power_cycle()
    assert not analyser.remembers()
    analyser.configure()
    assert analyser.remembers()
    analyser.transport.write("*RST")
    assert not analyser.remembers()


def test_coming_back_aborts_nothing(analyser, emulated):
    analyser.obey("CN 501", "SPPER 1E-3", "SPT 501,1,0,1E-4,2E-8", "SPV 501,1,0,1.5")
    analyser.obey("SER 501,1E6", "SPUPD 501", "SPRM 1,1000", "SRP")
    analyser.come_back()
    assert emulated.rig.analyser.spgu.active
    analyser.make_safe()
    assert not emulated.rig.analyser.spgu.active
    assert not emulated.outputs_on


def test_clear_status_is_never_sent(emulated, chip):
    """It is unknown to the instrument, and an error left in the queue shuts the WGFMU out."""
    seen: list[bytes] = []
    message = emulated.rig.analyser.message
    emulated.rig.analyser.message = lambda data: seen.append(data) or message(data)
    chip.read()
    chip.make_safe()
    assert seen
    assert not any(b"*CLS" in data.upper() for data in seen)
