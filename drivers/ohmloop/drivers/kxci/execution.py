"""Executions of the pulse cards, each played exactly once, whatever happens to the link.

The critical moment is ``:PMU:EXECUTE`` whose acknowledgement is lost. What the instrument then
knows of it are the points in its buffer, so every execution begins with a tag: 0 V for a time that
belongs to it alone, and a point measured at its end. The time of the first point says which
execution the buffer is from, the number of points how many slots were played:

- the tag of this execution: it was played, and is never sent again;
- the tag of the one before: this one was not played, and may be sent again;
- no points: the instrument was switched off or reset since, and nobody can tell.

That is why ``:PMU:INIT``, which empties buffers, is sent only before anything is at stake, and a
first execution of nothing but a tag follows it: an empty buffer always means a lost memory.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from secrets import randbelow

from ohmloop.drivers.errors import (
    InDoubtError,
    InstrumentError,
    LinkError,
    NotConnectedError,
    ReportedError,
)
from ohmloop.drivers.instrument import log

from . import commands
from .commands import Mode
from .keithley4200a import Keithley4200A, Point
from .waveform import TAG_SEQUENCE, TAG_STEP, TAGS, Slot, Vocabulary, retag, tag, tag_at, tag_of

_ATTEMPTS = 3
_SETUP = 2.0  # longest time from EXECUTE to the first edge, s
_LONGEST_PAUSE = 0.1  # between questions whether it still runs, s


@dataclass(frozen=True)
class Execution:
    """What is played at once.

    Attributes:
        slots: of each channel, all of one number and of the same times.
        loops: how often each slot is played.
        current_range: that channels measure in, A.
        witness: the channel whose points count slots; it measures every slot.
    """

    slots: Mapping[int, Sequence[Slot]]
    loops: Sequence[int]
    current_range: float
    witness: int

    @property
    def points(self) -> int:
        """Slots played."""
        return sum(self.loops)

    @property
    def seconds(self) -> float:
        """Longest time it takes, the tag included."""
        slots = self.slots[self.witness]
        total = sum(slot.timing.total * n for slot, n in zip(slots, self.loops, strict=True))
        return (total + (TAGS + 1) * TAG_STEP) * 1e-9


class Fate(Enum):
    """What became of an execution."""

    PLAYED = "played"
    NOT_PLAYED = "not played"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the instrument says of an execution.

    Attributes:
        fate: whether it was played.
        points: slots played, as the witness measured them.
        problem: what went wrong, or nothing.
        code: of the instrument's error, or 0.
    """

    fate: Fate
    points: int = 0
    problem: str = ""
    code: int = 0


