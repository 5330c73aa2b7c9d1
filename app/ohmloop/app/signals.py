"""One interrupt stops a run in order; more of them do not stop the stopping."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN = 0.1  # after which a signal that came in the compiler is sent again, s
_COMPILER = {"numba", "llvmlite"}


@contextmanager
def orderly_interrupts() -> Iterator[None]:
    """Turn the first Ctrl-C, hang-up or termination into KeyboardInterrupt; ignore the rest.

    So the instruments have time to be made safe however impatient somebody is. While a kernel is
    being compiled the interrupt waits: within a callback of the compiler it would be swallowed.
    """
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            print("already stopping: making the bench safe", file=sys.stderr)  # noqa: T201
            return
        if _compiling(frame):
            again = threading.Timer(_AGAIN, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        stopping = True
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _compiling(frame: FrameType | None) -> bool:
    """Whether the compiler is at work in ``frame`` or above it."""
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in _COMPILER:
            return True
        frame = frame.f_back
    return False
