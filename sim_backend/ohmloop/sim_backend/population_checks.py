"""What is wrong with a specification of cells, key by key."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from ohmloop.drivers.units import to_si, with_unit

from .population_keys import (
    BOUNDS,
    DISTRIBUTION,
    LOG_NORMAL,
    NORMAL,
    SPREAD,
    Quantity,
    defaults,
    effects_in,
    of_effect,
    of_response,
    quantities,
    shared_keys,
    spoken,
)
from .responses import response_class


class Problems:
    """Collected, and refused all at once, each under its key.

    Args:
        title: of the record that is being made.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._found: list[InitErrorDetails] = []

    def add(self, key: str, value: Any, problem: str) -> None:
        """One more."""
        text = problem.replace("{", "(").replace("}", ")")  # braces are pydantic's own
        error = PydanticCustomError("value_error", text)
        self._found.append(InitErrorDetails(type=error, loc=(key,), input=value))

    def refuse(self) -> None:
        """Raise where there are any.

        Raises:
            ValidationError: all of them.
        """
        if self._found:
            raise ValidationError.from_exception_data(self.title, self._found)


def checked_keys(
    model: str, given: Mapping[str, Any], problems: Problems, others: tuple[str, ...]
) -> dict[str, Any]:
    """What is given of a model's quantities, in SI.

    Args:
        model: a response function by name.
        given: key -> value as written.
        problems: what is wrong is added here.
        others: keys that the specification has besides, for the message.
    """
    known = {key: q for q in quantities(model) for key in q.keys}
    known |= {key: pair[0] for key, pair in shared_keys(model).items() if key not in known}
    found: dict[str, Any] = {}
    for key, value in given.items():
        if key not in known:
            problems.add(key, value, _unknown(model, others))
            continue
        try:
            found[key] = _read(key, known[key], value)
        except ValueError as error:
            problems.add(key, value, str(error))
    whole = defaults(model, given) | found
    kind = response_class(model)
    _check_missing(f"a cell of {model}", of_response(kind), whole, given, problems)
    for effect in effects_in(given):
        _check_missing(f"{effect.name} noise or loss", of_effect(effect), whole, given, problems)
    if "flicker_std" in whole and not whole["flicker_shortest"] < whole["flicker_longest"]:
        shortest = with_unit(whole["flicker_shortest"], "s")
        problems.add("flicker_longest", None, f"must be longer than flicker_shortest, {shortest}")
    _check_forming(whole, problems)
    for q in quantities(model):
        if q.name in whole:
            _check_spread(q, whole, found, problems)
    for key, pair in shared_keys(model).items():
        if found.get(key) and key.endswith(SPREAD) and not any(_any(whole, q) for q in pair):
            names = " and ".join(q.name for q in pair)
            problems.add(key, found[key], f"is relative to {names}, which are not given")
    if all(q.name in whole for q in of_response(kind)):
        _check_cell(model, whole, problems)
    return found


def _any(whole: Mapping[str, Any], quantity: Quantity) -> bool:
    return bool(np.any(whole.get(quantity.name, 0.0)))


def _check_forming(whole: Mapping[str, Any], problems: Problems) -> None:
    """A pristine cell conducts less than a formed one, and a broken one more."""
    if "forming_voltage" not in whole:
        return
    for key, bound, wrong in (("forming_pristine", "g_min", 1), ("forming_short", "g_max", -1)):
        if bound in whole and (whole[key] - whole[bound]) * wrong >= 0:
            how = "below" if wrong > 0 else "above"
            problem = f"must be {how} {bound}, {with_unit(whole[bound], 'S')}"
            problems.add(key, whole[key], problem)


def _check_missing(
    what: str,
    quantities_: Iterable[Quantity],
    whole: Mapping[str, Any],
    given: Mapping[str, Any],
    problems: Problems,
) -> None:
    for q in quantities_:
        if q.needed and q.name not in whole and q.name not in given:
            problems.add(q.name, None, f"is missing; {what} needs it")


