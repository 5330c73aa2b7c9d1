"""Crosspoints by ranges: ``"1A01..1A12, 2A01..2A12"``, or ``"10101..10112"`` by channel number."""

from __future__ import annotations

import re
from collections.abc import Callable

_POINT = re.compile(r"([1-6])([A-H])(0[1-9]|[1-9][0-9])")
_CHANNEL = re.compile(r"([1-4])(0[1-9]|1[0-4])(0[1-9]|1[0-2])")


def expand(text: str) -> list[str]:
    """All crosspoints of a list of points and ranges, in order.

    A range runs over the columns of one slot and row, as in ``1A01..1A12``.

    Raises:
        ValueError: not a crosspoint, a range that goes backward or over rows, or a repetition.
    """
    return _expand(text, _point, "the columns of one slot and row")


def expand_channels(text: str) -> list[str]:
    """All channels of a list of channels and ranges, in order.

    A channel is card, input port, output port, as in ``10112``; a range runs over the outputs of
    one card and input, as in ``10101..10112``.

    Raises:
        ValueError: not a channel, a range that goes backward or over inputs, or a repetition.
    """
    return _expand(text, _channel, "the outputs of one card and input")


def _expand(text: str, check: Callable[[str], str], along: str) -> list[str]:
    points: list[str] = []
    for item in re.split(r"[,\s]+", text.strip()):
        first, dots, last = item.partition("..")
        points += _range(check(first), check(last), along) if dots else [check(first)]
    repeated = {p for p in points if points.count(p) > 1}
    if repeated:
        raise ValueError(f"{min(repeated)} is listed twice")
    return points


def _point(text: str) -> str:
    if not _POINT.fullmatch(text):
        raise ValueError(f"{text!r} is not a crosspoint: slot 1-6, row A-H, column, as in 1A01")
    return text


def _channel(text: str) -> str:
    if not _CHANNEL.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a channel: card 1-4, input 01-14, output 01-12, as in 10112"
        )
    return text


def _range(first: str, last: str, along: str) -> list[str]:
    head, start, stop = first[:-2], int(first[-2:]), int(last[-2:])
    if head != last[:-2] or stop < start:
        raise ValueError(f"{first}..{last} must run up {along}")
    return [f"{head}{column:02d}" for column in range(start, stop + 1)]
