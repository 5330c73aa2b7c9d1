"""Segment-arb sequences as the emulated instrument checks them when they are executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ohmloop.drivers.kxci.commands import RESOLUTION, SHORTEST

from .traces import Segments


class RefusedError(Exception):
    """The instrument will not do it; the text goes into its error register."""


def segments_of(arrays: Mapping[str, Sequence[float]], largest: float) -> Segments:
    """The arrays of a sequence, if they make one.

    Args:
        arrays: by the word of the command that set them.
        largest: voltage that the source range allows, V.

    Raises:
        RefusedError: they do not.
    """
    if not {"TIME", "STARTV", "STOPV"} <= set(arrays):
        raise RefusedError("A sequence lacks times or voltages")
    times = np.array([on_grid(value) for value in arrays["TIME"]], np.int64)
    start, stop = np.array(arrays["STARTV"]), np.array(arrays["STOPV"])
    zeros = [0.0] * times.size
    kinds, begins, ends = (arrays.get(f"MEAS:{w}", zeros) for w in ("TYPE", "START", "STOP"))
    if any(len(array) != times.size for array in (start, stop, kinds, begins, ends)):
        raise RefusedError("Arrays of a sequence differ in length")
    if times.min() < SHORTEST:
        raise RefusedError("A segment is too short")
    if max(np.abs(start).max(), np.abs(stop).max()) > largest:
        raise RefusedError("Voltage beyond the source range")
    if (start[1:] != stop[:-1]).any():
        raise RefusedError("Segments are not continuous")
    measured = np.array(kinds) == 1
    if not set(kinds) <= {0, 1}:
        raise RefusedError("Only spot means are emulated")
    window = np.array([[round(t * 1e9) for t in w] for w in zip(begins, ends, strict=True)])
    if (window[:, 1] > times).any() or (window[measured, 0] >= window[measured, 1]).any():
        raise RefusedError("Measure window outside its segment")
    return Segments(times, start, stop, measured, window)


def check_continuous(entries: Sequence[tuple[Segments, int]]) -> None:
    """Each sequence begins where the one before, itself when it loops, has ended."""
    after = [other for other, _ in entries[1:]]
    for (one, loops), follower in zip(entries, [*after, None], strict=True):
        followers = [f for f in (follower, one if loops > 1 else None) if f is not None]
        if any(one.stop[-1] != f.start[0] for f in followers):
            raise RefusedError("Sequences are not continuous")


def on_grid(seconds: float) -> int:
    """A time in ns, which must be on the instrument's grid."""
    ns = round(seconds * 1e9)
    if float(f"{ns}E-9") != seconds or ns % RESOLUTION:
        raise RefusedError("Time off the grid of 10 ns")
    return ns
