"""What can go wrong on the line to an emulated board, or with its power; for tests and demos."""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """One fault; happens once, to the next request or its reply."""

    DROP_REQUEST = "the request never arrives"
    DROP = "the reply never arrives"
    GARBLE = "a byte of the reply flips"
    DUPLICATE = "the reply arrives twice"
    TRUNCATE = "the reply is cut in half"
    POWER_BEFORE = "the board loses its power before it reads the request"
    POWER_MIDWAY = "the board loses its power half-way through a program"
    HARDWARE = "a program stops half-way, and the board says so"
    POWER_AFTER = "the board loses its power after it did what was asked, before it replies"


def on_the_line(fault: Fault | None, reply: bytes) -> bytes:
    """What arrives of a reply."""
    if fault in (Fault.DROP, Fault.POWER_MIDWAY, Fault.POWER_AFTER):
        return b""
    if fault is Fault.GARBLE:
        middle = len(reply) // 2
        flipped = reply[middle] ^ 0x55 or 0x55  # a zero would be a delimiter
        return reply[:middle] + bytes([flipped]) + reply[middle + 1 :]
    if fault is Fault.DUPLICATE:
        return reply + reply
    if fault is Fault.TRUNCATE:
        return reply[: len(reply) // 2]
    return reply
