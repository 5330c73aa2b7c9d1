"""Routines by name, loaded on demand; others add theirs by entry point ``ohmloop.routines``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from ohmloop.drivers import BadInputError
from ohmloop.drivers.registry import lookup

from .routine import Routine

_PACKAGE = "ohmloop.calibration.routines"
ROUTINES: Mapping[str, str] = {
    "continuity": f"{_PACKAGE}.continuity:Continuity",
    "pulse_response": f"{_PACKAGE}.pulse_response:PulseResponse",
    "symmetric_point": f"{_PACKAGE}.symmetric_point:SymmetricPointRoutine",
    "held_out": f"{_PACKAGE}.held_out:HeldOut",
}
"""Recipe name -> routine class."""


def routine_names() -> list[str]:
    """All names, ours first."""
    return [*ROUTINES, *(point.name for point in entry_points(group="ohmloop.routines"))]


def routine_class(name: str) -> type[Routine]:
    """The class of a routine.

    Raises:
        BadInputError: no such routine, or the package that offers it is broken.
    """
    try:
        found = lookup(ROUTINES, "routines", name)
    except KeyError:
        known = ", ".join(routine_names())
        raise BadInputError(f"no routine {name!r}; known are {known}") from None
    except Exception as error:  # somebody else's package
        raise BadInputError(f"the routine {name!r} cannot be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Routine)):
        raise BadInputError(f"the routine {name!r} is no subclass of Routine")
    return found
