"""Numbers as the board has them: converter codes of voltages, and what a reading leaves in memory.

Facts: libarc2 0.6 (arc-instruments/libarc2, commit 72f8c9f), ``src/macros.rs`` for voltages and
``src/instrument.rs`` for readings. That library converts with a slope of 3.05179e-4 V from -10 V
on, which makes of 0x8000 a tenth of a millivolt; here 0x8000 is 0 V, as its register documentation
says, and a code is 20 V / 2^16. The two differ by one code at most.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

LSB = 20.0 / 65536
"""One code of a channel's converter on its +/-10 V range, V; a power of two times five: exact."""
ZERO = 0x8000
"""The code of 0 V."""
RANGE = 10.0
"""Largest magnitude of a channel on its standard range, V."""

Codes = NDArray[np.int64]
"""Converter codes relative to ``ZERO``: -32768 to 32767."""

_BITS = 18
_FULL = 1 << (_BITS - 1)
_WIDE, _NARROW = 20.48, 10.24  # V over all 2^18 codes
_OHMS: Mapping[int, tuple[float, float]] = {
    0x82: (_WIDE, 830.0),
    0x84: (_WIDE, 110e3),
    0x88: (_WIDE, 15e6),
    0x90: (_NARROW, 830.0),
    0xA0: (_NARROW, 110e3),
    0xC0: (_NARROW, 15e6),
}
"""Gain code -> volts over all codes, feedback resistance (ohm)."""
_READ_OK, _UNUSED = 0x80, 0x01


def to_codes(volts: ArrayLike, most: float = RANGE) -> Codes:
    """The nearest codes, never beyond ``most``.

    Args:
        volts: V.
        most: largest magnitude allowed, V.

    Raises:
        ValueError: beyond the converter's range.
    """
    wanted = np.asarray(volts, np.float64)
    if not (np.abs(wanted) < RANGE).all():
        raise ValueError(f"a channel makes less than {RANGE:g} V either way")
    limit = min(int(most / LSB), 32767)
    codes: Codes = np.clip(np.rint(wanted / LSB).astype(np.int64), -limit, limit)
    return codes


def to_volts(codes: ArrayLike) -> NDArray[np.float64]:
    """What codes relative to ``ZERO`` make, V."""
    volts: NDArray[np.float64] = np.asarray(codes, np.float64) * LSB
    return volts


def to_amperes(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Currents out of the channels.

    Args:
        words: ``(..., 64)``, one a channel.

    Returns:
        ``(..., 64)``, A; NaN where there is no reading, infinite where it is at full scale.
    """
    gains = words >> np.uint32(24)
    values = _signed(words)
    amperes = np.full(words.shape, np.nan)
    for gain, (volts, ohms) in _OHMS.items():
        mine = gains == gain
        amperes[mine] = volts * (values[mine] / (1 << _BITS)) / ohms
        full = mine & ((values >= _FULL - 1) | (values <= -_FULL))
        amperes[full] = np.copysign(np.inf, values[full])
    return amperes * _sides(words.shape)


def to_line_volts(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Voltages of the channels, as ``to_amperes``."""
    gains = words >> np.uint32(24)
    good = (gains & np.uint32(_READ_OK)).astype(bool) & (gains != _UNUSED)
    volts = _WIDE * (_signed(words) / (1 << _BITS))
    return np.where(good, volts, np.nan) * _sides(words.shape)


def current_words(
    amperes: NDArray[np.float64],
    read: NDArray[np.bool_],
    gains: tuple[int, ...] = (0x88, 0x84, 0x82),
) -> NDArray[np.uint32]:
    """What a board leaves in memory: the most sensitive gain that holds a current.

    Args:
        amperes: ``(64,)``, A.
        read: ``(64,)``, which channels were read.
        gains: gain codes to choose from, most sensitive first.
    """
    signed = amperes * _sides(amperes.shape)
    words = np.zeros(amperes.shape, np.uint32)
    for gain in reversed(gains):
        volts, ohms = _OHMS[gain]
        codes = np.rint(signed * ohms / volts * (1 << _BITS))
        fits = (np.abs(codes) < _FULL - 1) | (gain == gains[-1])
        words = np.where(fits, _packed(codes, gain), words)
    return np.where(read, words, 0).astype(np.uint32)


def voltage_words(volts: NDArray[np.float64], read: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """As ``current_words``, for a voltage reading."""
    codes = np.rint(volts * _sides(volts.shape) / _WIDE * (1 << _BITS))
    return np.where(read, _packed(codes, _READ_OK), _UNUSED << 24).astype(np.uint32)


def _packed(codes: NDArray[np.float64], gain: int) -> NDArray[np.uint32]:
    held = np.clip(codes, -_FULL, _FULL - 1).astype(np.int64) & ((1 << _BITS) - 1)
    return (held | (gain << 24)).astype(np.uint32)


def _signed(words: NDArray[np.uint32]) -> NDArray[np.int64]:
    values = (words & np.uint32((1 << _BITS) - 1)).astype(np.int64)
    return np.where(values >= _FULL, values - (1 << _BITS), values)


def _sides(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Odd channels are wired the other way round: their readings change sign."""
    return np.where(np.arange(shape[-1]) % 2, -1.0, 1.0)
