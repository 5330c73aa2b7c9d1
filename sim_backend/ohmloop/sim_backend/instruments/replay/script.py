"""From the lines of a transcript to what an instrument has to do: wait for this, answer that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ohmloop.drivers.links.transcript import Entry

from .languages import Language


@dataclass(frozen=True, slots=True)
class Message:
    """What the host is to send.

    Attributes:
        data: the recorded bytes.
        line: where they stand in the transcript.
    """

    data: bytes
    line: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Part of a reply.

    Attributes:
        data: the recorded bytes.
        delay: after the transfer before it, s.
    """

    data: bytes
    delay: float


@dataclass(slots=True)
class Step:
    """Messages of the host, and what comes back once all of them are there.

    Attributes:
        messages: in order; none where an instrument speaks first on a new link.
        reply: in the pieces in which it came.
        hang_up: the link failed here, and the host opened it anew.
        over: the host opened the link anew after it.
    """

    messages: list[Message] = field(default_factory=list)
    reply: list[Chunk] = field(default_factory=list)
    hang_up: bool = False
    over: bool = False


def steps_of(entries: Sequence[Entry], language: Language) -> list[Step]:
    """The steps of one instrument.

    A link that failed is hung up on in the same place if the host opened it anew, so that it does
    so again; if it only asked again, as a serial line's host does, silence is what it heard.
    """
    steps, before, failed = [Step()], 0.0, False
    for entry in entries:
        step = steps[-1]
        if entry.kind == "sent":
            if step.reply or step.over:
                steps.append(step := Step())
            failed = False
            step.messages += [Message(part, entry.line) for part in language.split(entry.data)]
        elif entry.kind == "received":
            if step.over:
                steps.append(step := Step())
            step.reply.append(Chunk(entry.data, entry.time - before))
        elif entry.kind == "failed":
            failed = True
        elif entry.kind == "opened":
            step.over = bool(step.messages or step.reply)
            step.hang_up, failed = failed and step.over, False
        before = entry.time
    return [step for step in steps if step.messages or step.reply]
