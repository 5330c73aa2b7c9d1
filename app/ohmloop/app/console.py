"""What a person or a machine sees: tables, progress, one JSON object, one line for an error."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table


class Report(Protocol):
    """Called as work goes on: how much is done, of how much, and what it is."""

    def __call__(self, done: int, total: int, text: str) -> None:
        """Tell."""


class Screen:
    """Standard output for results, standard error for progress and trouble.

    Args:
        as_json: print nothing but one JSON object at the end.
    """

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """A line for a person."""
        if not self.as_json:
            self._out.print(text, markup=False)

    def trouble(self, text: str) -> None:
        """A line on standard error, also where JSON was asked for."""
        self._err.print(text, markup=False)

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table for a person."""
        if self.as_json:
            return
        table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
        for column in header:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._out.print(table)

    def result(self, values: Mapping[str, Any]) -> None:
        """The JSON object, where one was asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps(values, default=_plain) + "\n")
            sys.stdout.flush()

    @contextmanager
    def progress(self, what: str, time_left: bool = True) -> Iterator[Report]:
        """A bar on a terminal, plain lines every few seconds otherwise; both on standard error.

        ``time_left``: guess it from the steps done; not where the text says it better.
        """
        if self._err.is_terminal:
            columns: list[ProgressColumn] = [
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
            ]
            if time_left:
                columns.append(TimeRemainingColumn())
            with Progress(*columns, console=self._err, transient=True) as bar:
                yield _Bar(bar, bar.add_task(what, total=None), what)
        else:
            yield _Lines(self._err, what, time_left)


class _Bar:
    def __init__(self, bar: Progress, task: TaskID, what: str) -> None:
        self._bar, self._task, self._what = bar, task, what

    def __call__(self, done: int, total: int, text: str) -> None:
        label = f"{self._what}: {text}" if text else self._what
        self._bar.update(self._task, completed=done, total=total, description=label)


class _Lines:
    def __init__(self, console: Console, what: str, time_left: bool) -> None:
        self._console, self._what, self._time_left = console, what, time_left
        self._first: tuple[float, int] | None = None
        self._last = time.monotonic()

    def __call__(self, done: int, total: int, text: str) -> None:
        now = time.monotonic()
        self._first = self._first or (now, done)
        if now - self._last > 5:
            self._last = now
            left = self._left(now, done, total) if self._time_left else ""
            self._console.print(f"{self._what}: {done}/{total} {text}{left}", markup=False)

    def _left(self, now: float, done: int, total: int) -> str:
        """Guessed from the steps since the first one: a run may have gone on in the middle."""
        since, first = self._first or (now, done)
        if done <= first:
            return ""
        return f", {duration((total - done) * (now - since) / (done - first))} left"


def duration(seconds: float) -> str:
    """A time for a person: ``42 s``, ``3 min``, ``2 h 05 min``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def log_to_stderr() -> None:
    """Warnings and errors of the library, one line each, on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger = logging.getLogger("ohmloop")
    logger.handlers = [handler]
    logger.setLevel(logging.WARNING)
    logger.propagate = False


def one_line(text: str) -> str:
    """A message without line breaks."""
    return " ".join(text.split())


def _plain(value: Any) -> Any:
    """Numpy scalars and paths for JSON."""
    return value.item() if hasattr(value, "item") else str(value)