class Player:
    """Plays executions on the channels of one crossbar.

    Args:
        scs: the instrument.
        channels: in the order of the crossbar's lines, rows first.
    """

    def __init__(self, scs: Keithley4200A, channels: Sequence[int]) -> None:
        self.scs, self.channels = scs, tuple(channels)
        self._vocabulary = Vocabulary()
        self._number = randbelow(TAGS)  # of the last execution; sessions begin with different tags
        self._range = 0.0

    def forget(self) -> None:
        """Set all up anew before the next execution."""
        if self.scs.tenant is self:
            self.scs.tenant = None

    def play_once(self, execution: Execution) -> Outcome:
        """Play, never twice.

        Returns:
            How many slots the instrument itself says it has played: fewer than asked for, where
            it stopped.

        Raises:
            LinkError: it was not played: the link does not hold long enough.
            NotConnectedError: it was not played: nobody answers any more.
            ReportedError: it was not played: the instrument refuses it.
            InDoubtError: nobody can tell how much of it was played.
        """
        outcome = Outcome(Fate.NOT_PLAYED)
        for _ in range(_ATTEMPTS):
            outcome = self._attempt(execution)
            if outcome.fate is Fate.PLAYED:
                return outcome
            if outcome.fate is Fate.UNKNOWN:
                where = (self.scs.name, self.scs.transport.resource)
                raise InDoubtError(*where, outcome.problem, None)
            log.info("%s: not played: %s", self.scs.name, outcome.problem)
        raise self._failed(outcome)

    def measure(self, execution: Execution, channels: Sequence[int]) -> dict[int, list[Point]]:
        """Play what moves no cell, again if need be, and fetch the points of some channels.

        Raises:
            LinkError: the link does not hold long enough.
            ReportedError: the instrument refuses it.
        """
        outcome = Outcome(Fate.NOT_PLAYED)
        for _ in range(_ATTEMPTS):
            outcome = self._attempt(execution)
            if outcome.fate is not Fate.PLAYED:
                continue
            if outcome.points != execution.points:
                self.forget()
                continue
            try:
                return self.fetch(channels, execution.points)
            except LinkError as error:
                outcome = Outcome(Fate.UNKNOWN, problem=error.problem)
            except ReportedError as error:
                outcome = Outcome(Fate.UNKNOWN, problem=error.problem, code=error.code)
        raise self._failed(outcome)

    def _failed(self, outcome: Outcome) -> LinkError | ReportedError:
        if outcome.code:
            return self._reported(outcome.problem, outcome.code)
        return self._error(outcome.problem or f"measured {outcome.points} points, too few")

    def fetch(self, channels: Sequence[int], points: int) -> dict[int, list[Point]]:
        """Points that channels measured in the last execution.

        Args:
            channels: which measured.
            points: how many each has.

        Raises:
            LinkError: the link failed, or the points are another execution's.
            ReportedError: the instrument reports an error.
        """
        most = commands.MOST_POINTS
        requests = [
            (channel, start, min(most, points + 1 - start))
            for channel in channels
            for start in range(0, points + 1, most)
        ]
        found: dict[int, list[Point]] = {channel: [] for channel in channels}
        for (channel, _, _), part in zip(requests, self.scs.points(requests), strict=True):
            found[channel] += part
        for first, *_ in found.values():
            if tag_at(first.time) != tag_of(self._number):
                self.forget()
                raise self._error("points are those of another execution")
        return {channel: every[1:] for channel, every in found.items()}

    def _attempt(self, execution: Execution) -> Outcome:
        """Set up, execute once, and ask what became of it."""
        try:
            self._ready()
            number = self._number + 1
            self.scs.tell(self._set_up(execution, number))
        except LinkError as error:
            self.forget()
            return Outcome(Fate.NOT_PLAYED, problem=error.problem)
        except ReportedError as error:  # set up from scratch, it may not mind
            self.forget()
            return Outcome(Fate.NOT_PLAYED, 0, error.problem, error.code)
        except BaseException:
            self.forget()
            raise
        try:
            return self._execute(execution, number)
        except BaseException:
            self.forget()
            raise

    def _execute(self, execution: Execution, number: int) -> Outcome:
        """From here on nothing is sent again unless the instrument itself says it was not played.

        An acknowledged execution is never taken for one that was not played, whatever is in the
        buffer: it may be late.
        """
        problem, code, acknowledged, refused = "", 0, False, False
        self._number = number
        try:
            answers = self.scs.ask([commands.EXECUTE])
            problem, code = answers.error, answers.code
            acknowledged = answers.replies == ["ACK"]
            refused = bool(code) and not acknowledged
        except (LinkError, NotConnectedError) as error:
            problem = error.problem
        try:
            points, found, reported = self._await(
                execution.witness,
                execution.seconds,
                tag_of(number),
                0.0 if refused else self.scs.options.start,
            )
        except InstrumentError as error:
            self.forget()
            return Outcome(Fate.UNKNOWN, problem=error.problem)
        problem, code = (reported.problem, reported.code) if reported else (problem, code)
        if found == tag_of(number):
            return Outcome(Fate.PLAYED, points, problem if code else "", code)
        self.forget()
        if found == tag_of(number - 1) and not acknowledged:
            return Outcome(Fate.NOT_PLAYED, 0, problem, code)
        lost = (
            "it was acknowledged, but its points do not come"
            if acknowledged
            else "its buffer is empty or another's: it was switched off, reset or used by others"
        )
        return Outcome(Fate.UNKNOWN, problem=f"{problem}; {lost}" if problem else lost)

    def _await(
        self, witness: int, seconds: float, wanted: int, start: float
    ) -> tuple[int, int, ReportedError | None]:
        """Wait until nothing runs; slots played, the tag found, and what the register reported.

        Args:
            witness: channel to ask of.
            seconds: longest time the execution takes.
            wanted: its tag.
            start: how long to wait for it before another tag, or none, is believed, s.

        Raises:
            LinkError: no answer, or it runs on and on.
        """
        began = time.monotonic()
        failures, pause, reported = 0, 0.0, None
        while failures < _ATTEMPTS and time.monotonic() < began + seconds + _SETUP:
            try:
                answers = self.scs.ask([commands.STATUS, commands.data_count(witness)])
                if answers.code:
                    reported = self._reported(answers.error, answers.code)
                running, points = self.scs.whole(answers.replies)
                if not running:
                    found = self._tag_found(witness, points)
                    if found == wanted or time.monotonic() >= began + start:
                        return points - 1, found, reported
            except ReportedError as error:
                reported, failures = error, failures + 1
            except LinkError as error:
                failures += 1
                if failures == _ATTEMPTS:
                    raise
                log.info("%s; asking again", error)
                time.sleep(failures * _LONGEST_PAUSE)
            time.sleep(pause)
            pause = min(2 * pause + 1e-3, _LONGEST_PAUSE)
        self.scs.tell([commands.ABORT])
        raise reported or self._error(f"still runs, {seconds + _SETUP:.3g} s after it began")

    def _tag_found(self, witness: int, points: int) -> int:
        """The tag in the buffer; 0 where it is empty."""
        if not points:
            return 0
        return tag_at(self.scs.points([(witness, 0, 1)])[0][0].time)

    def _ready(self) -> None:
        """Set the channels up and play a tag alone, unless that is done already."""
        if self.scs.tenant is self:
            return
        self._number += 1
        self._vocabulary = Vocabulary()
        self._range = self.scs.options.current_range
        options = self.scs.options
        self.scs.tell(self._from_scratch())
        self.scs.tell([commands.EXECUTE])
        _, found, reported = self._await(
            self.channels[0], (TAGS + 1) * TAG_STEP * 1e-9, tag_of(self._number), options.start
        )
        if reported:
            raise reported
        if found != tag_of(self._number):
            raise self._error("plays nothing: its first execution left no point")
        self.scs.tenant = self

    def _from_scratch(self) -> list[str]:
        options = self.scs.options
        lines = [commands.ABORT, commands.initialise(Mode.SEGMENTS)]
        for channel in self.channels:
            lines += [
                commands.use_rpm(channel),
                commands.source_range(channel, options.source_range),
                commands.load(channel, options.load),
                commands.measure_range(channel, self._range),
                *tag(channel, self._number),
                commands.sequence_list(channel, [(TAG_SEQUENCE, 1)]),
                commands.output(channel, True),
            ]
        return lines

    def _set_up(self, execution: Execution, number: int) -> list[str]:
        lines: list[str] = []
        if execution.current_range != self._range:
            self._range = execution.current_range
            lines += [commands.measure_range(channel, self._range) for channel in self.channels]
        for channel, slots in execution.slots.items():
            numbers, definitions = self._vocabulary.learn(channel, slots)
            played = zip((numbers[slot] for slot in slots), execution.loops, strict=True)
            lines += [
                *definitions,
                retag(channel, number),
                commands.sequence_list(channel, [(TAG_SEQUENCE, 1), *played]),
                commands.output(channel, True),
            ]
        return lines

    def _reported(self, problem: str, code: int) -> ReportedError:
        return ReportedError(self.scs.name, self.scs.transport.resource, problem, code)

    def _error(self, problem: str) -> LinkError:
        return LinkError(self.scs.name, self.scs.transport.resource, problem)
