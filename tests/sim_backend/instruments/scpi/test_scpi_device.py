"""The SCPI processor: headers, paths, replies, errors, registers, framing."""

from __future__ import annotations

import pytest

from ohmloop.sim_backend.instruments.faults import Fault, Strike
from ohmloop.sim_backend.instruments.scpi.scpi_device import ScpiDevice
from ohmloop.sim_backend.instruments.scpi.scpi_parameters import Choice, Flag, Number, Setting
from ohmloop.sim_backend.instruments.scpi.scpi_text import channels_in, scpi_lines, split


class Thing(ScpiDevice):
    queue_size = 3

    def __init__(self) -> None:
        super().__init__("Keysight Technologies,T1,0,1", options="064")
        header = "[:SOURce<1>]:VOLTage[:LEVel][:IMMediate]"
        self.level = self.setting(header, Setting(Number(-10, 10), 0.0))
        self.setting("[:SOURce<1>]:VOLTage:RANGe", Setting(Number(0, 10), 2.0))
        self.setting(":SOURce<2>:VOLTage", Setting(Number(-1, 1), 0.0))
        self.setting("[:SOURce<1>]:FUNCtion[:SHAPe]", Setting(Choice(("DC", "PULSe")), "DC"))
        self.setting(":OUTPut[:STATe]", Setting(Flag(), 0.0))
        self.command(":DATA", get=lambda _: b"#15a;\nb;")


@pytest.fixture
def thing() -> Thing:
    return Thing()


def say(thing: ScpiDevice, text: str) -> str:
    return thing.message(text.encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        ":SOUR:VOLT",
        "sour1:volt",
        "VOLTAGE:LEVEL:IMMEDIATE",
        ":SOURce1:VOLTage:LEV",
        "volt:imm",
    ],
)
def test_short_and_long_headers_and_optional_nodes(thing, header):
    again = header.removeprefix(":")
    assert say(thing, f"{header} 1.5;:{again}?") == "+1.500000E+00\n"


@pytest.mark.parametrize("header", ["VOLTA", ":SOUR3:VOLT", ":VOL", "SOUR:OUTP", ":SOUR2:VOLT:LEV"])
def test_other_headers_are_undefined(thing, header):
    assert say(thing, f"{header} 1") == ""
    assert say(thing, ":SYST:ERR?") == '-113,"Undefined header"\n'


def test_a_command_goes_on_from_the_path_before_it(thing):
    assert say(thing, "SOUR:VOLT:RANG 5;LEV 3;*OPC;:SOUR:VOLT:RANG?;LEV?") == (
        "+5.000000E+00;+3.000000E+00\n"
    )
    say(thing, "VOLT:RANG 5;OUTP 1")  # :VOLT:OUTP is nothing
    assert thing.errors.popleft() == -113
    assert say(thing, "VOLT:RANG 5;:OUTP ON;:OUTP?") == "1\n"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("VOLT 11", -222),
        ("VOLT", -109),
        ("VOLT 1,2", -108),
        ("VOLT abc", -104),
        ("FUNC SIN", -224),
        ("OUTP MAYBE", -224),
        ("*ESE 256", -222),
        ("*NOPE", -113),
        (":DATA 1", -113),
    ],
)
def test_what_is_refused_changes_nothing_and_says_why(thing, command, code):
    say(thing, command)
    assert thing.errors.popleft() == code
    assert (thing.level.value, thing.event_enable) == (0.0, 0)


def test_a_command_error_ends_the_message_an_execution_error_does_not(thing):
    assert say(thing, "VOLT 11;*OPC?") == "1\n"
    assert say(thing, "NOPE;*OPC?") == ""


def test_a_full_queue_ends_in_an_overflow(thing):
    for _ in range(5):
        say(thing, "VOLT 11")
    codes = [say(thing, "SYST:ERR?").split(",")[0] for _ in range(4)]
    assert codes == ["-222", "-222", "-350", "+0"]


def test_status_registers(thing):
    assert say(thing, "*ESR?") == "128\n"  # power-on
    say(thing, "NOPE")
    say(thing, "*ESE 32;*SRE 255")
    assert say(thing, "*STB?;*ESR?;*STB?") == "100;32;68\n"
    assert say(thing, "*SRE?;*OPT?") == "191;064\n"
    say(thing, "*RST;*CLS")
    assert say(thing, "*ESE?;*STB?") == "32;0\n"  # neither touches the enable registers
    thing.power_cycle()
    assert say(thing, "*ESE?;*ESR?") == "0;128\n"


def test_an_injected_error_is_in_the_queue(thing):
    thing.strike(Strike(Fault.ERROR))
    assert say(thing, ":SYST:ERR?") == '-310,"System error"\n'


def test_blocks_in_replies_and_messages_are_data(thing):
    assert thing.message(b":DATA?;*OPC?") == b"#15a;\nb;;1\n"
    data = b'FIRST\nX #15a\nb;c;Y "q"\n:LAST #3'
    assert scpi_lines(data) == ([b"FIRST", b'X #15a\nb;c;Y "q"'], b":LAST #3")
    assert scpi_lines(b"X #15a\n") == ([], b"X #15a\n")
    assert scpi_lines(b"N #HFF\n\nM\n") == ([b"N #HFF", b"M"], b"")


def test_separators_inside_quotes_lists_and_blocks_do_not_separate():
    assert split('A "x;y";B (@1;2);C #13;;;;D', ";") == ['A "x;y"', "B (@1;2)", "C #13;;;", "D"]


def test_channel_lists():
    assert channels_in("(@10101:10103,20201)") == ["10101", "10102", "10103", "20201"]
    for text in ("10101", "(@)", "(@10103:10101)", "(@a)"):
        with pytest.raises(ValueError, match=r".*"):
            channels_in(text)


def test_minimum_maximum_and_default(thing):
    assert say(thing, "VOLT MAX;VOLT?;VOLT? MIN") == "+1.000000E+01;-1.000000E+01\n"
