"""A program runs exactly once, whatever is lost on the line.

Every program has a number above all before it. A board runs a number once; asked again, it answers
the same result. So after a lost reply: ask how things stand; then go on, or send the same number
again. Where the board lost its memory too, nobody can tell, and the program is in doubt.
"""

from __future__ import annotations

import time
import zlib

from ohmloop.drivers.errors import InDoubtError, InstrumentError, LinkError, ReportedError

from .answers import Code, Done, Report, Result, State
from .messages import Chunk, Run
from .pulse_board import PulseBoard

_ATTEMPTS = 4
_POLL = 0.05  # between questions to a board that still pulses, s
_ROOM = 64  # for the head of a message, bytes
_LIMITS_SET = 1  # flag of a report; unset, the board has lost its power


def run_once(board: PulseBoard, body: bytes, wait: float) -> Result:
    """Deliver a program and return what became of it.

    Args:
        board: a prepared board.
        body: the program.
        wait: longest time it may take to play, s.

    Raises:
        InDoubtError: nobody can tell how much was applied.
        ReportedError: the board refused it; nothing was applied.
        LinkError: it could not be delivered; nothing was applied.
    """
    number = board.next_number()
    for _ in range(_ATTEMPTS):
        try:
            return _deliver(board, number, body, wait)
        except LinkError as error:
            result = _ask_after(board, number, error, wait)
            if result is not None:
                return result
        except ReportedError as error:
            number = _after_refusal(board, number, error)
    raise LinkError(
        board.name,
        board.link.resource,
        f"program {number} could not be delivered in {_ATTEMPTS} attempts; nothing of it was"
        " applied; check the cable",
    )


def _deliver(board: PulseBoard, number: int, body: bytes, wait: float) -> Result:
    size = board.about.max_payload - _ROOM
    *offsets, last = range(0, len(body), size)
    for offset in offsets:
        board.ask(Chunk(number, offset, body[offset : offset + size]), Done)
    run = Run(board.boot, number, len(body), zlib.crc32(body), body[last:])
    result = board.ask(run, Result, wait)
    if result.number != number:
        raise LinkError(board.name, board.link.resource, "answers for another program")
    return result


def _after_refusal(board: PulseBoard, number: int, error: ReportedError) -> int:
    """The number to try next, where the board surely ran nothing; or raises."""
    if error.code == Code.INCOMPLETE:
        return number
    if error.code in (Code.REBOOTED, Code.NO_LIMITS):
        board.prepare_again()
        return board.next_number()
    if error.code == Code.HARDWARE:
        raise _in_doubt(board, number, error, _counted(board, number))
    raise error


def _counted(board: PulseBoard, number: int) -> int | None:
    """Pulses of a program as the board counted them, or None where it cannot be asked."""
    try:
        report = board.status()
    except InstrumentError:
        return None
    known = report.boot == board.boot and report.result.number == number
    return report.result.applied if known else None


def _ask_after(board: PulseBoard, number: int, error: LinkError, wait: float) -> Result | None:
    """After a lost reply: the program's result, or None where it was not run."""
    deadline = time.monotonic() + wait + board.options.timeout
    try:
        report = board.status()
        while _runs(report, board, number) and time.monotonic() < deadline:
            time.sleep(_POLL)
            report = board.status()
        if report.boot != board.boot or not report.flags & _LIMITS_SET:
            board.prepare_again()
            raise _in_doubt(board, number, error, None, "the board lost its power")
    except InDoubtError:
        raise
    except InstrumentError as failure:
        raise _in_doubt(board, number, failure, None) from error
    return report.result if report.result.number == number else None


def _runs(report: Report, board: PulseBoard, number: int) -> bool:
    mine = report.boot == board.boot and report.result.number == number
    return mine and report.result.state == State.RUNNING


def _in_doubt(
    board: PulseBoard,
    number: int,
    error: InstrumentError,
    applied: int | None,
    why: str = "",
) -> InDoubtError:
    counted = "is unknown" if applied is None else f"is {applied} pulses"
    problem = f"{why}: {error.problem}" if why else error.problem
    return InDoubtError(
        board.name,
        board.link.resource,
        f"{problem}; how far program {number} got {counted}: read the crossbar again before"
        " going on",
        applied,
    )