def _unknown(model: str, others: tuple[str, ...]) -> str:
    names = ", ".join(q.name for q in quantities(model))
    return (
        f"unknown key; known are model, {names}, each of these also with {SPREAD} and"
        f" {DISTRIBUTION}, and {', '.join(key for key in others if key != 'model')}"
    )


def _read(key: str, quantity: Quantity, value: Any) -> Any:
    if key.endswith(DISTRIBUTION):
        if value not in (NORMAL, LOG_NORMAL):
            raise ValueError(f"must be {NORMAL} or {LOG_NORMAL}, not {value!r}")
        if value == LOG_NORMAL and quantity.low < 0:
            raise ValueError(f"{LOG_NORMAL} is for what cannot be negative; {quantity.name} can")
        return value
    if key.endswith(SPREAD):
        return _bounded(_plain(value), 0, 1, "1")
    if not quantity.axes:
        return _one(quantity, value)
    nodes = value.split(",") if isinstance(value, str) else value
    if not isinstance(nodes, list | tuple) or len(nodes) < 2:
        raise ValueError(f"must be a list of at least 2 values, not {value!r}")
    return [_one(quantity, node) for node in nodes]


def _one(quantity: Quantity, value: Any) -> float:
    number = _plain(value) if quantity.unit == "1" else to_si(value, unit=quantity.unit)
    return _bounded(number, quantity.low, quantity.high, quantity.unit)


def _plain(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, not {value!r}")
    return float(value)


def _bounded(value: float, low: float, high: float, unit: str) -> float:
    if not math.isfinite(value):
        raise ValueError(f"must be a finite number, not {value}")
    if not low <= value <= high:
        least, most, written = (_text(v, unit) for v in (low, high, value))
        range_ = f"at least {least}" if high == math.inf else f"from {least} to {most}"
        range_ = f"at most {most}" if low == -math.inf else range_
        raise ValueError(f"must be {range_}, not {written}")
    return value


def _text(value: float, unit: str) -> str:
    return f"{value:g}" if unit == "1" else with_unit(value, unit)


def _check_spread(
    q: Quantity, whole: Mapping[str, Any], given: Mapping[str, Any], problems: Problems
) -> None:
    """Spreads are relative, and leave a median room up to what a quantity may be at most."""
    kind = spoken(whole, q.name, DISTRIBUTION) or q.distribution
    mean = np.asarray(whole[q.name])
    spread = spoken(whole, q.name, SPREAD)
    if kind == LOG_NORMAL and spread and (mean > q.high / 2).any():
        problems.add(
            q.name, whole[q.name], f"must be at most {q.high / 2:g}: spread goes up to {q.high:g}"
        )
    own = q.name + SPREAD
    if given.get(own) and not mean.any():
        problems.add(own, given[own], f"is relative to {q.name}, which is 0; leave it out")


def _check_cell(model: str, whole: Mapping[str, Any], problems: Problems) -> None:
    """Of a cell without spread: bounds in order, and steps both ways."""
    low, high = (whole[name] for name in BOUNDS)
    if not low < high:
        key = "g_max" if high == 0 else "g_min"
        problems.add(
            key,
            whole[key],
            f"g_min must lie below g_max, not {with_unit(low, 'S')} and {with_unit(high, 'S')}",
        )
        return
    names = [q.name for q in of_response(response_class(model))]
    lengths = {len(whole[n]) for n in names if isinstance(whole[n], list)}
    if len(lengths) > 1:
        problems.add(names[-1], whole[names[-1]], f"tables differ in their nodes: {lengths}")
        return
    cell = response_class(model)(*(np.asarray(whole[n], float) for n in names))
    for way, q in (("up", cell.q_up), ("down", cell.q_down)):
        if not q(cell.middle) > 0:
            key = next((n for n in names if n.endswith(f"_{way}")), "model")
            problems.add(
                key, whole.get(key), f"a cell does not move on a pulse {way} at mid-range; say more"
            )
