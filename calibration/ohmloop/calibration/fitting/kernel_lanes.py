"""Parameters of ``LANES`` instances side by side in one block of memory, and laws on it.

All that a pulse reads and writes lies in one array, a known distance apart, so that a compiler can
tell that lanes do not touch each other and lets them go through the same instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload

from ohmloop.sim_backend.engine.laws import functions_of

LANES = 16
"""Instances side by side: vector registers of most processors hold four numbers, and four of them
keep its units busy while results are waited for."""


def rows(p: Any) -> Any:
    """How many rows the parameters of one lane take; for compiled code only."""
    raise NotImplementedError


def fill(p: Any, i: Any, w: Any, x: Any, first: Any) -> None:
    """Parameters of ``w`` instances from ``i`` on into rows of ``x``."""
    raise NotImplementedError


def q_up(p: Any, x: Any, j: Any, first: Any, g: Any) -> Any:
    """Mean step up of lane j at conductance ``g``; for compiled code only."""
    raise NotImplementedError


def q_down(p: Any, x: Any, j: Any, first: Any, g: Any) -> Any:
    """Mean step down; for compiled code only."""
    raise NotImplementedError


@overload(rows)  # type: ignore[untyped-decorator]
def _compiled_rows(p: Any) -> Any:
    tables = [k for k, kind in enumerate(p.types) if kind.ndim > 1]
    count = " + ".join([f"{len(p.types) - len(tables)}", *(f"p[{k}].shape[1]" for k in tables)])
    return _made("rows", "p: Any", [f"return {count}"])


@overload(fill)  # type: ignore[untyped-decorator]
def _compiled_fill(p: Any, i: Any, w: Any, x: Any, first: Any) -> Any:  # noqa: ARG001
    """Tables, which come last, lie row by row in turns."""
    plain = [k for k, kind in enumerate(p.types) if kind.ndim == 1]
    tables = range(len(plain), len(p.types))
    lines = [f"x[first + {k * LANES} + j] = p[{k}][i + j]" for k in plain]
    for k in tables:
        row = f"({k} + n * {len(tables)}) * {LANES}"
        lines += [
            f"x[first - {LANES} + j] = p[{k}].shape[1] - 1",
            f"for n in range(p[{k}].shape[1]):",
            f"    x[first + {row} + j] = p[{k}][i + j, n]",
        ]
    body = ["for j in range(w):", *(f"    {line}" for line in lines)]
    return _made("fill", "p: Any, i: Any, w: Any, x: Any, first: Any", body)


@overload(q_up)  # type: ignore[untyped-decorator]
def _compiled_q_up(p: Any, x: Any, j: Any, first: Any, g: Any) -> Any:  # noqa: ARG001
    return _at(p, 0)


@overload(q_down)  # type: ignore[untyped-decorator]
def _compiled_q_down(p: Any, x: Any, j: Any, first: Any, g: Any) -> Any:  # noqa: ARG001
    return _at(p, 1)


def _at(p: Any, which: int) -> Any:
    if any(kind.ndim > 1 for kind in p.types):
        return _in_table(which)
    given = ", ".join(f"x[first + {k * LANES} + j]" for k in range(len(p.types)))
    head = "p: Any, x: Any, j: Any, first: Any, g: Any"
    return _made("at", head, [f"return q(g, {given})"], q=functions_of(p)[which])


def _in_table(which: int) -> Any:
    """The law of ``Piecewise`` where its tables lie here; to ask them for their length is slow."""

    def at(p: Any, x: Any, j: Any, first: Any, g: Any) -> Any:  # noqa: ARG001
        low, high, last = x[first + j], x[first + LANES + j], x[first - LANES + j]
        place = (min(max(g, low), high) - low) / (high - low) * last
        n = np.int64(place if place >= 0.0 else 0.0)  # nowhere, where a path ran away
        a = x[first + (2 + which + n * 2) * LANES + j]
        b = x[first + (2 + which + np.int64(min(n + 1.0, last)) * 2) * LANES + j]
        return a + (place - n) * (b - a)

    return at


def _made(name: str, given: str, body: list[str], **scope: Any) -> Any:
    """A function of so many arguments as only its text can have."""
    exec(f"def {name}({given}):\n    " + "\n    ".join(body) + "\n", scope)
    return scope[name]
