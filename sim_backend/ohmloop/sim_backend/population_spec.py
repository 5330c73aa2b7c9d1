"""Cells drawn with a spread from device to device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from ohmloop.drivers import BadInputError
from ohmloop.drivers.validation import Record

from .defects import CellChoice, apply_defects
from .draws import between, draw
from .effects import Effect, Forming, Telegraph
from .population import Population
from .population_checks import Problems, checked_keys
from .population_keys import NOISE, defaults, effects_in, of_effect, of_response, quantities
from .responses import response_class

Share = Annotated[float, Field(ge=0, le=1)]


class PopulationSpec(Record):
    """How cells are made: means, and relative spreads from cell to cell (``_dtod``).

    Besides the attributes below it has a key for every parameter of its response function, by its
    own name (``g_min``, ``slope_up``), for ``dg_std``, ``dg_add``, ``dg_slope``, ``dg_rest``,
    ``read_std`` and ``endurance``,
    and for every parameter of an effect, led by the effect's name (``drift_nu``). Each key ``x``
    comes with ``x_dtod``, a relative spread of 0 to 1, and with ``x_distribution``:

    * ``normal``: mean x, standard deviation ``x * x_dtod``, cut at three of them, and above a tenth
      of the mean where x cannot be negative;
    * ``log-normal``: median x, ``x_dtod`` the standard deviation of its logarithm. So spread, if
      nothing is said, parameters that cannot be negative, bounds excepted.

    ``slope_dtod`` speaks of ``slope_up`` and ``slope_down`` at once, each drawn by itself, and so
    for every such pair. Quantities are given as text with their unit, and kept in SI.

    Attributes:
        model: the response function.
        start: where fresh cells are: anywhere in the middle of the range, or at the lower bound.
        stuck_low: share of cells that stay at their lower bound, or ``[[row, column], ...]``.
        stuck_high: the same of cells at their upper bound.
        stuck_anywhere: the same of cells somewhere in between.
        sluggish: the same of cells whose steps are ``sluggish_factor`` times as large.
        sluggish_factor: 0 to 1.
        telegraph_share: share of cells that have a trap, where ``telegraph_...`` keys are given.
        forming_share: share of cells that have to be formed, where ``forming_...`` keys are.

    Raises:
        ValidationError: names the key: unknown, missing, no such value, or at odds with another.
    """

    model_config = ConfigDict(extra="allow")

    model: str = "soft-bounds"
    start: Literal["random", "low"] = "random"
    stuck_low: CellChoice = 0.0
    stuck_high: CellChoice = 0.0
    stuck_anywhere: CellChoice = 0.0
    sluggish: CellChoice = 0.0
    sluggish_factor: Share = 0.1
    telegraph_share: Share = 1.0
    forming_share: Share = 1.0

    @model_validator(mode="before")
    @classmethod
    def _checked(cls, data: Any) -> Any:
        """Keys of the model's quantities in SI, with what is so where nothing is said."""
        if not isinstance(data, Mapping):
            return data
        model = data.get("model", "soft-bounds")
        own = {key: data[key] for key in data if key in cls.model_fields}
        problems = Problems(cls.__name__)
        try:
            response_class(model if isinstance(model, str) else str(model))
        except BadInputError as error:
            problems.add("model", model, str(error))
            problems.refuse()
        others = {key: data[key] for key in data if key not in own}
        found = checked_keys(model, others, problems, tuple(cls.model_fields))
        problems.refuse()
        return own | defaults(model, found) | found


def spec_from_text(model: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Keys of a name such as ``sim:soft-bounds?g_max=90 uS``, numbers without a unit as numbers."""
    units = {key: q.unit for q in quantities(model) for key in q.keys[:1]}
    return {
        "model": model,
        **{k: v if units.get(k, "1") != "1" else _number(v) for k, v in given.items()},
    }


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def sample(spec: PopulationSpec, shape: tuple[int, int], rng: np.random.Generator) -> Population:
    """Draw the cells of one crossbar.

    Args:
        spec: means and spreads.
        shape: rows and columns.
        rng: the generator; the same state gives the same cells.

    Raises:
        BadInputError: the bounds of a cell cross, or a named cell is beyond the crossbar.
    """
    kind, values = response_class(spec.model), spec.model_extra or {}
    parameters = [draw(q, values, shape, rng) for q in of_response(kind)]
    low, high = parameters[:2]
    start = np.broadcast_to(low, shape) if spec.start == "low" else between(low, high, shape, rng)
    noise: dict[str, Any] = {q.name: draw(q, values, shape, rng) for q in NOISE}
    effects = tuple(_effect(e, spec, values, shape, rng) for e in effects_in(values))
    for forming in (e for e in effects if isinstance(e, Forming)):
        start = np.where(forming.voltage > 0, forming.pristine, start)
    population = Population(kind(*parameters), conductance=start, effects=effects, **noise)
    return apply_defects(population, spec, rng)


def _effect(
    kind: type[Effect],
    spec: PopulationSpec,
    values: Mapping[str, Any],
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> Effect:
    effect = kind(*(draw(q, values, shape, rng) for q in of_effect(kind)))
    if isinstance(effect, Telegraph) and spec.telegraph_share < 1:
        trapped = rng.random(shape, np.float32) < spec.telegraph_share
        return replace(effect, amplitude=effect.amplitude * trapped)
    if isinstance(effect, Forming) and spec.forming_share < 1:
        pristine = rng.random(shape, np.float32) < spec.forming_share
        return replace(effect, voltage=effect.voltage * pristine)
    return effect
