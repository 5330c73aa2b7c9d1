from __future__ import annotations

import pytest

from ohmloop.drivers.scpi.scpi_instrument import fields_of, number


@pytest.mark.parametrize("value", [*(10.0**e for e in range(-12, 4)), 1.23456789e-7, 0.1 + 0.2])
def test_numbers_are_sent_with_all_their_digits(value):
    assert float(number(value)) == value


def test_whole_numbers_and_flags_have_no_point():
    assert [number(v) for v in (3, True, False)] == ["3", "1", "0"]


@pytest.mark.parametrize(
    ("reply", "fields"),
    [
        ('+0,"No error"', ['+0,"No error"']),
        ('1;(@10101,20202);-113,"a;b"', ["1", "(@10101,20202)", '-113,"a;b"']),
        ("", []),
        ("1;;2", ["1", "", "2"]),
    ],
)
def test_replies_of_one_message_are_told_apart(reply, fields):
    assert fields_of(reply) == fields
