"""Frames against published examples, and back.

The vectors are those of libarc2 0.6's documentation tests and unit tests (arc-instruments/libarc2,
commit 72f8c9f, ``src/instructions.rs`` and ``src/registers.rs``).
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.drivers.arc_two.channels import mask_of
from ohmloop.drivers.arc_two.flush import FlushBuilder
from ohmloop.drivers.arc_two.instructions import (
    AmpPrepare,
    Clear,
    CurrentRead,
    DacOffset,
    DacRange,
    Delay,
    FrameError,
    HighSpeedConfig,
    HighSpeedPulse,
    Instruction,
    Mode,
    ModifyChannel,
    SetDac,
    UpdateChannel,
    UpdateDac,
    UpdateLogic,
    UpdateSelector,
    VoltageRead,
    decode,
    encode,
)
from ohmloop.drivers.arc_two.operations import Pulses

ALL = (True,) * 4
MASK = mask_of([31, 0, 62])
EIGHT = [110, 0, 0, 0, 0, 0, 0, 0]
MODES = tuple(Mode.VOLTAGE if k in (3, 19) else Mode.KEEP for k in range(64))

GOLDEN: list[tuple[str, Instruction, list[int]]] = [
    (
        "reset the converters",
        SetDac.reset(),
        [0x1, 0xFFFF, 0x0, 0xF, *[0x80008000] * 5],
    ),
    (
        "set two half clusters",
        SetDac(0x3, ALL, ((0x0000, 0x8000), (0x8000, 0x8000), (0x8000, 0x9000), (0x9000, 0xFFFF))),
        [0x1, 0x3, 0x0, 0xF, 0x80000000, 0x80008000, 0x90008000, 0xFFFF9000, 0x80008000],
    ),
    (
        "channel 63 alone: the last word, the first bit",
        SetDac(0x8000, (False, False, False, True), (*[(0x8000, 0x8000)] * 3, (0x7000, 0x9000))),
        [0x1, 0x8000, 0x0, 0x1, 0x80008000, 0x80008000, 0x80008000, 0x90007000, 0x80008000],
    ),
    (
        "channel 22 alone",
        SetDac(
            0x20,
            (False, False, True, False),
            ((0x8000, 0x8000), (0x8000, 0x8000), (0x7000, 0x7000), (0x8000, 0x8000)),
        ),
        [0x1, 0x20, 0x0, 0x2, 0x80008000, 0x80008000, 0x70007000, 0x80008000, 0x80008000],
    ),
    (
        "three half clusters alike",
        SetDac(
            0xB,
            (True, True, True, False),
            ((0x8CCC, 0x8CCC), (0x8CCC, 0x8CCC), (0x6000, 0x7000), (0x8000, 0x8000)),
        ),
        [0x1, 0xB, 0x0, 0xE, 0x8CCC8CCC, 0x8CCC8CCC, 0x70006000, 0x80008000, 0x80008000],
    ),
    ("update converters", UpdateDac(), [0x2, *[0] * 7, 0x80008000]),
    (
        "read currents of 0, 31 and 62",
        CurrentRead(MASK, 0x60000000, 0x78000000, 0xCAFEBABE),
        [0x4, 0x40000000, 0x80000001, 0x60000000, 0x78000000, 0xCAFEBABE, 0, 0, 0x80008000],
    ),
    (
        "read voltages of 0, 31 and 62",
        VoltageRead(MASK, True, 0x60000000, 0x78000000, 0xCAFEBABE),
        [0x8, 0x40000000, 0x80000001, 1, 0x60000000, 0x78000000, 0xCAFEBABE, 0, 0x80008000],
    ),
    (
        "all logic lines out",
        UpdateLogic(0xFFFFFFFF, 0xF, True),
        [0x20, 0xFFFFFFFF, 0xF, 0, 0, 0, 0, 0, 0x80008000],
    ),
    (
        "all channels in voltage mode",
        UpdateChannel.of(range(64), Mode.VOLTAGE),
        [0x40, 0x73400000, 0, 0, *[0xAAAAAAAA] * 4, 0x80008000],
    ),
    ("clear", Clear(), [0x80, *[0] * 7, 0x80008000]),
    (
        "110 ns on cluster 0",
        HighSpeedConfig.of(EIGHT),
        [0x100, 0, 0, 0, 0, 0, 0, 0xA, 0x80008000],
    ),
    (
        "300 ns and 220 ns as stored",
        HighSpeedConfig((30, 22, 0, 0, 0, 0, 0, 0)),
        [0x100, 0, 0, 0, 0, 0, 0x1, 0x6000001E, 0x80008000],
    ),
    (
        "pulse cluster 0",
        HighSpeedPulse(0x01),
        [0x200, 0x00010000, 0, 0, 0, 0, 0, 0, 0x80008000],
    ),
    (
        "clusters 0 and 1",
        HighSpeedPulse(0x03),
        [0x200, 0x00030000, 0, 0, 0, 0, 0, 0, 0x80008000],
    ),
    (
        "falling and cancelled",
        HighSpeedPulse(0x01, 0x01, 0x01),
        [0x200, 0x00010101, 0, 0, 0, 0, 0, 0, 0x80008000],
    ),
    (
        "ground 0, capacitor 1, current source 2",
        ModifyChannel(0x1, 0x2, 0x4),
        [0x400, 0, 0, 1, 0, 2, 0, 4, 0x80008000],
    ),
    ("wait 1210 ns", Delay.of(1210), [0x2000, 0x2C, *[0] * 6, 0x80008000]),
    ("wait as short as can be", Delay.of(200), [0x2000, 0, *[0] * 6, 0x80008000]),
]


@pytest.mark.parametrize(
    ("instruction", "words"), [g[1:] for g in GOLDEN], ids=[g[0] for g in GOLDEN]
)
def test_published_examples(instruction, words):
    assert instruction.words() == words
    assert instruction.encode() == np.array(words, "<u4").tobytes()
    assert decode(instruction.encode()) == [instruction]


def test_two_channels_of_a_channel_update_as_published():
    """libarc2's mask of this update is [0x00000000, 0x00080008]: channels 3 and 19."""
    (back,) = decode(UpdateChannel(MODES).encode())
    assert isinstance(back, UpdateChannel)
    assert [k for k, mode in enumerate(back.modes) if mode is Mode.VOLTAGE] == [3, 19]


