"""The board's instructions as typed values, and as frames of nine 32-bit words and back.

A frame is an opcode, its payload, zeros, and the end word, little-endian. Facts, and the example
frames that the tests check against: libarc2 0.6, ``src/instructions.rs`` and ``src/registers.rs``.
A mask of channels here is an integer whose bit k is channel k; on the wire its high word goes
first.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self

from .channels import CHANNELS, CLUSTERS

WORDS = 9
FRAME = 4 * WORDS
"""Bytes a frame."""
END = 0x80008000
MOST_FRAMES = 2048
"""Frames that the board's buffer holds: most of one flush."""
AVAILABLE = 0xCAFEBABE
"""The flag that the maker's library has a reading leave when its values are there."""
SOURCE = 0x73400000
"""Source configuration of a channel update: no current source, its potentiometer at 11 kohm."""

_STRUCT = struct.Struct("<9I")
_NOTHING = (0,) * (WORDS - 2)
_LEVEL_BITS, _TIME_BITS = 2, 28
_OVERHEAD, _DELAY_STEP = 320, 20  # of a delay, ns
_SHORTEST, _DEAD, _PULSE_STEP = 40, 10, 10  # of a high-speed pulse, ns


class FrameError(ValueError):
    """Bytes that are no instruction."""


class Mode(IntEnum):
    """What a channel update does to a channel."""

    KEEP = 0
    OPEN = 1
    VOLTAGE = 2
    HIGH_SPEED = 3


class Instruction(ABC):
    """One frame."""

    opcode: ClassVar[int]

    @abstractmethod
    def payload(self) -> Sequence[int]:
        """The words after the opcode, as many as mean something."""

    @classmethod
    @abstractmethod
    def parse(cls, words: Sequence[int]) -> Self:
        """Back from the seven words between opcode and end."""

    def words(self) -> list[int]:
        """All nine words."""
        payload = self.payload()
        return [self.opcode, *payload, *_NOTHING[len(payload) :], END]

    def encode(self) -> bytes:
        """The frame."""
        return _STRUCT.pack(*self.words())


class _Bare(Instruction):
    """An instruction without payload."""

    def payload(self) -> Sequence[int]:
        """Nothing."""
        return ()

    @classmethod
    def parse(cls, words: Sequence[int]) -> Self:  # noqa: ARG003
        """Whatever follows means nothing."""
        return cls()


@dataclass(frozen=True, slots=True)
class SetDac(Instruction):
    """Prepare converter codes; they take effect with ``UpdateDac``.

    Attributes:
        halves: mask of half clusters that take them: bit k is channels 4k to 4k+3; bits 16 and 17
            are the auxiliary converters.
        lines: which of the four channels take theirs. (On the wire this mask runs backwards.)
        levels: four pairs of codes, low and high output.
    """

    halves: int
    lines: tuple[bool, bool, bool, bool]
    levels: tuple[tuple[int, int], ...]
    opcode: ClassVar[int] = 0x1

    def payload(self) -> Sequence[int]:
        """Half clusters, nothing, channels, four words of codes."""
        a, b, c, d = self.lines
        (e, f), (g, h), (i, j), (k, m) = self.levels
        words = f << 16 | e, h << 16 | g, j << 16 | i, m << 16 | k
        return self.halves, 0, 8 * a | 4 * b | 2 * c | d, *words

    @classmethod
    def parse(cls, words: Sequence[int]) -> Self:
        """All of it."""
        a, b, c, d = (bool(words[2] & (8 >> k)) for k in range(4))
        levels = tuple((word & 0xFFFF, word >> 16) for word in words[3:7])
        return cls(words[0], (a, b, c, d), levels)

    @classmethod
    def reset(cls) -> Self:
        """All channels to 0 V."""
        return cls(0xFFFF, (True,) * 4, ((0x8000, 0x8000),) * 4)


@dataclass(frozen=True, slots=True)
class UpdateDac(_Bare):
    """Let prepared codes take effect."""

    opcode: ClassVar[int] = 0x2


@dataclass(frozen=True, slots=True)
class CurrentRead(Instruction):
    """Measure currents into memory, 64 words, then write the flag.

    Attributes:
        channels: mask.
        address: of the 64 words.
        flag_address: of the flag.
        flag: what is written there.
    """

    channels: int
    address: int
    flag_address: int
    flag: int = AVAILABLE
    opcode: ClassVar[int] = 0x4
    where: ClassVar[int] = 3
    """Number of the word with the address; those with the flag's address and the flag follow."""

    def payload(self) -> Sequence[int]:
        """Mask, addresses, flag."""
        return *_halves(self.channels), self.address, self.flag_address, self.flag

    @classmethod
    def parse(cls, words: Sequence[int]) -> Self:
        """All of it."""
        return cls(_mask(words[:2]), *words[2:5])


