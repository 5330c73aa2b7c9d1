"""One interrupt stops a run in order; more of them do not stop the stopping."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def orderly_interrupts() -> Iterator[None]:
    """Turn the first Ctrl-C, hang-up or termination into KeyboardInterrupt; ignore the rest.

    So the instruments have time to be made safe however impatient somebody is.
    """
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal stopping
        if stopping:
            print("already stopping: making the bench safe", file=sys.stderr)  # noqa: T201
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
