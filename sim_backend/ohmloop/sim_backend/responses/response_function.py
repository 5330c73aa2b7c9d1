"""What every response function is: two step sizes as functions of the state, and what follows.

With ``q_up(g)`` and ``q_down(g)`` the mean sizes of the steps of one up and one down pulse,
``F = (q_down + q_up)/2`` is the symmetric and ``G = (q_down - q_up)/2`` the asymmetric part (Wu et
al., arXiv 2406.12774, section 2). States are in siemens; the same classes serve in weight units,
where bounds may be negative.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields, replace
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np

from ohmloop.drivers import BadInputError

from .checking import check_parameters
from .libraries import plain, together
from .symmetric_point import find_symmetric_point

Step = Callable[..., Any]


def parameter(
    unit: str,
    meaning: str,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    endless: bool = False,
    axes: int = 0,
) -> Any:
    """A dataclass field that is a parameter of a cell.

    Args:
        unit: ``S`` or ``1``.
        meaning: one line, as written into chip files.
        low: lowest value that it may have.
        high: highest.
        endless: whether infinity is a value.
        axes: how many axes a cell's value has itself: 1 for a table.
    """
    return field(
        metadata={
            "unit": unit,
            "meaning": meaning,
            "low": low,
            "high": high,
            "endless": endless,
            "axes": axes,
        }
    )


@dataclass(frozen=True)
class ResponseFunction(ABC):
    """Mean steps of one pulse, of one cell (floats) or of many (arrays of one shape).

    Fields come in the order in which ``law``'s functions take them, numpy arrays or torch tensors.
    A subclass is a frozen dataclass with a ``name``, more fields made by ``parameter``, a ``law``
    and ``steps`` or a ``scaled`` of its own; what has a closed form it overrides.

    Attributes:
        name: the word in configuration and chip files.
        units: unit of every parameter, ``S`` or ``1``.
        meanings: one line on every parameter.
        limits: lowest and highest value of every parameter.
        compiled: whether numba compiles the law.
        shrinking: whether steps never grow on the way to the bound that they lead to.
    """

    name: ClassVar[str] = ""
    units: ClassVar[dict[str, str]] = {}
    meanings: ClassVar[dict[str, str]] = {}
    limits: ClassVar[dict[str, tuple[float, float]]] = {}
    compiled: ClassVar[bool] = True
    steps: ClassVar[tuple[str, ...]] = ()
    shrinking: ClassVar[bool] = False

    g_min: Any = parameter("S", "lower bound of the state")
    g_max: Any = parameter("S", "upper bound of the state")

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = {k: v.metadata for k, v in vars(cls).items() if isinstance(v, Field) and v.metadata}
        first = {} if cls.units else {k: f.metadata for k, f in _bounds().items()}
        for table, entry in (("units", "unit"), ("meanings", "meaning")):
            known = {k: m[entry] for k, m in {**first, **own}.items()}
            setattr(cls, table, {**getattr(cls, table), **known})
        limits = {k: (m["low"], m["high"]) for k, m in {**first, **own}.items()}
        cls.limits = {**cls.limits, **limits}

    @staticmethod
    @abstractmethod
    def law(xp: Any) -> tuple[Step, Step]:
        """``(q_up, q_down)``, each a function of ``(g, *parameters)``, S, never negative in bounds.

        Element by element on arrays of ``xp``. With numpy they also compile by ``numba.njit`` on
        scalars, and what is float32 stays so: constants in them are ``libraries.weak``.

        Args:
            xp: numpy or torch.
        """

    def scaled(self, factor: Any) -> Self:
        """The same cells with all steps times ``factor``: sluggish below 1, stuck at 0.

        Raises:
            BadInputError: it is not known which parameters the steps are proportional to.
        """
        if not self.steps:
            raise BadInputError(
                f"{self.name}: cannot be made sluggish; name the parameters to which its steps are"
                ' proportional: user_response(..., steps=["step_up", "step_down"])'
            )
        return self._times(factor, *self.steps)

    def parameters(self) -> tuple[Any, ...]:
        """The fields in order."""
        return tuple(getattr(self, f.name) for f in fields(self))

    def q_up(self, g: Any) -> Any:
        """Mean step of an up pulse at state ``g``, S, not negative."""
        xp, values = together(g, *self.parameters())
        return plain(_law(type(self), xp)[0](*values))

    def q_down(self, g: Any) -> Any:
        """Mean size of the step of a down pulse at ``g``, S, not negative."""
        xp, values = together(g, *self.parameters())
        return plain(_law(type(self), xp)[1](*values))

    def symmetric(self, g: Any) -> Any:
        """Symmetric part ``F = (q_down + q_up)/2`` at ``g``, S."""
        return (self.q_down(g) + self.q_up(g)) / 2

    def asymmetric(self, g: Any) -> Any:
        """Asymmetric part ``G = (q_down - q_up)/2`` at ``g``, S; 0 at the symmetric point."""
        return (self.q_down(g) - self.q_up(g)) / 2

    @property
    def middle(self) -> Any:
        """Half way between the bounds, S."""
        _, (low, high) = together(self.g_min, self.g_max)
        return plain(low + (high - low) / 2)

    @property
    def symmetric_point(self) -> Any:
        """State where an up and a down step are equal, S.

        The middle of the range where they are equal everywhere; nan where they never are within
        the bounds. Of several, the lowest towards which alternating pulses drive a cell.
        """
        return find_symmetric_point(self)

    @property
    def dg_min(self) -> Any:
        """Granularity, S: mean of both steps at the symmetric point; mid-range without one."""
        xp, (point, middle) = together(self.symmetric_point, self.middle)
        return self.symmetric(xp.where(xp.isnan(point), middle, point))

    @property
    def states(self) -> Any:
        """Range over granularity; infinite for a stuck cell."""
        _, (low, high, size) = together(self.g_min, self.g_max, self.dg_min)
        with np.errstate(divide="ignore", over="ignore"):
            return plain((high - low) / size)

    def after(self, g: Any, up: Any, down: Any = 0) -> Any:
        """Mean-field state after ``up`` up pulses and then ``down`` down pulses, S.

        Args:
            g: state at first, within the bounds, S.
            up: how many; a number, or one for each cell.
            down: how many after them.
        """
        xp, (g, up, down, *values) = together(g, up, down, *self.parameters())
        return plain(self._downs(xp, self._ups(xp, g, up, *values), down, *values))

    def _ups(self, xp: Any, g: Any, count: Any, *values: Any) -> Any:
        for k in range(_most(count)):
            g = xp.where(count > k, xp.minimum(g + self.q_up(g), values[1]), g)
        return g

    def _downs(self, xp: Any, g: Any, count: Any, *values: Any) -> Any:
        for k in range(_most(count)):
            g = xp.where(count > k, xp.maximum(g - self.q_down(g), values[0]), g)
        return g

    def _times(self, factor: Any, *names: str) -> Self:
        """With the parameters ``names`` times ``factor``."""
        return replace(self, **{name: getattr(self, name) * factor for name in names})

    def checked(self) -> Self:
        """Itself, when every parameter can be.

        Raises:
            BadInputError: names the parameter, its value, and the first cell that has it.
        """
        check_parameters(self)
        return self


def _bounds() -> dict[str, Field[Any]]:
    return {f.name: f for f in fields(ResponseFunction)}


@cache
def _law(family: type[ResponseFunction], xp: Any) -> tuple[Step, Step]:
    return family.law(xp)


def _most(count: Any) -> int:
    return int(count.max()) if 0 not in count.shape else 0
