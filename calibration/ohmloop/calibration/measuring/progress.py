"""How far a measurement is, and how long it will take, by the pace it has gone so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ohmloop.drivers import Crossbar

from .cost import Cost, Pace, Timed, words
from .store import Kind

Progress = Callable[[int, int, str], None]
"""``progress(done, total, text)``, after every step."""


class Tracker:
    """Counts what is done of what was to be done.

    Args:
        costs: of every routine, by name.
        crossbar: whose bench file says how fast it is, until that is known by measurement.
        progress: who is told.
    """

    def __init__(
        self, costs: Mapping[str, Cost], crossbar: Crossbar, progress: Progress | None = None
    ) -> None:
        self._left, self._pace, self._progress = dict(costs), Pace.expected(crossbar), progress
        self._pulses, self._reads = Timed(), Timed()
        self._routine, self.done = "", 0

    def begin(self, routine: str) -> None:
        """A routine begins."""
        self._routine = routine

    def finish(self) -> None:
        """The routine is through; what it had left over is not to be done any more."""
        self._left[self._routine] = Cost()

    def told(self, kind: Kind, amount: float, seconds: float) -> None:
        """One step of the routine; ``seconds`` is 0 where it was known already."""
        left, cells = self._left[self._routine], self._pace.cells
        if kind == "wait":
            self._left[self._routine] = _less(left, Cost(waiting=amount))
            return
        if kind == "pulse":
            self._left[self._routine] = _less(left, Cost(programs=1, pulses=amount / cells))
        else:
            self._left[self._routine] = _less(left, Cost(maps=1, reads=amount / cells))
        if seconds:
            (self._pulses if kind == "pulse" else self._reads).add(amount, seconds)
        self.done += 1
        if self._progress:
            self._progress(
                self.done, self.total, f"{self._routine}, {words(self.seconds_left)} left"
            )

    @property
    def total(self) -> int:
        """Steps in all, as far as is known."""
        return self.done + sum(cost.steps for cost in self._left.values())

    @property
    def seconds_left(self) -> float:
        """Time that is left, s."""
        pace = self._pace.corrected(self._pulses, self._reads)
        return sum(cost.seconds(pace) for cost in self._left.values())


def _less(cost: Cost, done: Cost) -> Cost:
    return Cost(
        max(0, cost.programs - done.programs),
        max(0, cost.maps - done.maps),
        max(0.0, cost.pulses - done.pulses),
        max(0.0, cost.reads - done.reads),
        max(0.0, cost.waiting - done.waiting),
    )
