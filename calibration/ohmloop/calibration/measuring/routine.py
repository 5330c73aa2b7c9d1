"""A calibration routine: what is done to a chip, and what is made of it.

``acquire`` touches the chip and thinks little; ``analyse`` thinks and does not touch the chip, so
that it can be done again on kept data, years later and by newer code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ohmloop.drivers import Crossbar, PulseConditions
from ohmloop.drivers.validation import Record

from .cost import Cost
from .found_maps import found_maps
from .measured import Measured
from .session import Session

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["Plan", "Routine"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What routines find out that changes those after them.

    Attributes:
        conditions: the pulses that *up* and *down* stand for from now on.
    """

    conditions: PulseConditions

    def with_conditions(self, conditions: PulseConditions) -> Plan:
        """The same with other pulses."""
        return replace(self, conditions=conditions)


class Routine(Record, ABC):
    """One routine; its fields are its parameters, and their defaults are sound for most chips.

    Quantities with a unit are fields of type ``Volts``, ``Seconds`` and so on, given as text in a
    recipe and in Python: ``Retention(longest="1 h")``.

    Attributes:
        name: in recipes and in chip files.
        moves: whether it changes the cells: by pulses, or by voltages beyond those of reading.
    """

    name: ClassVar[str]
    moves: ClassVar[bool] = True

    @classmethod
    def summary(cls) -> str:
        """What it does, in a line: the first of its docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0].rstrip(".")

    @abstractmethod
    def cost(self, crossbar: Crossbar) -> Cost:
        """What it does at most; sends nothing."""

    @abstractmethod
    def acquire(self, session: Session) -> None:
        """Measure. Depends on parameters, ``session.rng`` and what was read, on nothing else.

        Raises:
            InstrumentError: the instruments failed; what was measured is kept.
        """

    @abstractmethod
    def analyse(self, measured: Measured) -> xr.Dataset:
        """What the measurement says: maps over (row, column) and figures, with units.

        Raises:
            BadInputError: the data do not allow it; says why.
        """

    def apply(self, found: xr.Dataset, plan: Plan) -> Plan:  # noqa: ARG002 - most change nothing
        """What ``found`` changes for the routines after this one."""
        return plan

    @classmethod
    def figure(cls, found: xr.Dataset) -> Figure | None:
        """Maps of what was found.

        The report shows it with this first line below; a routine with more to show overrides both.

        Args:
            found: what ``analyse`` gave, as made or as loaded.

        Returns:
            None where there is nothing to draw.
        """
        return found_maps(found)

    @classmethod
    def applies(cls) -> bool:
        """Whether it changes anything for those after it."""
        return cls.apply is not Routine.apply
