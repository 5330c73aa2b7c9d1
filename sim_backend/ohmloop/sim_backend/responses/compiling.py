"""Whether numba can compile a pair of step functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compiles(functions: tuple[Callable[..., Any], Callable[..., Any]], arguments: int) -> bool:
    """Try both on float64 scalars.

    Args:
        functions: ``q_up`` and ``q_down``.
        arguments: how many they take.
    """
    import numba

    signature = numba.float64(*[numba.float64] * arguments)
    try:
        for function in functions:
            numba.njit(signature)(function)
    except (numba.core.errors.NumbaError, TypeError):
        return False
    return True
