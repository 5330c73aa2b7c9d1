"""Pulse programs and lists as lines of TSP, in few messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.pulses import CoincidencePulses, PulseRuns
from ohmloop.drivers.routed.snake import snake_order

_LINE_ITEMS = 360  # numbers in a line
_LINE_PATTERNS = 12
_MESSAGE_BYTES = 16_000


def strings(points: Sequence[str]) -> str:
    """A Lua table of strings."""
    return "{" + ", ".join(f'"{point}"' for point in points) + "}"


def numbers(values: NDArray[np.intp]) -> str:
    """A Lua table of whole numbers."""
    return "{" + ",".join(map(str, values.tolist())) + "}"


def run_lines(runs: PulseRuns, columns: int) -> list[str]:
    """Runs of equal pulses, in the order that moves fewest relays.

    Args:
        runs: the lowered program.
        columns: of the crossbar.
    """
    order = snake_order(runs.cells, columns)
    cells, counts = runs.cells[order], runs.counts[order]
    triples = np.stack([cells // columns + 1, cells % columns + 1, counts], axis=1)
    return _item_lines("add", triples)


def train_lines(program: CoincidencePulses) -> tuple[list[str], int]:
    """Row and column trains, cell by cell: every cell and sample with a coincidence.

    Returns:
        The lines, and how many pairs of trains they hold.
    """
    counts = program.counts()
    samples, rows, columns = (index.astype(np.int64) for index in np.nonzero(counts))
    known: dict[str, int] = {}
    row_ids = _pattern_ids(program.row_trains, program.length, known)
    column_ids = _pattern_ids(program.column_trains, program.length, known)
    order = snake_order(rows * program.shape[1] + columns, program.shape[1])
    items = np.stack(
        [
            rows + 1,
            columns + 1,
            counts[samples, rows, columns].astype(np.int64),
            row_ids[samples, rows],
            column_ids[samples, columns],
        ],
        axis=1,
    )[order]
    texts = list(known)
    lines = [
        f"ohmloop.patterns{strings(texts[start : start + _LINE_PATTERNS])}"
        for start in range(0, len(texts), _LINE_PATTERNS)
    ]
    return lines + _item_lines("join", items), len(items)


def _pattern_ids(
    trains: NDArray[np.uint64], length: int, known: dict[str, int]
) -> NDArray[np.int64]:
    """Number, from 1, of the pattern of every train; slot 0 comes first in its text."""
    ids = np.zeros(trains.shape, np.int64)
    for index, train in np.ndenumerate(trains):
        text = f"{int(train):0{length}b}"[::-1]
        ids[index] = known.setdefault(text, len(known) + 1)
    return ids


def program_messages(
    lines: Sequence[str],
    identity: str,
    sequence: int,
    items: int,
    pulses: int,
    first: Sequence[str] = (),
) -> list[str]:
    """The program as few messages, each of whole lines; the last one asks for the outcome.

    Args:
        lines: its body.
        identity: of the configuration that it is for.
        sequence: the program's number.
        items: runs or pairs of trains in it.
        pulses: in it.
        first: lines to send before it.
    """
    begin = f'ohmloop.begin("{identity}",{sequence},{items},{pulses})'
    return _pack([*first, begin, *lines, f'ohmloop.run("{identity}",{sequence})'])


def _item_lines(verb: str, items: NDArray[np.int64]) -> list[str]:
    step = _LINE_ITEMS // items.shape[1]
    return [
        f"ohmloop.{verb}{{{','.join(map(str, items[start : start + step].ravel().tolist()))}}}"
        for start in range(0, len(items), step)
    ]


def _pack(lines: Sequence[str]) -> list[str]:
    messages: list[list[str]] = [[]]
    size = 0
    for line in lines:
        if messages[-1] and size + len(line) > _MESSAGE_BYTES:
            messages.append([])
            size = 0
        messages[-1].append(line)
        size += len(line) + 1
    return ["\n".join(message) for message in messages]
