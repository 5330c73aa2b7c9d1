"""The 64 channels: groups, clusters, masks, and how a bench file lists them.

Facts: libarc2, ``src/instrument.rs`` and ``src/registers.rs``. A cluster is 8 channels that share a
high-speed driver; half a cluster is 4 channels that share a converter instruction. The maker calls
channels 0-15 and 32-47 *rows* and means bit lines, the others *columns* and means word lines; the
bench file's rows and columns are the chip's, and either may hang on either group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

CHANNELS = 64
CLUSTER, CLUSTERS = 8, 8
HALF, HALVES = 4, 16
ALL = (1 << CHANNELS) - 1
"""The mask of all channels."""

GROUPS = (
    frozenset([*range(16), *range(32, 48)]),
    frozenset([*range(16, 32), *range(48, 64)]),
)
"""Bit lines and word lines. No cluster has channels of both."""

_RANGE = re.compile(r"(\d{1,2})(?:\.\.(\d{1,2}))?")


def mask_of(channels: Iterable[int]) -> int:
    """Channels as a mask: bit k is channel k."""
    mask = 0
    for channel in channels:
        mask |= 1 << int(channel)
    return mask


def channels_of(mask: int) -> Iterator[int]:
    """Channels of a mask, ascending."""
    return (channel for channel in range(mask.bit_length()) if mask >> channel & 1)


def clusters_of(channels: Iterable[int]) -> int:
    """The clusters that channels belong to, as a mask."""
    return mask_of(int(channel) // CLUSTER for channel in channels)


def expand(text: str) -> list[int]:
    """All channels of a list of channels and ranges, in order: ``"0..15, 32..47"``.

    A range may run down, as lines are interleaved on some sockets: ``15..0``.

    Raises:
        ValueError: not a channel, or one that is listed twice.
    """
    channels: list[int] = []
    for item in re.split(r"[,\s]+", text.strip()):
        match = _RANGE.fullmatch(item)
        if not match or any(int(end) >= CHANNELS for end in match.groups() if end):
            raise ValueError(f"{item!r} is not a channel 0 to 63, or a range as in 0..15")
        first, last = int(match[1]), int(match[2] or match[1])
        step = 1 if last >= first else -1
        channels += range(first, last + step, step)
    repeated = {c for c in channels if channels.count(c) > 1}
    if repeated:
        raise ValueError(f"channel {min(repeated)} is listed twice")
    return channels


def group_of(channels: Iterable[int]) -> int:
    """Which group all ``channels`` are in: 0 bit lines, 1 word lines.

    Raises:
        ValueError: they are in both.
    """
    groups = {int(channel in GROUPS[1]) for channel in channels}
    if len(groups) != 1:
        raise ValueError("lies in both groups of channels, 0..15, 32..47 and 16..31, 48..63")
    return groups.pop()
