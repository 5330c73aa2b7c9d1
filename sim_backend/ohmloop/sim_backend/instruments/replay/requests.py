"""Requests to an ArC TWO's frame endpoint: what may differ between two sessions that do the same.

A host numbers its requests from its clock, and has each reading of a flush leave a flag that no
other session would. So a request is the recorded one if its number is as far from the recorded one
as ever, and if only flags differ; and in a reply, numbers are today's, and so are those words of
memory that hold a recorded flag where today's host has sent another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ohmloop.drivers.arc_two.endpoint import (
    FIFO,
    EndpointError,
    Reply,
    Request,
    Verb,
    reply_size,
    split_requests,
)
from ohmloop.drivers.arc_two.instructions import (
    CurrentRead,
    FrameError,
    Instruction,
    VoltageRead,
    decode,
    encode,
)

_NUMBERS = 1 << 16
_WORD = 4  # bytes
_LONGEST = 1 << 32  # payload of a reply that is looked for
_SHOWN = 64  # bytes of what is no request


class Requests:
    """See the module and ``Language``."""

    def __init__(self) -> None:
        self._shift: int | None = None
        self._flags: dict[int, tuple[int, int]] = {}  # by address: recorded, today's
        self._asked: dict[int, Request] = {}  # by the recorded number

    def connected(self) -> None:
        """Another host counts from another number; what is in the board's memory stays there."""
        self._shift = None
        self._asked.clear()

    def split(self, data: bytes) -> list[bytes]:
        """Requests; what is none, or is cut off, is one too."""
        whole, rest = split_requests(data)
        return [*whole, rest] if rest else whole

    def take(self, data: bytes, recorded: bytes) -> int:
        """A request, however long; of one that was recorded cut off, as much."""
        if _request(recorded) is None:
            return len(recorded) if len(data) >= len(recorded) else 0
        whole, _ = split_requests(data)
        return len(whole[0]) if whole else 0

    def same(self, message: bytes, recorded: bytes) -> bool:
        """Equal in all but number and flags; learns both."""
        now, then = _request(message), _request(recorded)
        if now is None or then is None:
            return message == recorded
        shift = (now.sequence - then.sequence) % _NUMBERS
        if self._shift is None:
            self._shift = shift
        if shift != self._shift or _plain(now) != _plain(then):
            return False
        flags = _flags(now)
        pairs = {at: (flag, flags[at]) for at, flag in _flags(then).items()}
        if any(self._contradicts(at, *pair) for at, pair in pairs.items()):
            return False
        self._flags |= pairs
        self._asked[then.sequence] = then
        return True

    def reply(self, recorded: bytes) -> bytes:
        """With the host's numbers and flags; what is no reply, or damaged, stays as it was."""
        done, rest = b"", recorded
        while rest:
            try:
                size = reply_size(rest, _LONGEST)
                if size is None or size > len(rest):
                    break
                done += self._translated(Reply.parse(rest[:size]))
            except EndpointError:
                break
            rest = rest[size:]
        return done + rest

    def show(self, message: bytes) -> str:
        """What is asked, and the instructions of a flush; numbers last, flags not at all."""
        request = _request(message)
        if request is None:
            return f"no request: {message[:_SHOWN]!r}"
        made = _instructions(request)
        what = request.payload.hex(" ") if made is None else ", ".join(map(_shown, made))
        verb = Verb(request.verb).name if request.verb in set(Verb) else request.verb
        where = f"{request.length} bytes at {request.address:#x}"
        return f"request {verb} of {where} with [{what}], number {request.sequence}"

    def _contradicts(self, address: int, recorded: int, flag: int) -> bool:
        """Whether the recorded flag stood for another one of today's before."""
        before = self._flags.get(address)
        return before is not None and before[0] == recorded and before[1] != flag

    def _translated(self, reply: Reply) -> bytes:
        request = self._asked.get(reply.sequence)
        payload = reply.payload
        if request is not None and request.verb == Verb.READ:
            payload = self._with_flags(request.address, payload)
        number = (reply.sequence + (self._shift or 0)) % _NUMBERS
        return Reply(reply.status, number, payload).encode()

    def _with_flags(self, start: int, payload: bytes) -> bytes:
        words = np.frombuffer(payload[: len(payload) // _WORD * _WORD], "<u4").copy()
        for k, word in enumerate(words.tolist()):
            recorded, flag = self._flags.get(start + _WORD * k, (word, word))
            if word == recorded:
                words[k] = flag
        return words.tobytes() + payload[words.nbytes :]


def _request(data: bytes) -> Request | None:
    try:
        return Request.parse(data)
    except EndpointError:
        return None


def _instructions(request: Request) -> list[Instruction] | None:
    """Of a flush; None where it is none, or none that can be read."""
    if request.verb != Verb.WRITE or request.address != FIFO:
        return None
    try:
        return decode(request.payload)
    except FrameError:
        return None


def _flags(request: Request) -> Mapping[int, int]:
    """Flags that a flush leaves, by address."""
    made = _instructions(request) or []
    return {i.flag_address: i.flag for i in made if isinstance(i, CurrentRead | VoltageRead)}


def _plain(request: Request) -> tuple[Any, ...]:
    """All but number and flags."""
    made = _instructions(request)
    payload = request.payload if made is None else encode(map(_unmarked, made))
    return request.verb, request.address, request.length, payload


def _unmarked(one: Instruction) -> Instruction:
    return replace(one, flag=0) if isinstance(one, CurrentRead | VoltageRead) else one


def _shown(one: Instruction) -> str:
    return repr(_unmarked(one)).replace(", flag=0)", ")")
