"""Response functions by name, loaded on demand.

Third parties extend the table by entry points of the group ``ohmloop.responses``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from ohmloop.drivers import BadInputError
from ohmloop.drivers.registry import lookup

from .response_function import ResponseFunction

_HERE = "ohmloop.sim_backend.responses"
RESPONSES: Mapping[str, str] = {
    "constant-step": f"{_HERE}.constant_step:ConstantStep",
    "linear-step": f"{_HERE}.linear_step:LinearStep",
    "soft-bounds": f"{_HERE}.soft_bounds:SoftBounds",
    "power-step": f"{_HERE}.power_step:PowerStep",
    "exponential-step": f"{_HERE}.exponential_step:ExponentialStep",
    "one-minus-exp-step": f"{_HERE}.one_minus_exp_step:OneMinusExpStep",
    "neurosim-step": f"{_HERE}.neurosim_step:NeuroSimStep",
    "piecewise": f"{_HERE}.piecewise:Piecewise",
}
"""Name in configuration and chip files -> class."""


def response_names() -> list[str]:
    """All names known here."""
    return [*RESPONSES, *(p.name for p in entry_points(group="ohmloop.responses"))]


def response_class(name: str) -> type[ResponseFunction]:
    """The response function of a name.

    Raises:
        BadInputError: nobody offers it.
    """
    try:
        found: type[ResponseFunction] = lookup(RESPONSES, "responses", name)
    except KeyError:
        known = ", ".join(response_names())
        raise BadInputError(f"no response function {name!r}; known are {known}") from None
    return found
