"""A user's own response function, from two Python functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, make_dataclass
from typing import Any, ClassVar

from ohmloop.drivers import BadInputError

from .compiling import compiles
from .response_function import ResponseFunction, Step, parameter

_UNITS = ("S", "1")


class UserResponse(ResponseFunction):
    """Base of the classes that ``user_response`` makes."""

    functions: ClassVar[tuple[Step, Step]]

    @classmethod
    def law(cls, xp: Any) -> tuple[Step, Step]:  # noqa: ARG003
        """The user's functions, whatever the library."""
        return cls.functions


_TAKEN = {*dir(UserResponse), *(f.name for f in fields(UserResponse))}


def user_response(
    name: str,
    q_up: Callable[..., Any],
    q_down: Callable[..., Any],
    parameters: Mapping[str, str],
    *,
    meanings: Mapping[str, str] | None = None,
    limits: Mapping[str, tuple[float, float]] | None = None,
    steps: Sequence[str] = (),
    compiled: bool | None = None,
) -> type[UserResponse]:
    """Make a class of response functions, to be used like those that are built in.

    Args:
        name: the word in configuration and chip files, such as ``my-device``.
        q_up: ``q_up(g, g_min, g_max, *parameters)``, the mean step of an up pulse, S; on numpy
            arrays, element by element. In plain arithmetic it serves torch and numba as well.
        q_down: the same for down pulses; a size, so not negative.
        parameters: name -> unit (``S`` or ``1``), in the order of the functions' arguments.
        meanings: one line on each, for chip files.
        limits: lowest and highest value of each.
        steps: parameters to which all steps are proportional; what makes a cell sluggish.
        compiled: whether numba compiles both on scalars; tried if not given.

    Raises:
        BadInputError: a unit that is not one, or an entry for a parameter that there is not.
    """
    for key, unit in parameters.items():
        if unit not in _UNITS or not key.isidentifier() or key in _TAKEN:
            raise BadInputError(
                f"{name}: parameter {key!r} in {unit!r}: give a name in S or 1, and not one that"
                " every response function has"
            )
    for key in (*(meanings or ()), *(limits or ()), *steps):
        if key not in parameters:
            raise BadInputError(f"{name}: no parameter {key!r}; it has {', '.join(parameters)}")
    entries = [
        (
            key,
            Any,
            parameter(unit, (meanings or {}).get(key, key), *(limits or {}).get(key, ())),
        )
        for key, unit in parameters.items()
    ]
    known = compiles((q_up, q_down), 3 + len(parameters)) if compiled is None else compiled
    members = {
        "__doc__": f"User's own response function {name!r}.",
        "name": name,
        "functions": (q_up, q_down),
        "steps": tuple(steps),
        "compiled": known,
    }
    return make_dataclass(
        "".join(part.title() for part in name.split("-")),
        entries,
        bases=(UserResponse,),
        namespace=members,
        frozen=True,
    )