@dataclass(frozen=True, slots=True)
class VoltageRead(Instruction):
    """Measure voltages into memory, as ``CurrentRead``; averaged it takes 320 us, else 10 us."""

    channels: int
    averaged: bool
    address: int
    flag_address: int
    flag: int = AVAILABLE
    opcode: ClassVar[int] = 0x8
    where: ClassVar[int] = 4

    def payload(self) -> Sequence[int]:
        """Mask, averaging, addresses, flag."""
        where = (self.address, self.flag_address, self.flag)
        return *_halves(self.channels), int(self.averaged), *where

    @classmethod
    def parse(cls, words: Sequence[int]) -> Self:
        """All of it."""
        return cls(_mask(words[:2]), bool(words[2]), *words[3:6])


@dataclass(frozen=True, slots=True)
class UpdateSelector(Instruction):
    """Selector outputs: a mask in the board's own order of bits."""

    bits: int
    opcode: ClassVar[int] = 0x10

    def payload(self) -> Sequence[int]:
        """The mask."""
        return (self.bits,)

    @classmethod
    def parse(cls, words: Sequence[int]) -> Self:
        """The mask."""
        return cls(words[0])


@dataclass(frozen=True, slots=True)
class UpdateLogic(Instruction):
    """Logic lines.

    Attributes:
        lines: mask of the 32.
        outputs: mask of the four groups of eight that are outputs.
        enabled: whether they are on. (On the wire that bit is inverted.)
    """

    lines: int
    outputs: int = 0xF
    enabled: bool = True
    opcode: ClassVar[int] = 0x20

    def payload(self) -> Sequence[int]:
        """Lines, then directions and enable."""
        return self.lines, self.outputs | (not self.enabled) << 4

    @classmethod
    def parse(cls, words: Sequence[int]) -> Self:
        """All of it."""
        return cls(words[0], words[1] & 0xF, not words[1] & 0x10)


@dataclass(frozen=True, slots=True)
class UpdateChannel(Instruction):
    """What drives each channel.

    Attributes:
        modes: 64 of them.
        source: the source configuration.
    """

    modes: tuple[Mode, ...]
    source: int = SOURCE
    opcode: ClassVar[int] = 0x40

    def payload(self) -> Sequence[int]:
        """Source, nothing, nothing, two bits a channel."""
        packed = sum(mode << (_LEVEL_BITS * k) for k, mode in enumerate(self.modes))
        return self.source, 0, 0, *_split(packed, 4)

    @classmethod
    def parse(cls, words: Sequence[int]) -> Self:
        """All of it."""
        packed = _join(words[3:7])
        modes = tuple(Mode(packed >> (_LEVEL_BITS * k) & 3) for k in range(CHANNELS))
        return cls(modes, words[0])

    @classmethod
    def of(cls, channels: Iterable[int], mode: Mode) -> Self:
        """Some channels in one mode, the others as they are."""
        chosen = set(channels)
        return cls(tuple(mode if k in chosen else Mode.KEEP for k in range(CHANNELS)))


@dataclass(frozen=True, slots=True)
class Clear(_Bare):
    """The hardware's default state."""

    opcode: ClassVar[int] = 0x80


