"""Response functions made ready for kernels.

Parameters travel as a named tuple of maps whose type belongs to one response function, so numba
compiles every kernel once for each of them, and keeps it for the next process.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
from numba.extending import overload

from .kernel_noise import compiled

_FAMILIES: dict[type[Any], type[Any]] = {}


@cache
def parameters_of(response: type[Any]) -> type[Any]:
    """The named tuple type of a response function's parameters."""
    names = [f.name for f in fields(response)]
    made = namedtuple(f"{response.__name__}Parameters", names)  # type: ignore[misc]  # noqa: PYI024
    made.__module__ = __name__
    globals()[made.__name__] = made
    _FAMILIES[made] = response
    return made


def q_up(p: Any, i: Any, g: Any) -> Any:
    """Mean step up of cell i at conductance ``g``; for compiled code only."""
    raise NotImplementedError


def q_down(p: Any, i: Any, g: Any) -> Any:
    """Mean step down; for compiled code only."""
    raise NotImplementedError


@overload(q_up)  # type: ignore[untyped-decorator]
def _compiled_q_up(p: Any, i: Any, g: Any) -> Any:  # noqa: ARG001
    return _compiled(p.instance_class)[0]


@overload(q_down)  # type: ignore[untyped-decorator]
def _compiled_q_down(p: Any, i: Any, g: Any) -> Any:  # noqa: ARG001
    return _compiled(p.instance_class)[1]


@cache
def _compiled(parameters: type[Any]) -> tuple[Callable[..., Any], ...]:
    """``q(p, i, g)`` both ways; numba spreads no tuple over arguments, so it is spelled out."""
    response = _FAMILIES[parameters]
    given = ", ".join(f"p[{k}][i]" for k in range(len(fields(response))))
    found = []
    for q in response.law(np):
        scope = {"q": compiled(q)}
        # Numba wants the annotations of the functions above, as they are written.
        exec(f"def at(p: Any, i: Any, g: Any):\n    return q(g, {given})\n", scope)
        found.append(scope["at"])
    return tuple(found)
