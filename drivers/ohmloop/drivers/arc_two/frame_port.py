"""A board behind a frame endpoint; pulses exactly once, whatever the link loses.

Evidence is the board's own memory. Every flush has a number; its readings, one near its beginning,
some between and one at its end, go to places that the number gives, each followed by a flag that
only this flush of this session writes. After a lost reply the host asks memory: the last flag is
there, so all was done; none is there, the board is idle and was not configured anew since, so
nothing was, and the same flush may go again; else it stopped between two flags.
"""

from __future__ import annotations

import contextlib
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from secrets import randbits

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.errors import (
    InDoubtError,
    InstrumentError,
    LinkError,
    OhmloopError,
    ReportedError,
)
from ohmloop.drivers.links.transport import Tap

from .endpoint import CHUNK, FIFO, FIFO_EMPTY, FLAGS, MEMORY, VERSION, Status, Verb
from .endpoint_link import EndpointLink
from .flush import Flush, FlushBuilder
from .instructions import MOST_FRAMES
from .lines import check_lines
from .operations import Measurement, Pulses, Routing
from .words import to_amperes, to_line_volts

_ATTEMPTS = 4
_POLL, _LONGEST_POLL = 0.001, 0.05  # between questions to a board that is at work, s
_PLACES = MEMORY // CHUNK // MOST_FRAMES
_TAG = struct.Struct("<QQI")


