"""Which message a frame holds, on either side of the line."""

from __future__ import annotations

from collections.abc import Mapping

from .answers import Done, Identity, Refusal, Report, Result
from .frames import Frame
from .measuring import Backward, Currents, Forward, ReadCells, ReadRectangle
from .messages import (
    Chunk,
    Identify,
    Message,
    MessageError,
    Run,
    Safe,
    SetLimits,
    SetWatchdog,
    Status,
)

REQUESTS: Mapping[int, type[Message]] = {
    kind.type: kind
    for kind in (
        *(Identify, Status, Safe, SetLimits, SetWatchdog, Chunk, Run),
        *(ReadRectangle, ReadCells, Forward, Backward),
    )
}
"""What a board is asked, by type."""

REPLIES: Mapping[int, type[Message]] = {
    kind.type: kind for kind in (Done, Identity, Report, Result, Currents, Refusal)
}
"""What a board answers, by type."""


def parse_reply(frame: Frame) -> Message:
    """The reply that a frame holds.

    Raises:
        MessageError: none.
    """
    if frame.type not in REPLIES:
        raise MessageError(f"a reply of type {frame.type:#04x}")
    return REPLIES[frame.type].parse(frame.payload)


def parse_request(frame: Frame) -> Message:
    """The request that a frame holds.

    Raises:
        MessageError: none.
    """
    if frame.type not in REQUESTS:
        raise MessageError(f"a request of type {frame.type:#04x}")
    return REQUESTS[frame.type].parse(frame.payload)
