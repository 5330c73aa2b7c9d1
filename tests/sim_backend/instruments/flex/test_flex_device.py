"""FLEX as a language: what a driver can notice."""

from __future__ import annotations

import pytest

from ohmloop.sim_backend.instruments.flex.flex_device import FlexDevice, FlexError


class Device(FlexDevice):
    identity = "Keysight Technologies,B1500A,1,2"

    def __init__(self) -> None:
        super().__init__()
        self.got: list[tuple[float, ...]] = []
        self.handlers["DO"] = (lambda *v: self.got.append(v), 1, 2)
        self.handlers["NO"] = (self.refuse, 0, 0)
        self.handlers["GIVE"] = (lambda v: self.put(f"{v:g}"), 1, 1)
        self.handlers["SAY?"] = (lambda v=0.0: f"{v:g}", 0, 1)

    def refuse(self) -> None:
        raise FlexError(200)


@pytest.fixture
def device() -> Device:
    return Device()


def error(device: Device) -> str:
    return device.message(b"ERRX?\r").decode()


def test_commands_of_a_line_are_carried_out_in_order(device):
    assert device.message(b"do 1 ; DO2,-3E-1;;dO +4.\r") == b""
    assert device.got == [(1.0,), (2.0, -0.3), (4.0,)]
    assert error(device) == '+0,"No Error."\r\n'


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"NONSENSE", 100),
        (b"*CLS", 100),
        (b"?", 100),
        (b"DO 1,X", 102),
        (b"DO 1,", 102),
        (b"DO", 103),
        (b"DO 1,2,3", 103),
        (b"NO", 200),
        (b"DO 1;" * 60, 150),
    ],
)
def test_what_is_refused_is_an_error_by_code_and_does_nothing(device, line, code):
    assert device.message(line) == b""
    assert device.got == []
    assert int(error(device).split(",")[0]) == code
    assert error(device).startswith("+0,")


def test_the_rest_of_a_line_goes_on_after_an_error(device):
    device.message(b"NONSENSE;DO 1")
    assert device.got == [(1.0,)]


def test_the_query_buffer_holds_one_reply(device):
    assert device.message(b"SAY? 1;SAY? 2") == b"2\r\n"


def test_data_come_before_the_reply_and_once(device):
    assert device.message(b"GIVE 1;SAY? 7;GIVE 2") == b"1,2\r\n7\r\n"
    assert device.message(b"SAY?") == b"0\r\n"
    assert device.message(b"GIVE 1;NUB?;BC") == b"1\r\n"


def test_errors_queue_up_and_are_read_in_three_ways(device):
    device.message(b"NONSENSE;DO;NO")
    assert device.message(b"*STB?") == b"48\r\n"
    assert device.message(b"ERRX? 1") == b"+100\r\n"
    assert device.message(b"EMG? 103") == b"Incorrect terminator position.\r\n"
    assert device.message(b"ERR?") == b"103,200,0,0\r\n"
    assert device.message(b"*STB?") == b"16\r\n"


def test_the_queue_has_an_end(device):
    for _ in range(50):
        device.message(b"NO")
    assert sum(not error(device).startswith("+0,") for _ in range(60)) == 30
