"""The Keithley 4200A-SCS over KXCI: every command is answered, by ``ACK`` or by data.

KXCI on a socket ends messages with NUL, both ways. As each command has exactly one reply, several
commands travel in one message and their replies are read back in order; the last one always asks
for the error register, whose reply looks like no other, so that a reply too many or too few is
noticed at once. Errors are known by their number in parentheses, never by their text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ohmloop.drivers.errors import (
    InstrumentError,
    LinkError,
    NotConnectedError,
    ReportedError,
)
from ohmloop.drivers.instrument import Instrument, log

from . import commands
from .options import Keithley4200AOptions

_ERROR = re.compile(r"[^(]*\((-?\d+)\)")
_READING = re.compile(r"([NLVXCT])([A-Z])([IV])([+-]?\d+(?:\.\d+)?(?:[Ee][+-]?\d+)?)")
_ATTEMPTS = 3
_MESSAGE_BYTES = 30_000

STATUS_LETTERS = "LVXCTN"
"""What the first letter of an SMU reading says, most urgent first: interval too short, overflow,
oscillation, this channel in compliance, another one in compliance, normal."""


@dataclass(frozen=True, slots=True)
class SmuReading:
    """A reading in SMU user mode.

    Attributes:
        status: a letter of ``STATUS_LETTERS``.
        value: A or V.
    """

    status: str
    value: float


class Point(NamedTuple):
    """One measured point of a pulse channel.

    Attributes:
        volts: V.
        amperes: out of the channel, A.
        time: since the execution started, s.
        status: 0 where nothing is wrong with it.
    """

    volts: float
    amperes: float
    time: float
    status: int


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back.

    Attributes:
        replies: one for each command.
        code: of the first error that the register held, or 0.
        error: its text.
    """

    replies: list[str]
    code: int
    error: str


