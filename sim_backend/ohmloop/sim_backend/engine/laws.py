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

from ohmloop.sim_backend.responses import RESPONSES, ResponseFunction, response_class

from .kernel_noise import compiled

_FAMILIES: dict[type[Any], type[ResponseFunction]] = {}


@cache
def parameters_of(response: type[ResponseFunction]) -> type[Any]:
    """The named tuple type of a response function's parameters."""
    names = [f.name for f in fields(response)]
    made = namedtuple(_type_name(response), names)  # type: ignore[misc]
    made.__module__ = __name__
    _FAMILIES[made] = response
    return made


def built_in(response: type[ResponseFunction]) -> bool:
    """Whether its law is part of this package, so that compiled code may be kept."""
    return response.name in RESPONSES and response is response_class(response.name)


def __getattr__(name: str) -> Any:
    """Parameter types by name, which numba asks for where it kept code of another process."""
    for word in RESPONSES:
        if _type_name(response_class(word)) == name:
            return parameters_of(response_class(word))
    raise AttributeError(name)


def _type_name(response: type[ResponseFunction]) -> str:
    return f"{response.__name__}Parameters"


def q_up(p: Any, i: Any, g: Any) -> Any:
    """Mean step up of cell i at conductance ``g``; for compiled code only."""
    raise NotImplementedError


def q_down(p: Any, i: Any, g: Any) -> Any:
    """Mean step down; for compiled code only."""
    raise NotImplementedError


@overload(q_up)  # type: ignore[untyped-decorator]
def _compiled_q_up(p: Any, i: Any, g: Any) -> Any:  # noqa: ARG001
    return _at(functions_of(p)[0], p)


@overload(q_down)  # type: ignore[untyped-decorator]
def _compiled_q_down(p: Any, i: Any, g: Any) -> Any:  # noqa: ARG001
    return _at(functions_of(p)[1], p)


def window(p: Any, first: Any, w: Any) -> Any:
    """The parameters of ``w`` cells from ``first`` on; for compiled code only."""
    raise NotImplementedError


@overload(window)  # type: ignore[untyped-decorator]
def _compiled_window(p: Any, first: Any, w: Any) -> Any:  # noqa: ARG001
    kind = p.instance_class
    parts = ", ".join(f"p[{k}][first : first + w]" for k in range(len(kind._fields)))
    scope = {"kind": kind}
    exec(f"def part(p: Any, first: Any, w: Any):\n    return kind({parts})\n", scope)
    return scope["part"]


def functions_of(p: Any) -> tuple[Any, Any]:
    """The step functions of the family that a type of parameters belongs to, compiled."""
    return _compiled_law(_FAMILIES[p.instance_class])


@cache
def _compiled_law(response: type[ResponseFunction]) -> tuple[Any, Any]:
    up, down = response.law(np)
    return compiled(up), compiled(down)


def _at(q: Any, p: Any) -> Callable[..., Any]:
    """``q`` of cell i; numba spreads no tuple over arguments, so they are spelled out.

    Numba wants the annotations of the functions above, as they are written there.
    """
    given = ", ".join(f"p[{k}][i]" for k in range(len(p.instance_class._fields)))
    scope = {"q": q}
    exec(f"def at(p: Any, i: Any, g: Any):\n    return q(g, {given})\n", scope)
    found: Callable[..., Any] = scope["at"]
    return found
