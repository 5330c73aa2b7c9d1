"""Work shared among processors: parts of many cells, each on a thread of its own.

What a part does may share its own work likewise; inside a part it is done by that thread alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_here = threading.local()


def cores() -> int:
    """How many parts are worked on at once: 1 inside a part."""
    return 1 if getattr(_here, "inside", False) else os.cpu_count() or 1


def share(work: Callable[[T], R], parts: Iterable[T]) -> list[R]:
    """What ``work`` makes of each part, in order.

    Args:
        work: of one part; lets go of the interpreter's lock for most of its time.
        parts: at least one.
    """
    given = list(parts)
    threads = min(cores(), len(given))
    if threads == 1:
        return [work(part) for part in given]
    pool = _pool(os.cpu_count() or 1)
    # a context each: what is done with numbers that overflow, say, is the caller's
    return [f.result() for f in [pool.submit(copy_context().run, work, p) for p in given]]


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "ohmloop-fit", initializer=_enter)


def _enter() -> None:
    _here.inside = True
