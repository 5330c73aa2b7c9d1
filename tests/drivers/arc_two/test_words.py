"""Voltages as codes, readings as amperes."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers.arc_two.words import (
    LSB,
    ZERO,
    current_words,
    to_amperes,
    to_codes,
    to_line_volts,
    to_volts,
    voltage_words,
)


def test_codes_are_within_one_of_those_of_the_makers_library():
    """libarc2 0.6, ``src/macros.rs``: round((V + 10) / 3.05179e-4)."""
    volts = np.linspace(-9.9, 9.9, 9973)
    theirs = np.rint((volts + 10) / 3.05179e-4)
    assert np.abs(to_codes(volts) + ZERO - theirs).max() <= 1


def test_published_codes():
    """libarc2's examples use 0x8000 for 0 V and 0x8ccc for 1 V (its own rounding: 3276.7)."""
    assert to_codes(0.0) == 0
    assert abs(int(to_codes(1.0)) + ZERO - 0x8CCC) <= 1
    assert to_volts(2048) == 0.625


def test_a_code_never_goes_beyond_the_limit():
    assert to_volts(to_codes(0.3, 0.3)) <= 0.3
    assert to_volts(to_codes(-0.3, 0.3)) >= -0.3
    assert to_codes(0.3, 0.3) == int(0.3 / LSB)


def test_what_a_channel_cannot_make_is_refused():
    with pytest.raises(ValueError, match="less than 10 V"):
        to_codes([0.0, 10.0])


@pytest.mark.parametrize(
    ("word", "amperes"),
    [
        (0x82 << 24 | 1, 20.48 / 2**18 / 830),
        (0x90 << 24 | 1, 10.24 / 2**18 / 830),
        (0x84 << 24 | 1000, 1000 * 20.48 / 2**18 / 110e3),
        (0xA0 << 24 | 1000, 1000 * 10.24 / 2**18 / 110e3),
        (0x88 << 24 | 0x3FFFF, -20.48 / 2**18 / 15e6),
        (0xC0 << 24 | 0x3FFFF, -10.24 / 2**18 / 15e6),
        (0x88 << 24 | 0x1FFFF, np.inf),
        (0x88 << 24 | 0x20000, -np.inf),
        (0x00000001, np.nan),
        (0x81 << 24 | 1, np.nan),
    ],
)
def test_current_words(word, amperes):
    """Gains and signs as in libarc2, ``src/instrument.rs``; odd channels have the other sign."""
    words = np.full(64, word, np.uint32)
    found = to_amperes(words)
    assert np.allclose(found[::2], amperes, rtol=1e-15, equal_nan=True)
    assert np.allclose(found[1::2], -amperes, rtol=1e-15, equal_nan=True)


def test_the_gain_is_the_most_sensitive_that_holds():
    amperes = np.zeros(64)
    amperes[:6] = 1e-9, -6e-7, 8e-7, -9e-5, 1e-4, 11e-3
    words = current_words(amperes, np.arange(64) < 6)
    assert (words[:6] >> 24).tolist() == [0x88, 0x88, 0x84, 0x84, 0x82, 0x82]
    back = to_amperes(words)
    steps = 20.48 / 2**18 / np.array([15e6, 15e6, 110e3, 110e3, 830, 830])
    assert (np.abs(back[:6] - amperes[:6]) <= steps / 2 * 1.001).all()
    assert np.isnan(back[6:]).all()


def test_a_current_beyond_all_gains_is_no_number():
    amperes = np.zeros(64)
    amperes[:2] = 0.013, 0.013
    assert np.isinf(to_amperes(current_words(amperes, np.ones(64, bool)))[:2]).all()


def test_voltage_words():
    volts = np.linspace(-9, 9, 64)
    read = np.arange(64) != 7
    back = to_line_volts(voltage_words(volts, read))
    assert np.isnan(back[7])
    assert np.abs(back - volts)[read].max() <= 20.48 / 2**18 / 2 * 1.001
    assert np.isnan(to_line_volts(np.full(64, 0x01000005, np.uint32))).all()
    assert np.isnan(to_line_volts(np.full(64, 0x40000005, np.uint32))).all()