class Keithley4200A(Instrument):
    """See the module."""

    Options = Keithley4200AOptions
    maker = "KEITHLEY"
    models = ("4200A",)
    end = "\0"

    _lost = False

    def cards(self) -> set[int]:
        """Numbers of the pulse cards that are fitted, by ``*OPT?``.

        A card counts when one of its channels is named: firmware is known that leaves out some.
        """
        answer = self.exchange([commands.OPTIONS])[0]
        return {int(number) for number in re.findall(r"PMU(\d)", answer)}

    def reset(self) -> None:
        """Clear the buffer and the error register, reset.

        Raises:
            ReportedError: it refuses.
        """
        self.tell([commands.CLEAR_BUFFER, commands.CLEAR_ERROR, commands.RESET])

    def tell(self, lines: Sequence[str], wait: float = 0.0) -> None:
        """Send commands that are answered by ``ACK``.

        Raises:
            ReportedError: the instrument reports an error; its register is cleared.
            LinkError: the link failed, or replies were garbled; how far it got is unknown.
        """
        for line, reply in zip(lines, self.exchange(lines, wait), strict=True):
            if reply != "ACK":
                self._lost = True
                raise self._link_error(f"garbled reply {reply!r} to {line.partition(',')[0]}")

    def exchange(self, lines: Sequence[str], wait: float = 0.0) -> list[str]:
        """``ask``, where no error is expected.

        Raises:
            ReportedError: the instrument reports an error; its register is cleared.
            LinkError: the link failed, or is out of step.
        """
        answers = self.ask(lines, wait)
        if answers.code:
            refused = [
                line.partition(",")[0]
                for line, reply in zip(lines, answers.replies, strict=True)
                if _ERROR.fullmatch(reply)
            ]
            about = f" (to {'; '.join(refused[:3])})" if refused else ""
            problem = f"reports {answers.error}{about}"
            raise ReportedError(self.name, self.transport.resource, problem, answers.code)
        return answers.replies

    def ask(self, lines: Sequence[str], wait: float = 0.0) -> Answers:
        """Send commands in few messages; returns one reply for each, and the error register.

        After a link that failed, the next call opens it anew first. A register that holds an error
        is cleared.

        Args:
            lines: commands.
            wait: longest time that the instrument is busy with them, s.

        Raises:
            LinkError: the link failed, or is out of step.
            NotConnectedError: it failed before, and nobody answers any more.
        """
        with self.lock:
            replies: list[str] = []
            code, error = 0, ""
            for batch in _batches(lines, self.options.commands_per_message):
                *answers, last = self._converse([*batch, commands.LAST_ERROR], wait)
                found = _ERROR.fullmatch(last)
                if found is None:
                    self._lost = True
                    raise self._link_error(f"out of step: {last!r} in place of the error register")
                replies += answers
                if int(found[1]) and not code:
                    code, error = int(found[1]), last
            if code:
                self._converse([commands.CLEAR_ERROR], 0.0)
            return Answers(replies, code, error)

    def _converse(self, batch: Sequence[str], wait: float) -> list[str]:
        """One message, its replies; whatever interrupts it, the link is opened anew before more."""
        if self._lost:
            self._reconnect()
        self._lost = True
        if self.options.commands_per_message == 1:
            replies = [self.transport.query(line, wait) for line in batch]
        else:
            replies = [self.transport.query("\0".join(batch), wait)]
            replies += [self.transport.read_line() for _ in batch[1:]]
        self._lost = False
        return replies

    def _reconnect(self) -> None:
        """Open the link anew; that it does not open is worth no more attempts."""
        try:
            self.transport.restart()
        except LinkError as error:
            raise NotConnectedError(error.instrument, error.resource, error.problem) from error
        self._lost = False

    def points(self, requests: Iterable[tuple[int, int, int]]) -> list[list[Point]]:
        """Points of channels' buffers.

        Args:
            requests: channel, first point, number of points, for each.

        Raises:
            LinkError: the reply makes no sense, or there are fewer.
        """
        asked = list(requests)
        replies = self.exchange([commands.data_get(*request) for request in asked])
        return [
            self._parsed(reply, count) for reply, (_, _, count) in zip(replies, asked, strict=True)
        ]

    def _parsed(self, reply: str, count: int) -> list[Point]:
        try:
            fields = [point.split(",") for point in reply.rstrip(";").split(";")]
            found = [Point(float(v), float(i), float(t), int(s)) for v, i, t, s in fields]
        except ValueError as error:
            self._lost = True
            raise self._link_error(f"garbled data {reply[:40]!r}") from error
        if len(found) != count:
            self._lost = True
            raise self._link_error(f"sends {len(found)} points, not {count}")
        return found

    def whole(self, replies: Sequence[str]) -> list[int]:
        """Replies to queries that are answered by whole numbers.

        Raises:
            LinkError: one is none.
        """
        if not all(reply.strip().isdecimal() for reply in replies):
            self._lost = True
            raise self._link_error(f"garbled replies {replies!r}")
        return [int(reply) for reply in replies]

    def measure_current(self, smu: int) -> SmuReading:
        """One current reading in SMU user mode.

        Raises:
            LinkError: the reply makes no sense.
        """
        reply = self.exchange([commands.smu_current(smu)])[0]
        match = _READING.fullmatch(reply)
        if match is None:
            self._lost = True
            raise self._link_error(f"garbled reading {reply!r}")
        return SmuReading(match[1], float(match[4]))

    def check_errors(self) -> None:
        """Read the error register.

        Raises:
            ReportedError: it holds an error; it is cleared.
        """
        self.exchange([])

    def outputs_off(self, channels: Sequence[int]) -> None:
        """Stop what runs and switch outputs off; again over a new link if the first try fails.

        Raises:
            InstrumentError: an output does not acknowledge that it is off, or a test still runs.
        """
        lines = [commands.ABORT, *(commands.output(channel, False) for channel in channels)]
        replies = self._retried([*lines, commands.STATUS]).replies
        stays = [c for c, reply in zip(channels, replies[1:-1], strict=True) if reply != "ACK"]
        if stays:
            names = ", ".join(map(commands.channel_name, stays))
            problem = f"the output of {names} does not say that it is off; switch the analyser off"
            raise InstrumentError(self.name, self.transport.resource, problem)
        if replies[-1] != "0":
            problem = "a test still runs after it was aborted; switch the analyser off"
            raise InstrumentError(self.name, self.transport.resource, problem)

    def _retried(self, lines: Sequence[str]) -> Answers:
        """``ask`` with harmless commands, over a new link where the old one fails."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self.ask(lines)
            except LinkError as error:
                log.info("%s", error)
        return self.ask(lines)

    def _link_error(self, problem: str) -> LinkError:
        return LinkError(self.name, self.transport.resource, problem)


def _batches(lines: Sequence[str], most: int) -> Iterable[list[str]]:
    """Commands for one message each: not too many, not too long; one empty batch for none."""
    batch: list[str] = []
    size = 0
    for line in lines:
        if batch and (len(batch) >= most or size + len(line) > _MESSAGE_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    if batch or not lines:
        yield batch
