"""What writing may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ohmloop.drivers import BadInputError


@dataclass(frozen=True, slots=True)
class Budget:
    """What writing may cost.

    Attributes:
        pulses: most pulses a cell.
        rounds: most programs; after each, the cells concerned are read.
        total: most pulses of all cells together.
        reads: most readings that are averaged for one decision.

    Raises:
        BadInputError: one of them is below 1.
    """

    pulses: int = 1000
    rounds: int = 100
    total: float = float("inf")
    reads: int = 8

    def __post_init__(self) -> None:
        for name in ("pulses", "rounds", "total", "reads"):
            if not getattr(self, name) >= 1:
                raise BadInputError(f"the budget of {name} must be 1 or more")


if TYPE_CHECKING:
    from collections.abc import Callable

    Tell = Callable[[int, int, str], None]
