"""One recorded instrument: it answers as it did, as long as the host sends what it sent."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ohmloop.drivers.links.transcript import Transcript
from ohmloop.sim_backend.instruments.server import Emulated

from .languages import language_of
from .script import Step, steps_of

log = logging.getLogger("ohmloop.emulator")

_AROUND = 60  # characters of a message shown on either side of what differs


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the host.

    Attributes:
        data: bytes.
        delay: how long the recorded instrument took, s.
        hang_up: break the link after it.
    """

    data: bytes
    delay: float = 0.0
    hang_up: bool = False


class ReplayedInstrument(Emulated):
    """Plays one instrument's part of a transcript, once.

    Args:
        transcript: the transcript.
        name: the instrument.

    Attributes:
        deviation: what the host did otherwise than recorded, in one line; empty while it has not.
            From then on nothing is answered any more.
    """

    def __init__(self, transcript: Transcript, name: str) -> None:
        self.name, self.path = name, Path(transcript.path)
        self._language = language_of(transcript.header.instruments[name].driver)
        self._steps = steps_of(transcript.of(name), self._language)
        self._total = sum(len(step.messages) for step in self._steps)
        self._step = self._at = self._played = 0
        self._buffer = b""
        self.deviation = ""

    @property
    def rest(self) -> str:
        """What the host has not sent yet, in one line; empty when all was played."""
        step = self._current()
        if step is None or not step.messages:
            return ""
        # The server's thread may be between two messages while another one asks.
        message = step.messages[min(self._at, len(step.messages) - 1)]
        return (
            f"{self._where(message.line)}: played {self._played} of {self._total} messages; next"
            f" would be {self._excerpt(self._language.show(message.data))}"
        )

    def describe(self) -> str:
        """How far it is."""
        if self.deviation:
            return "it left the transcript"
        return self.rest or f"all {self._total} messages were played"

    def connected(self) -> list[Answer]:
        """A host has connected; returns what the instrument said unasked."""
        self._buffer = b""
        self._language.connected()
        return [Answer(b"", hang_up=True)] if self.deviation else list(self._unasked())

    def message(self, data: bytes) -> bytes:
        """Take bytes as they come, return all that is answered."""
        return b"".join(answer.data for answer in self.feed(data))

    def feed(self, data: bytes) -> Iterator[Answer]:
        """Take bytes as they come; yields what goes back, piece by piece."""
        self._buffer += data
        while self._buffer and not self.deviation:
            yield from self._unasked()
            step = self._current()
            if step is None:
                self._deviate(0, "the end of the transcript", self._language.show(self._buffer))
                break
            expected = step.messages[self._at]
            count = self._language.take(self._buffer, expected.data)
            if not count:
                return
            came, self._buffer = self._buffer[:count], self._buffer[count:]
            if not self._language.same(came, expected.data):
                show = self._language.show
                self._deviate(expected.line, show(expected.data), show(came))
                break
            self._at += 1
            self._played += 1
            if self._at == len(step.messages):
                self._step, self._at = self._step + 1, 0
                yield from self._answers(step)
        if self.deviation:
            yield Answer(b"", hang_up=True)

    def _current(self) -> Step | None:
        return self._steps[self._step] if self._step < len(self._steps) else None

    def _unasked(self) -> Iterator[Answer]:
        """What comes before any message."""
        while (step := self._current()) and not step.messages:
            self._step += 1
            yield from self._answers(step)

    def _answers(self, step: Step) -> Iterator[Answer]:
        """Translated as a whole, because a marker or a frame may lie across pieces."""
        rest = self._language.reply(b"".join(chunk.data for chunk in step.reply))
        for number, chunk in enumerate(step.reply, 1):
            size = len(rest) if number == len(step.reply) else len(chunk.data)
            yield Answer(rest[:size], chunk.delay)
            rest = rest[size:]
        if step.hang_up:
            yield Answer(b"", hang_up=True)

    def _deviate(self, line: int, expected: str, came: str) -> None:
        at = next((i for i, (a, b) in enumerate(zip(expected, came, strict=False)) if a != b), 0)
        self.deviation = (
            f"{self._where(line)}: expected {self._excerpt(expected, at)},"
            f" came {self._excerpt(came, at)}"
        )
        log.error("%s", self.deviation)

    def _where(self, line: int) -> str:
        return f"{self.path}: {f'line {line}: ' if line else ''}{self.name}"

    @staticmethod
    def _excerpt(text: str, at: int = 0) -> str:
        """The part of a long message around what differs."""
        start = max(0, at - _AROUND) if len(text) > 2 * _AROUND else 0
        part = text[start : start + 2 * _AROUND]
        left, right = "..." if start else "", "..." if start + len(part) < len(text) else ""
        return f"{left}{part}{right}"
