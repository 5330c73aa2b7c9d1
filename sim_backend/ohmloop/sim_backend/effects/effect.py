"""What every effect is: a conductance goes in, the one that a reading finds comes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from ohmloop.sim_backend.arrays import Arrays
from ohmloop.sim_backend.responses.checking import check_limits


@dataclass(frozen=True, slots=True)
class Moment:
    """Which cells are looked at, and when; arrays of the cells' library, one entry a cell.

    Attributes:
        arrays: the library.
        seed: of the device noise.
        cells: flat indices, int64.
        pulses: that each cell had, int64; for one that is worn out, those that moved it.
        now: time on the crossbar's clock, s.
        age: time since each cell's last pulse, s, float64; none where no effect needs it.
        voltage: at which they are looked at, V, row against column: one number, or one a cell.
        read_voltage: at which a conductance is what it is said to be, V.
    """

    arrays: Arrays
    seed: int
    cells: Any
    pulses: Any
    now: float
    age: Any = None
    voltage: Any = 1.0
    read_voltage: float = 1.0


@dataclass(frozen=True)
class Effect(ABC):
    """Something that stands between the state of a cell and what is read of it.

    A subclass is a frozen dataclass; its fields are made by ``parameter``, each a number or a map
    ``(rows, columns)``.

    Attributes:
        name: first part of its keys in a specification and of its maps in a chip file.
        defaults: parameters that a specification may leave out, SI.
        timed: whether it depends on time.
        aging: whether it depends on the time since a cell's last pulse.
        lasting: whether the state itself changes, so that the next pulse starts from there.
        of_pulses: whether it is about how pulses act, and not about what is read.
    """

    name: ClassVar[str] = ""
    defaults: ClassVar[dict[str, float]] = {}
    timed: ClassVar[bool] = False
    aging: ClassVar[bool] = False
    lasting: ClassVar[bool] = False
    of_pulses: ClassVar[bool] = False

    @abstractmethod
    def seen(self, g: Any, moment: Moment) -> Any:
        """What is seen of conductances ``g`` (S, float64), with parameters one entry a cell."""

    def without(self, cells: Any) -> Self:  # noqa: ARG002
        """With stuck ``cells`` (a map of bool) left alone, where it is about their state."""
        return self

    def at(self, cells: Any) -> Self:
        """Of some cells, where the maps are flat and one value may stand for all."""
        return self._mapped(lambda values: values if values.shape[0] == 1 else values[cells])

    def flat(self, arrays: Arrays) -> Self:
        """Maps as flat float64 arrays of a library, one value for all as one entry."""

        def put(values: Any) -> Any:
            one = values.strides == (0, 0)
            return arrays.asarray((values[:1, :1] if one else values).ravel().astype(np.float64))

        return self._mapped(put)

    def _mapped(self, function: Any) -> Self:
        return replace(self, **{f.name: function(getattr(self, f.name)) for f in fields(self)})

    def checked(self) -> Self:
        """Itself, when every parameter can be.

        Raises:
            BadInputError: names the parameter, its value, and the first cell that has it.
        """
        check_limits(self, {f.name: (f.metadata["low"], f.metadata["high"]) for f in fields(self)})
        return self
