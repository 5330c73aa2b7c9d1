"""The cells of one crossbar: their response functions, noise, and where they are at first."""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError, Characteristics

from .responses import ResponseFunction

Map = NDArray[np.float32]


def _nothing() -> Map:
    return np.zeros((), np.float32)


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
        endurance: pulses after which a cell does not move any more; 0 = it never tires.

    Raises:
        BadInputError: names the parameter that cannot be.
    """

    response: ResponseFunction
    dg_std: Map
    read_std: Map
    conductance: Map
    dg_add: Map = field(default_factory=_nothing)
    endurance: Map = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        kind, shape = type(self.response), self._common_shape()
        maps = {f.name: self._map(f, getattr(self.response, f.name), shape) for f in fields(kind)}
        object.__setattr__(self, "response", kind(**maps).checked())
        for own in fields(self)[1:]:
            values = self._map(own, getattr(self, own.name), shape)
            if not values.min() >= 0 and not (own.name == "conductance" and self._signed):
                raise BadInputError(f"population: {own.name} must be 0 or more")
            object.__setattr__(self, own.name, values)

    def _common_shape(self) -> tuple[int, ...]:
        """Rows and columns, as the parameters have them."""
        for one in (*fields(self.response), *fields(self)[1:]):
            owner = self.response if one.metadata else self
            shape: tuple[int, ...] = np.shape(getattr(owner, one.name))
            shape = shape[: len(shape) - one.metadata.get("axes", 0)]
            if len(shape) == 2:
                return shape
        raise BadInputError("population: no parameter is a map (rows, columns)")

    @staticmethod
    def _map(of: Field[Any], values: Any, shape: tuple[int, ...]) -> Map:
        """In single precision, and of one shape; one value for all stays one value."""
        found = np.asarray(values, np.float32)
        nodes = found.shape[found.ndim - of.metadata.get("axes", 0) :]
        try:
            found = np.broadcast_to(found, (*shape, *nodes))
        except ValueError:
            raise BadInputError(f"population: {of.name} is {found.shape}, not {shape}") from None
        low, high = found.min(initial=0), found.max(initial=0)
        if not (np.isfinite(low) and np.isfinite(high)):
            raise BadInputError(f"population: {of.name} must be finite")
        return found if found.strides[:2] == (0, 0) else np.ascontiguousarray(found)

    def flat_parameters(self) -> list[Map]:
        """Parameters of the response function, cells on one axis: ``(n,)`` or ``(n, nodes)``."""
        count = self.conductance.size
        return [v.reshape(count, *v.shape[2:]) for v in self.response.parameters()]

    @property
    def _signed(self) -> bool:
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

    def maps(self) -> dict[str, Map]:
        """All that the cells are made of, by name."""
        names = type(self.response).units
        own = {f.name: getattr(self, f.name) for f in fields(self)[1:]}
        return dict(zip(names, self.response.parameters(), strict=True)) | own

    def characteristics(self, usable: NDArray[np.bool_] | None = None) -> Characteristics:
        """What training wants to know of the cells."""
        known = ("g_min", "g_max", "symmetric_point", "dg_min")
        response = type(self.response)(*(v.astype(np.float64) for v in self.response.parameters()))
        return Characteristics(
            **{name: np.asarray(getattr(response, name)) for name in known},
            usable=np.ones(self.shape, bool) if usable is None else usable,
        )
