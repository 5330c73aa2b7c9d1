"""Pulse programs and lists as lines of TSP, in few messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.pulses import PulseRuns
from ohmloop.drivers.routed.snake import snake

_LINE_TRIPLES = 120
_MESSAGE_BYTES = 16_000


def strings(points: list[str]) -> str:
    """A Lua table of strings."""
    return "{" + ", ".join(f'"{point}"' for point in points) + "}"


def numbers(values: NDArray[np.intp]) -> str:
    """A Lua table of whole numbers."""
    return "{" + ",".join(map(str, values.tolist())) + "}"


def program_messages(
    runs: PulseRuns, columns: int, sequence: int, first: Sequence[str] = ()
) -> list[str]:
    """The program as few messages, each of whole lines; the last one asks for the outcome.

    Args:
        runs: the lowered program.
        columns: of the crossbar.
        sequence: the program's number.
        first: lines to send before it.
    """
    cells, counts = snake(runs, columns)
    triples = np.stack([cells // columns + 1, cells % columns + 1, counts], axis=1)
    lines = [*first, f"ohmloop.begin({sequence},{len(cells)},{runs.total_pulses})"]
    for start in range(0, len(triples), _LINE_TRIPLES):
        part = triples[start : start + _LINE_TRIPLES].ravel().tolist()
        lines.append("ohmloop.add{" + ",".join(map(str, part)) + "}")
    lines.append(f"ohmloop.run({sequence})")
    return _pack(lines)


def _pack(lines: list[str]) -> list[str]:
    messages: list[list[str]] = [[]]
    size = 0
    for line in lines:
        if messages[-1] and size + len(line) > _MESSAGE_BYTES:
            messages.append([])
            size = 0
        messages[-1].append(line)
        size += len(line) + 1
    return ["\n".join(message) for message in messages]