def test_long_waits_are_as_long_as_the_board_can():
    assert Delay.of(87_000_000_000).steps == 0xFFFFFFFF
    assert Delay.of(1210).nanoseconds == 1200
    assert Delay.of(0).nanoseconds == 320


def test_short_pulses_are_40_ns_and_none_stays_none():
    made = HighSpeedConfig.of([0, 1, 40, 50, 500_000_000, 0, 0, 0])
    assert made.widths == (0, 40, 40, 50, 500_000_000, 0, 0, 0)


masks = st.integers(0, 2**64 - 1)
words32 = st.integers(0, 2**32 - 1)
bytes8 = st.integers(0, 255)
codes = st.integers(0, 0xFFFF)
INSTRUCTION = st.one_of(
    st.builds(
        SetDac,
        st.integers(0, 0x3FFFF),
        st.tuples(*[st.booleans()] * 4),
        st.tuples(*[st.tuples(codes, codes)] * 4),
    ),
    st.builds(CurrentRead, masks, words32, words32, words32),
    st.builds(VoltageRead, masks, st.booleans(), words32, words32, words32),
    st.builds(UpdateSelector, words32),
    st.builds(UpdateLogic, words32, st.integers(0, 15), st.booleans()),
    st.builds(UpdateChannel, st.tuples(*[st.sampled_from(Mode)] * 64), words32),
    st.builds(HighSpeedConfig, st.tuples(*[st.integers(0, 2**28 - 1)] * 8)),
    st.builds(HighSpeedPulse, bytes8, bytes8, bytes8),
    st.builds(ModifyChannel, masks, masks, masks),
    st.builds(Delay, words32),
    st.builds(DacRange, masks, masks, words32, words32),
    st.builds(AmpPrepare, masks),
    st.sampled_from([UpdateDac(), Clear(), DacOffset()]),
)


@given(st.lists(INSTRUCTION, max_size=5))
def test_every_instruction_comes_back(instructions):
    data = encode(instructions)
    assert len(data) == 36 * len(instructions)
    assert decode(data) == instructions


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\0" * 35, "whole frames"),
        (b"\2" + b"\0" * 35, "ends in"),
        (np.array([3, *[0] * 7, 0x80008000], "<u4").tobytes(), "no instruction 0x3"),
    ],
)
def test_what_is_no_frame_is_refused(data, problem):
    with pytest.raises(FrameError, match=problem):
        decode(data)


def test_a_flush_of_pulses_frame_by_frame():
    """A row on channel 0 and a column on 16, one pulse of 2048 codes (0.625 V a half)."""
    levels = [0] * 64
    levels[0], levels[16] = 2048, -2048
    builder = FlushBuilder([0, 16])
    assert builder.pulse(Pulses(tuple(levels), 1000, 500, 1, 1)) is None
    names = [type(one).__name__ for one in builder.close().instructions]
    zero = ["SetDac", "UpdateDac", "Delay"]
    assert names == [
        *("SetDac", "UpdateDac", "DacRange", "Delay"),
        *("HighSpeedConfig", "HighSpeedPulse", "UpdateChannel", "ModifyChannel", "VoltageRead"),
        *("HighSpeedConfig", "HighSpeedPulse"),  # the column rests at its high output: set at 0 V
        *("SetDac", "SetDac", "UpdateDac", "Delay", "HighSpeedConfig", "HighSpeedPulse", "Delay"),
        *zero,
        *("ModifyChannel", "AmpPrepare", "Delay", "ModifyChannel", "UpdateChannel", "VoltageRead"),
    ]
