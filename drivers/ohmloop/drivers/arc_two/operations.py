"""What the driver asks of a board, whatever the port to it: measurements and pulses of whole lines.

Voltages are converter codes relative to 0 V, one for each of the 64 channels, so that what is asked
is exactly what is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .channels import CHANNELS, CLUSTER, CLUSTERS, mask_of

Levels = tuple[int, ...]
"""64 codes relative to 0 V."""

Routing = Literal["internal", "header"]
"""Where a daughterboard leads the channels: to its own socket, or to its headers."""

IDLE: Levels = (0,) * CHANNELS
"""All channels at 0 V."""
_OF_CLUSTER = tuple(slice(CLUSTER * k, CLUSTER * k + CLUSTER) for k in range(CLUSTERS))

LONGEST_FAST = 500_000_000
"""Longest pulse of the high-speed drivers, ns."""
SHORTEST_FAST = 40
"""Their shortest, ns."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Drive lines and measure what flows out of channels.

    Attributes:
        levels: of all channels.
        sensed: mask of the channels whose current is measured.
        settle: time between drive and measurement, ns.
    """

    levels: Levels
    sensed: int
    settle: int


@dataclass(frozen=True, slots=True)
class Pulses:
    """The same pulse on some lines, a number of times.

    Attributes:
        levels: of all channels during the pulse; 0 for those that do not fire. Within a cluster
            all that fire have the same sign.
        width: ns.
        rest: at 0 V after each, ns; at least.
        count: how often.
        cells: cells that get the full voltage each time.
    """

    levels: Levels
    width: int
    rest: int
    count: int
    cells: int

    @property
    def fast(self) -> bool:
        """Whether the high-speed drivers make it; longer pulses are made by the converters."""
        return self.width <= LONGEST_FAST

    @property
    def clusters(self) -> int:
        """Mask of clusters in which a channel fires."""
        return mask_of(k for k in range(CLUSTERS) if any(self.levels[_OF_CLUSTER[k]]))

    @property
    def falling(self) -> int:
        """Mask of clusters that fire below 0 V."""
        return mask_of(k for k in range(CLUSTERS) if min(self.levels[_OF_CLUSTER[k]]) < 0)