class FramePort:
    """See the module and ``Port``.

    Args:
        name: the instrument, for messages.
        resource: ``socket://HOST:PORT``.
        wired: channels that the chip hangs on.
        timeout: time to wait for a reply, and for a flush beyond its own duration, s.
        tolerance: voltage up to which a line counts as grounded, V.
        tap: sees every byte.
        routing: of the daughterboard, if it has one.

    Raises:
        NotConnectedError: nobody answers.
        WrongInstrumentError: somebody else does.
    """

    def __init__(
        self,
        name: str,
        resource: str,
        wired: Sequence[int],
        timeout: float = 2.0,
        tolerance: float = 0.02,
        tap: Tap | None = None,
        routing: Routing | None = None,
    ) -> None:
        self.name, self.resource, self._routing = name, resource, routing
        self._wired, self._tolerance = tuple(wired), tolerance
        self.link = EndpointLink(name, resource, timeout, tap)
        self.traffic = self.link.traffic
        self._session = randbits(64)
        self._number = 0

    def identify(self) -> str:
        """Who answers."""
        if self.link.broken:
            self.link.reopen()
        return f"ArC TWO, serial number {self.link.about.serial}, frame endpoint version {VERSION}"

    def measure(self, wanted: Sequence[Measurement]) -> NDArray[np.float64]:
        """Measure; see ``Port``."""
        parts = [self._measured(flush) for flush in self._measurements(wanted)]
        return np.concatenate(parts) if parts else np.empty((0, 64))

    def pulse(self, wanted: Iterable[Pulses]) -> int:
        """Pulse; see ``Port``."""
        given = 0
        for flush in self._pulse_flushes(wanted):
            try:
                self._once(flush, given)
            except InDoubtError:
                raise
            except InstrumentError as error:
                if given:
                    raise self._stopped(error.problem, given) from error
                raise
            given += flush.pulses
        return given

    def ground(self) -> None:
        """Ground all channels; see ``Port``."""
        words = self._surely(FlushBuilder(range(64), self._routing).ground())
        check_lines(self, to_line_volts(words[-1]), range(64), self._tolerance)

    def close(self) -> None:
        """Let go of the link."""
        self.link.close()

    def _flush(self) -> FlushBuilder:
        return FlushBuilder(self._wired, self._routing)

    def _measurements(self, wanted: Sequence[Measurement]) -> Iterator[Flush]:
        builder = self._flush()
        for k, one in enumerate(wanted):
            if not builder.room:
                yield builder.close()
                builder = self._flush()
            builder.measure(one)
            if k == len(wanted) - 1:
                yield builder.close()

    def _pulse_flushes(self, wanted: Iterable[Pulses]) -> Iterator[Flush]:
        builder, empty = self._flush(), True
        for one in wanted:
            left: Pulses | None = one
            while left is not None:
                if not builder.room:
                    yield builder.close()
                    builder = self._flush()
                left, empty = builder.pulse(left), False
        if not empty:
            yield builder.close()

    def _measured(self, flush: Flush) -> NDArray[np.float64]:
        words = self._surely(flush)
        check_lines(self, to_line_volts(words[-1]), self._wired, self._tolerance)
        return to_amperes(words[:-1])

    def _surely(self, flush: Flush) -> NDArray[np.uint32]:
        """Carry out what does no harm twice; returns its readings."""
        for attempt in range(1, _ATTEMPTS + 1):
            number = self._next()
            try:
                if self.link.broken:
                    self.link.reopen()
                self._write(flush, number)
                self._wait(flush, number)
                return self._readings(number, 0, len(flush.given))
            except LinkError:
                if attempt == _ATTEMPTS or (self.link.broken and attempt > 1):
                    raise
        raise AssertionError("unreachable")

    def _once(self, flush: Flush, before: int) -> None:
        """Carry out a flush of pulses, once.

        Raises:
            InDoubtError: nobody can tell, or it stopped on its way.
            LinkError: it could not be delivered; nothing of it was carried out.
        """
        number, generation = self._next(), self._generation()
        for _ in range(_ATTEMPTS):
            try:
                self._write(flush, number)
            except LinkError as error:
                if not self._carried_out(flush, number, generation, before, error):
                    continue
            else:
                self._follow(flush, number, self.link.about.generation, before)
            self._check_grounded(flush, number)
            return
        problem = f"flush {number} could not be delivered in {_ATTEMPTS} attempts; nothing of it"
        raise self._error(f"{problem} was carried out; check the link")

    def _generation(self) -> int:
        if self.link.broken:
            self.link.reopen()
        return self.link.about.generation

    def _follow(self, flush: Flush, number: int, generation: int, before: int) -> None:
        """Wait for a flush that the endpoint has taken."""
        try:
            self._wait(flush, number)
        except InstrumentError as error:
            if not self._carried_out(flush, number, generation, before, error):
                problem = f"flush {number} was taken, but none of its flags is in memory"
                raise self._stopped(problem, None) from error

    def _carried_out(
        self, flush: Flush, number: int, generation: int, before: int, error: InstrumentError
    ) -> bool:
        """After any doubt: whether a flush was carried out, or surely not at all.

        Raises:
            InDoubtError: neither is sure.
        """
        try:
            self.link.reopen()
            marks = self._settled(flush, number)
            # Asked last: flags that are missing say something only of a memory that is still whole.
            if marks < len(flush.given) and self.link.about.generation != generation:
                raise self._stopped("the board lost its power or its configuration", None)
        except InDoubtError:
            raise
        except InstrumentError as failure:
            raise self._stopped(failure.problem, None) from error
        if marks in (0, len(flush.given)):
            return bool(marks)
        given, after = before + flush.given[marks - 1], before + flush.given[marks]
        problem = f"flush {number} stopped after at least {given} and at most {after} pulses"
        raise self._stopped(problem, given if given == after else None)

    def _settled(self, flush: Flush, number: int) -> int:
        """Flags in memory when the board is idle, or has had the time to be.

        Raises:
            LinkError: it is still at work, and none of it is in memory.
        """
        deadline, was_idle = time.monotonic() + flush.duration + self.link.timeout, False
        for _ in self._patiently(deadline):
            idle = self._repeat(Verb.READ, FIFO_EMPTY, 4)[:1] == b"\1"
            marks = self._marks(flush, number)
            # The buffer is empty while its last instruction is still carried out: look twice.
            if marks == len(flush.given) or (idle and was_idle):
                return marks
            was_idle = idle
        if not marks:
            raise self._error("the board is busy without end")
        return marks

    def _check_grounded(self, flush: Flush, number: int) -> None:
        """All was applied; are the lines at 0 V?"""
        last = len(flush.given) - 1
        generation = self.link.about.generation
        try:
            volts = to_line_volts(self._readings(number, last, 1)[0])
            if self.link.about.generation != generation:
                return  # switched off and on since: no line is driven, and no reading is left
            check_lines(self, volts, self._wired, self._tolerance)
        except InstrumentError as error:
            # Cells on a line that stays driven may have had more than the program's pulses.
            raise self._stopped(error.problem, None) from error

    def _write(self, flush: Flush, number: int) -> None:
        """Hand a flush to the board, once; waits for the board to be idle.

        Raises:
            LinkError: nobody knows whether it arrived; or the endpoint says that it did not.
        """
        frames = flush.frames(self._first(number), self._flags(flush, number))
        deadline = time.monotonic() + self.link.timeout
        for _ in self._patiently(deadline):
            try:
                self.link.ask(Verb.WRITE, FIFO, payload=frames)
                return
            except ReportedError as error:
                if error.code != Status.BUSY:
                    raise
        # What the board hangs on has been waited for: it is dropped, so that it never runs later.
        self._configure()
        self.link.ask(Verb.WRITE, FIFO, payload=frames)

    def _configure(self) -> None:
        self.link.ask(Verb.CONFIGURE)
        self.link.reopen()

    def _wait(self, flush: Flush, number: int) -> None:
        """Until the last flag of a flush is in memory.

        Raises:
            LinkError: it is not there in time.
        """
        deadline = time.monotonic() + flush.duration + self.link.timeout
        for _ in self._patiently(deadline):
            if self._marks(flush, number) == len(flush.given):
                return
        raise self._error(f"flush {number} did not end in time")

    def _marks(self, flush: Flush, number: int) -> int:
        """How many flags of a flush are in memory, from the first on without a gap."""
        wanted = np.array(self._flags(flush, number), np.uint32)
        data = self._repeat(Verb.READ, FLAGS + 4 * self._first(number), 4 * wanted.size)
        same = np.frombuffer(data, "<u4") == wanted
        return wanted.size if same.all() else int(same.argmin())

    def _readings(self, number: int, first: int, count: int) -> NDArray[np.uint32]:
        address = CHUNK * (self._first(number) + first)
        data = self._repeat(Verb.READ, address, CHUNK * count)
        return np.frombuffer(data, "<u4").reshape(count, CHUNK // 4)

    def _repeat(self, verb: Verb, address: int = 0, length: int = 0) -> bytes:
        """A question, which may be asked again."""
        for attempt in range(1, _ATTEMPTS):
            try:
                if self.link.broken:
                    self.link.reopen()
                return self.link.ask(verb, address, length)
            except LinkError:
                if attempt == _ATTEMPTS - 1 or (self.link.broken and attempt > 1):
                    raise
        raise AssertionError("unreachable")

    def _flags(self, flush: Flush, number: int) -> list[int]:
        """Flags that only this flush of this session leaves."""
        count = len(flush.given)
        return [zlib.crc32(_TAG.pack(self._session, number, k)) | 1 for k in range(count)]

    def _next(self) -> int:
        self._number += 1
        return self._number

    @staticmethod
    def _first(number: int) -> int:
        """The chunk of a flush's first reading; 2048 flushes later it is used again."""
        return number % _PLACES * MOST_FRAMES

    def _patiently(self, deadline: float) -> Iterator[None]:
        pause = _POLL
        yield
        while time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_POLL)
            yield

    def _stopped(self, problem: str, applied: int | None) -> InDoubtError:
        """In doubt; lines grounded, and what hangs in the board dropped, as far as possible."""
        with contextlib.suppress(OhmloopError):
            self.ground()
        return self._doubt(problem, applied)

    def _doubt(self, problem: str, applied: int | None) -> InDoubtError:
        counted = "is not known exactly" if applied is None else f"is {applied} pulses"
        text = f"{problem}; how far the program got {counted}: read the crossbar again"
        return InDoubtError(self.name, self.resource, f"{text} before going on", applied)

    def _error(self, problem: str) -> LinkError:
        return LinkError(self.name, self.resource, problem)
