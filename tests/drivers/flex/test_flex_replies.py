from __future__ import annotations

import pytest

from ohmloop.drivers.flex.flex_replies import (
    GarbledError,
    read_data,
    read_error,
    read_integer,
    read_modules,
    read_number,
    read_outputs,
    read_run_mode,
)


def test_data_carry_status_channel_and_type():
    first, second = read_data("NAI+1.234567E-06,CEV-1.00000E+00")
    assert (first.status, first.slot, first.kind, first.value) == ("N", 1, "I", 1.234567e-6)
    assert (second.status, second.slot, second.kind, second.value) == ("C", 5, "V", -1.0)
    assert not first.missing
    assert read_data("VAI+199.9990E+99")[0].missing


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NAI",
        "NAI+1.234567E-0",
        "QAI+1.234567E-06",  # no such status
        "NZI+1.234567E-06",
        "NAQ+1.234567E-06",
        "+1.234567E-06",
        "NAI+1.234567E-06NAI+1.234567E-06",
        "NAI+1.2\x18\x15567E-06",
    ],
)
def test_anything_else_is_garbled(text):
    with pytest.raises(GarbledError):
        read_data(text)


def test_errors_are_read_by_their_code():
    assert read_error('+0,"No Error."') == (0, "No Error.")
    assert read_error('305,"Excess current in HPSMU.; SLOT1"')[0] == 305
    for text in ("0", '+0,"No Err', "", '+0,"a"\x15'):
        with pytest.raises(GarbledError):
            read_error(text)


def test_modules_by_slot():
    assert read_modules("B1511B,0;0,0;B1525A,1") == {1: "B1511B", 3: "B1525A"}
    with pytest.raises(GarbledError):
        read_modules("nonsense")


def test_switches_that_are_on():
    assert read_outputs("CL") == []
    assert read_outputs("CN1,501,1002") == [101, 501, 1002]
    with pytest.raises(GarbledError):
        read_outputs("CN")


def test_numbers_and_modes():
    assert read_integer(" +12 ") == 12
    assert read_run_mode("1,9") == (1, 9.0)
    assert read_number("+1.000000E+06") == 1e6
    assert read_run_mode("0") == (0, None)
    for bad in (
        lambda: read_integer("1.5"),
        lambda: read_run_mode("x"),
        lambda: read_number("1\x15"),
    ):
        with pytest.raises(GarbledError):
            bad()
