"""The instrument control library of a TSP instrument: a tree of attributes and functions.

An ``Attribute`` is stored state with a range; a ``Computed`` is read from elsewhere; functions
are plain callables; ``Tree`` objects nest. The interpreter shows the tree to Lua.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TOO_BIG, TOO_SMALL, BAD_VALUE, READ_ONLY = 1101, 1102, -222, -286

Report = Callable[[int, str], None]
"""Puts an error (code, message) into the error queue of whoever runs the script."""


class Attribute:
    """State that a script reads and writes.

    Args:
        value: at reset, a number.
        low: smallest value.
        high: largest value.
        allowed: the only values, if they are few.
        on_change: called after a new value is stored.
    """

    def __init__(
        self,
        value: float,
        low: float | None = None,
        high: float | None = None,
        allowed: tuple[float, ...] | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self.default = self.value = float(value)
        self.low, self.high, self.allowed, self.on_change = low, high, allowed, on_change

    def get(self) -> float:
        """Current value."""
        return self.value

    def set(self, value: Any, report: Report) -> None:
        """Store a value, or report why not; the old value stays then, as on the instrument."""
        problem = self._problem(value)
        if problem:
            report(*problem)
            return
        self.value = float(value)
        if self.on_change:
            self.on_change()

    def _problem(self, value: Any) -> tuple[int, str] | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            return BAD_VALUE, "Parameter data out of range"
        if self.allowed is not None and value not in self.allowed:
            return BAD_VALUE, "Parameter data out of range"
        if self.high is not None and value > self.high:
            return TOO_BIG, "Parameter too big"
        if self.low is not None and value < self.low:
            return TOO_SMALL, "Parameter too small"
        return None


class Flag(Attribute):
    """``true`` or ``false``."""

    def __init__(self, value: bool = False, on_change: Callable[[], None] | None = None) -> None:
        super().__init__(value, on_change=on_change)

    def get(self) -> Any:
        """As Lua's boolean."""
        return bool(self.value)

    def _problem(self, value: Any) -> tuple[int, str] | None:
        known = isinstance(value, bool) or value in (0, 1)
        return None if known else (BAD_VALUE, "Parameter data out of range")


class Computed:
    """State that a script can only read."""

    def __init__(self, get: Callable[[], Any]) -> None:
        self.get = get

    def set(self, _: Any, report: Report) -> None:
        """Refuse."""
        report(READ_ONLY, "TSP Runtime error: attribute is read-only")


class Tree:
    """Named attributes, functions, constants and further trees."""

    def __init__(self, **members: Any) -> None:
        self.members: dict[str, Any] = members

    def __getitem__(self, name: str) -> Any:
        return self.members[name]

    def value(self, name: str) -> Any:
        """The value of an attribute."""
        return self.members[name].value

    def reset(self) -> None:
        """All attributes, here and below, back to their values at power-on."""
        for member in self.members.values():
            if isinstance(member, Attribute):
                member.value = member.default
            elif isinstance(member, Tree):
                member.reset()
