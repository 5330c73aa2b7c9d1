"""Crosspoints by ranges: ``"1A01..1A12, 2A01..2A12"``."""

from __future__ import annotations

import re

_POINT = re.compile(r"([1-6])([A-H])(0[1-9]|[1-9][0-9])")


def expand(text: str) -> list[str]:
    """All crosspoints of a list of points and ranges, in order.

    A range runs over the columns of one slot and row, as in ``1A01..1A12``.

    Raises:
        ValueError: not a crosspoint, a range that goes backward or over rows, or a repetition.
    """
    points: list[str] = []
    for item in re.split(r"[,\s]+", text.strip()):
        first, dots, last = item.partition("..")
        points += _range(first, last) if dots else [_point(first)]
    repeated = {p for p in points if points.count(p) > 1}
    if repeated:
        raise ValueError(f"{min(repeated)} is listed twice")
    return points


def _point(text: str) -> str:
    if not _POINT.fullmatch(text):
        raise ValueError(f"{text!r} is not a crosspoint: slot 1-6, row A-H, column, as in 1A01")
    return text


def _range(first: str, last: str) -> list[str]:
    _point(first), _point(last)
    start, stop = int(first[2:]), int(last[2:])
    if first[:2] != last[:2] or stop < start:
        raise ValueError(f"{first}..{last} must run up the columns of one slot and row")
    return [f"{first[:2]}{column:02d}" for column in range(start, stop + 1)]
