"""Quantities as text with a unit, turned into SI floats once, at the edge.

Configuration says ``150 mV``; everything inside is a float in volts. A bare number, a wrong
dimension or an unknown unit is refused here, so no other module ever sees one.
"""

from __future__ import annotations

import math
import re
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator

if TYPE_CHECKING:
    from pint import UnitRegistry

# One number with a point, then a unit: no sums, no powers, no "1,5" that would read as 15.
_QUANTITY = re.compile(r"\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*([^\W\d_]+)?\s*")
_LONGEST = 100  # characters; what takes a quantity apart takes the square of them
_NAMES = {"V": "voltage", "A": "current", "s": "time", "S": "conductance", "ohm": "resistance"}
_EXAMPLES = {"V": "150 mV", "A": "1 mA", "s": "2 us", "S": "20 uS", "ohm": "10 kohm"}


@cache
def _registry() -> UnitRegistry[Any]:
    from pint import UnitRegistry

    return UnitRegistry(cache_folder=None)


def to_si(text: object, *, unit: str) -> float:
    """Read a quantity such as ``"150 mV"`` as a float in SI ``unit``.

    Args:
        text: the quantity with its unit.
        unit: one of ``V``, ``A``, ``s``, ``S``, ``ohm``.

    Raises:
        ValueError: no unit, a unit of another dimension, or not a finite number.
    """
    wanted, example = _NAMES[unit], _EXAMPLES[unit]
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise ValueError(f"{text!r} has no unit; write a {wanted} such as '{example}'")
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not a {wanted}; write one such as '{example}'")
    return _convert(text, unit, wanted, example)


@lru_cache(1024)
def _convert(text: str, unit: str, wanted: str, example: str) -> float:
    if len(text) > _LONGEST or not _QUANTITY.fullmatch(text):
        raise ValueError(f"{text!r} is not a {wanted}; write one such as '{example}'")
    try:
        quantity: Any = _registry().Quantity(text)
    except Exception as error:  # pint raises many kinds, tokenizer errors among them
        raise ValueError(f"{text!r} is not a {wanted}; write one such as '{example}'") from error
    if quantity.dimensionless:
        raise ValueError(f"{text!r} has no unit; write a {wanted} such as '{example}'")
    if not quantity.is_compatible_with(unit):
        raise ValueError(f"{text!r} is not a {wanted}; write one such as '{example}'")
    value = float(quantity.to(unit).magnitude)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite {wanted}")
    if value == 0 and re.search(r"[1-9]", text.lower().partition("e")[0]):
        raise ValueError(f"{text!r} is too small a {wanted} to be told from 0")
    return _tidy(value)


def _tidy(value: float) -> float:
    """Undo the last-digit noise of unit conversion, so that '150 mV' is exactly 0.15."""
    return float(f"{value:.15g}")


def with_unit(value: float, unit: str) -> str:
    """Write an SI value for a person: ``with_unit(2e-6, "s")`` is ``"2 us"``."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    prefixes = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}
    power = min(max(3 * math.floor(math.log10(abs(value)) / 3 + 1e-12), -15), 9)
    return f"{value / 10.0**power:.4g} {prefixes[power]}{unit}"


def within(unit: str, low: float, high: float) -> AfterValidator:
    """Marks the range of a quantity; what is beyond is refused in its unit."""

    def check(value: float) -> float:
        if not low <= value <= high:
            raise ValueError(
                f"must be from {with_unit(low, unit)} to {with_unit(high, unit)},"
                f" not {with_unit(value, unit)}"
            )
        return value

    return AfterValidator(check)


Volts = Annotated[float, BeforeValidator(partial(to_si, unit="V"))]
"""A voltage in V, configured as text."""
Amperes = Annotated[float, BeforeValidator(partial(to_si, unit="A"))]
"""A current in A, configured as text."""
Seconds = Annotated[float, BeforeValidator(partial(to_si, unit="s"))]
"""A time in s, configured as text."""
Siemens = Annotated[float, BeforeValidator(partial(to_si, unit="S"))]
"""A conductance in S, configured as text."""
Ohms = Annotated[float, BeforeValidator(partial(to_si, unit="ohm"))]
"""A resistance in ohm, configured as text."""