@dataclass(frozen=True, slots=True)
class HighSpeedConfig(Instruction):
    """Widths of high-speed pulses.

    Attributes:
        steps: of 10 ns, one for each cluster, as stored: the pulse is one step longer; 0 is a
            change of level that stays.
    """

    steps: tuple[int, ...]
    opcode: ClassVar[int] = 0x100

    def payload(self) -> Sequence[int]:
        """28 bits a cluster, cluster 0 last."""
        return _split(sum(step << (_TIME_BITS * k) for k, step in enumerate(self.steps)), 7)

    @classmethod
    def parse(cls, words: Sequence[int]) -> Self:
        """All of it."""
        packed, most = _join(words), (1 << _TIME_BITS) - 1
        return cls(tuple(packed >> (_TIME_BITS * k) & most for k in range(CLUSTERS)))

    @classmethod
    def of(cls, widths: Sequence[int]) -> Self:
        """From widths in ns: 0, or rounded up to 40 ns."""
        made = (max(width, _SHORTEST) - _DEAD if width else 0 for width in widths)
        return cls(tuple(ns // _PULSE_STEP for ns in made))

    @property
    def widths(self) -> tuple[int, ...]:
        """The pulses' widths, ns."""
        return tuple(step * _PULSE_STEP + _DEAD if step else 0 for step in self.steps)


@dataclass(frozen=True, slots=True)
class HighSpeedPulse(Instruction):
    """Pulse all channels of some clusters, as configured.

    Attributes:
        clusters: mask of those that pulse.
        falling: mask of those that rest at their high output and pulse to the low one.
        cancelled: mask of those that end on a 10 Mohm resistor after a change of level.
    """

    clusters: int
    falling: int = 0
    cancelled: int = 0
    opcode: ClassVar[int] = 0x200

    def payload(self) -> Sequence[int]:
        """One word."""
        return (self.clusters << 16 | self.falling << 8 | self.cancelled,)

    @classmethod
    def parse(cls, words: Sequence[int]) -> Self:
        """All of it."""
        return cls(words[0] >> 16 & 0xFF, words[0] >> 8 & 0xFF, words[0] & 0xFF)


@dataclass(frozen=True, slots=True)
class ModifyChannel(Instruction):
    """Connect channels to ground; those not named are released.

    Attributes:
        ground: mask.
        capacitive: mask, to ground over a capacitor.
        current_source: mask.
    """

    ground: int
    capacitive: int = 0
    current_source: int = 0
    opcode: ClassVar[int] = 0x400

    def payload(self) -> Sequence[int]:
        """Nothing, then three masks."""
        masks = (self.ground, self.capacitive, self.current_source)
        return 0, *(word for mask in masks for word in _halves(mask))

    @classmethod
    def parse(cls, words: Sequence[int]) -> Self:
        """All of it."""
        return cls(_mask(words[1:3]), _mask(words[3:5]), _mask(words[5:7]))


@dataclass(frozen=True, slots=True)
class DacOffset(_Bare):
    """Converter offsets; the board does nothing with it yet."""

    opcode: ClassVar[int] = 0x1000


@dataclass(frozen=True, slots=True)
class Delay(Instruction):
    """Wait.

    Attributes:
        steps: of 20 ns, beyond the 320 ns that the instruction itself takes.
    """

    steps: int
    opcode: ClassVar[int] = 0x2000

    def payload(self) -> Sequence[int]:
        """The steps."""
        return (self.steps,)

    @classmethod
    def parse(cls, words: Sequence[int]) -> Self:
        """The steps."""
        return cls(words[0])

    @classmethod
    def of(cls, nanoseconds: int) -> Self:
        """From ns, rounded down to a step; at least 320 ns."""
        return cls(min(max(nanoseconds - _OVERHEAD, 0) // _DELAY_STEP, 0xFFFFFFFF))

    @property
    def nanoseconds(self) -> int:
        """How long it takes in all."""
        return self.steps * _DELAY_STEP + _OVERHEAD


@dataclass(frozen=True, slots=True)
class DacRange(Instruction):
    """Ranges of converters: +/-10 V, or +/-20 V where ``wide`` has a bit.

    Attributes:
        channels: mask of those concerned.
        wide: mask.
        auxiliary: mask of the auxiliary converters concerned.
        auxiliary_wide: mask.
    """

    channels: int
    wide: int = 0
    auxiliary: int = 0
    auxiliary_wide: int = 0
    opcode: ClassVar[int] = 0x4000

    def payload(self) -> Sequence[int]:
        """Auxiliary mask, mask, auxiliary ranges, ranges."""
        ranges = (self.auxiliary_wide, *_halves(self.wide))
        return self.auxiliary, *_halves(self.channels), *ranges

    @classmethod
    def parse(cls, words: Sequence[int]) -> Self:
        """All of it."""
        return cls(_mask(words[1:3]), _mask(words[4:6]), words[0], words[3])


@dataclass(frozen=True, slots=True)
class AmpPrepare(Instruction):
    """Connect feedback resistors gently, before a channel drives a voltage or is read."""

    channels: int
    opcode: ClassVar[int] = 0x10000

    def payload(self) -> Sequence[int]:
        """The mask."""
        return _halves(self.channels)

    @classmethod
    def parse(cls, words: Sequence[int]) -> Self:
        """The mask."""
        return cls(_mask(words[:2]))


INSTRUCTIONS: Mapping[int, type[Instruction]] = {
    kind.opcode: kind
    for kind in (
        *(SetDac, UpdateDac, CurrentRead, VoltageRead, UpdateSelector, UpdateLogic),
        *(UpdateChannel, Clear, HighSpeedConfig, HighSpeedPulse, ModifyChannel, DacOffset),
        *(Delay, DacRange, AmpPrepare),
    )
}
"""By opcode."""


def encode(instructions: Iterable[Instruction]) -> bytes:
    """Frames, one after the other. An object that comes again is encoded once."""
    frames: dict[int, bytes] = {}
    known = list(instructions)  # held, so that no other object gets the number of one
    for one in known:
        if id(one) not in frames:
            frames[id(one)] = one.encode()
    return b"".join([frames[id(one)] for one in known])


def decode(data: bytes) -> list[Instruction]:
    """Instructions of whole frames.

    Raises:
        FrameError: half a frame, a frame that does not end, or an unknown opcode.
    """
    if len(data) % FRAME:
        raise FrameError(f"{len(data)} bytes are no whole frames of {FRAME}")
    return [_decode(words) for words in _STRUCT.iter_unpack(data)]


def _decode(words: tuple[int, ...]) -> Instruction:
    if words[-1] != END:
        raise FrameError(f"a frame that ends in {words[-1]:#010x}")
    if words[0] not in INSTRUCTIONS:
        raise FrameError(f"no instruction {words[0]:#x}")
    return INSTRUCTIONS[words[0]].parse(words[1:-1])


def _halves(mask: int) -> tuple[int, int]:
    return mask >> 32, mask & 0xFFFFFFFF


def _mask(words: Sequence[int]) -> int:
    return words[0] << 32 | words[1]


def _split(value: int, count: int) -> list[int]:
    return [value >> (32 * k) & 0xFFFFFFFF for k in reversed(range(count))]


def _join(words: Sequence[int]) -> int:
    value = 0
    for word in words:
        value = value << 32 | word
    return value
