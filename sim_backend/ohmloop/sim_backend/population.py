"""The cells of one crossbar: their response functions, noise, and where they are at first."""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError, Characteristics

from .aligned import aligned
from .effects import Effect
from .responses import ResponseFunction

Map = NDArray[np.float32]

SOUND, STUCK_LOW, STUCK_HIGH, STUCK_ANYWHERE, SLUGGISH = range(5)
DEFECTS = ("sound", "stuck_low", "stuck_high", "stuck_anywhere", "sluggish")
"""What a cell may suffer from, by its number in ``Population.defects``."""
_MAPS = ("dg_std", "read_std", "conductance", "dg_add", "dg_slope", "dg_rest", "endurance")


def _nothing() -> Map:
    return np.zeros((), np.float32)


def _all_sound() -> NDArray[np.uint8]:
    return np.zeros((), np.uint8)


def _first(values: Map, of: Field[Any]) -> Map:
    """One value, where a map is one value for all: so that it is looked at once."""
    cells = values.ndim - of.metadata.get("axes", 0)
    return values[0, 0] if cells == 2 and values.strides[:2] == (0, 0) else values


@dataclass(frozen=True, slots=True)
class Population:
    """The cells of one crossbar; every field is a map ``(rows, columns)``, or one value for all.

    Kept in single precision, and one value for all as one value, so that large arrays stay small.

    Attributes:
        response: response function, with maps for parameters.
        dg_std: cycle-to-cycle noise of a step, relative to the step.
        read_std: read noise, relative to the conductance.
        conductance: where the cells are at first, S.
        dg_add: cycle-to-cycle noise of a step that does not depend on its size, S.
        dg_slope: the same for each siemens between the conductance and ``dg_rest``.
        dg_rest: where that is none, S.
        endurance: pulses after which a cell does not move any more; 0 = it never tires.
        defects: which cells were made stuck or sluggish, by number in ``DEFECTS``: the truth that
            tests of a chip's health are held against; what they do is in the other maps.
        effects: what stands between states and readings, in the order in which they act; each of a
            kind once, its parameters maps as well.

    Raises:
        BadInputError: names the parameter that cannot be.
    """

    response: ResponseFunction
    dg_std: Map
    read_std: Map
    conductance: Map
    dg_add: Map = field(default_factory=_nothing)
    dg_slope: Map = field(default_factory=_nothing)
    dg_rest: Map = field(default_factory=_nothing)
    endurance: Map = field(default_factory=_nothing)
    defects: NDArray[np.uint8] = field(default_factory=_all_sound)
    effects: tuple[Effect, ...] = ()

    def __post_init__(self) -> None:
        kind, shape = type(self.response), self._common_shape()
        maps = {f.name: self._map(f, getattr(self.response, f.name), shape) for f in fields(kind)}
        object.__setattr__(self, "response", kind(**maps).checked())
        for own in (f for f in fields(self) if f.name in _MAPS):
            signed = own.name in ("conductance", "dg_rest") and self.signed
            values = self._map(own, getattr(self, own.name), shape, signed)
            object.__setattr__(self, own.name, values)
        defects = np.asarray(self.defects, np.uint8)
        if defects.shape not in ((), shape) or defects.max(initial=0) >= len(DEFECTS):
            raise BadInputError(f"population: defects must be {shape} of 0 to {len(DEFECTS) - 1}")
        object.__setattr__(self, "defects", np.broadcast_to(defects, shape))
        names = [effect.name for effect in self.effects]
        if len(set(names)) < len(names):
            raise BadInputError(f"population: each effect once, not {', '.join(names)}")
        effects = tuple(self._effect(effect, shape) for effect in self.effects)
        object.__setattr__(self, "effects", effects)

    def _common_shape(self) -> tuple[int, ...]:
        """Rows and columns, as the parameters have them."""
        own = (f for f in fields(self) if f.name in _MAPS)
        for one in (*fields(self.response), *own):
            owner = self.response if one.metadata else self
            shape: tuple[int, ...] = np.shape(getattr(owner, one.name))
            shape = shape[: len(shape) - one.metadata.get("axes", 0)]
            if len(shape) == 2:
                return shape
        raise BadInputError("population: no parameter is a map (rows, columns)")

    def _effect(self, effect: Effect, shape: tuple[int, ...]) -> Effect:
        maps = {f.name: self._map(f, getattr(effect, f.name), shape) for f in fields(effect)}
        return type(effect)(**maps).checked()

    @staticmethod
    def _map(of: Field[Any], values: Any, shape: tuple[int, ...], signed: bool = True) -> Map:
        """In single precision, and of one shape; one value for all stays one value."""
        one = _first(np.asarray(values, np.float32), of)
        nodes = one.shape[one.ndim - of.metadata.get("axes", 0) :]
        try:
            found = np.broadcast_to(one, (*shape, *nodes))
        except ValueError:
            raise BadInputError(f"population: {of.name} is {one.shape}, not {shape}") from None
        low, high = one.min(initial=0), one.max(initial=0)
        endless = of.metadata.get("endless", False) and high == np.inf
        if not (np.isfinite(low) and (np.isfinite(high) or endless)):
            raise BadInputError(f"population: {of.name} must be finite")
        if low < 0 and not signed:
            raise BadInputError(f"population: {of.name} must be 0 or more")
        if found.shape == one.shape:
            return aligned(one)  # not the view, which may not be written to
        return found if found.strides[:2] == (0, 0) else aligned(found)

    def flat_parameters(self) -> list[Map]:
        """Parameters of the response function, cells on one axis: ``(n,)`` or ``(n, nodes)``."""
        count = self.conductance.size
        return [v.reshape(count, *v.shape[2:]) for v in self.response.parameters()]

    @property
    def signed(self) -> bool:
        """Whether states are weights, which may be negative."""
        return bool(self.response.g_min.min() < 0)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.response.g_min.shape
        return rows, columns

    @property
    def g_min(self) -> Map:
        """Lower bounds, S."""
        low: Map = self.response.g_min
        return low

    @property
    def g_max(self) -> Map:
        """Upper bounds, S."""
        high: Map = self.response.g_max
        return high

    @property
    def stuck(self) -> NDArray[np.bool_]:
        """Which cells were made so that no pulse moves them, ``(rows, columns)``."""
        stuck: NDArray[np.bool_] = (self.defects != SOUND) & (self.defects != SLUGGISH)
        return stuck

    def maps(self) -> dict[str, Map]:
        """All that the cells are made of, by name."""
        names = type(self.response).units
        own = {name: getattr(self, name) for name in _MAPS}
        for effect in self.effects:
            own |= {f"{effect.name}_{f.name}": getattr(effect, f.name) for f in fields(effect)}
        return dict(zip(names, self.response.parameters(), strict=True)) | own

    def characteristics(self, usable: NDArray[np.bool_] | None = None) -> Characteristics:
        """What training wants to know of the cells.

        Args:
            usable: False where a cell is not to be used; by default where it was made stuck.
        """
        known = ("g_min", "g_max", "symmetric_point", "dg_min")
        response = type(self.response)(*(v.astype(np.float64) for v in self.response.parameters()))
        return Characteristics(
            **{name: np.asarray(getattr(response, name)) for name in known},
            usable=~self.stuck if usable is None else usable,
        )
