"""Families by name."""

from __future__ import annotations

import re

from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.responses import ResponseFunction, response_class, response_names

from .curved import ExponentialFamily, OneMinusExpFamily, PowerFamily
from .family import Family
from .piecewise import PiecewiseFamily
from .soft_bounds import SoftBoundsFamily
from .straight import ConstantFamily, LinearFamily, NeuroSimFamily
from .third_party import ThirdPartyFamily

Candidate = type[ResponseFunction] | Family
"""What can be fitted, besides what has a name."""

_MADE: dict[str, type[Family]] = {
    f.name: f
    for f in (
        ConstantFamily,
        SoftBoundsFamily,
        LinearFamily,
        NeuroSimFamily,
        PowerFamily,
        ExponentialFamily,
        OneMinusExpFamily,
    )
}
NODES = 9
"""Of piecewise functions, if nothing is said."""
FAMILIES = (*_MADE, "piecewise-5", "piecewise-9", "piecewise-17")
"""What a choice is made from, from the simplest on."""


def family_of(name: str | Candidate) -> Family:
    """The family of a name, such as ``soft-bounds`` or ``piecewise-9``; of a response function too.

    Raises:
        BadInputError: nobody offers it.
    """
    if isinstance(name, Family):
        return name
    if not isinstance(name, str):
        known = _MADE.get(name.name)
        if known is not None and known.response is name:
            return known()
        return PiecewiseFamily(NODES) if name.name == "piecewise" else ThirdPartyFamily(name)
    if name in _MADE:
        return _MADE[name]()
    tables = re.fullmatch(r"piecewise(?:-(\d+))?", name)
    if tables:
        nodes = int(tables[1] or NODES)
        if nodes < 2:
            raise BadInputError(f"{name}: a table has at least 2 nodes")
        return PiecewiseFamily(nodes)
    if name not in response_names():
        known_names = ", ".join((*FAMILIES, *response_names()))
        raise BadInputError(f"no response function {name!r} to fit; known are {known_names}")
    return ThirdPartyFamily(response_class(name))
