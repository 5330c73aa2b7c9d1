"""How a B1500A is asked what became of a train, whoever plays it.

A line that starts a train sets one variable before and another after the start. A line is carried
out from its first command to its last or, where the link broke on the way, up to where it was cut.
So afterwards: both old, nothing was started; both new, it was; one new, nobody can tell. Neither:
the power failed, and nobody can tell either.
"""

from __future__ import annotations

from secrets import randbelow

from ohmloop.drivers.routed import Evidence, Outcome

from .b1500a import B1500A, BEGUN, CARRIED_OUT
from .flex_commands import set_variable

_LARGEST = 32_000


class TrainTags:
    """Numbers of trains, kept on the instrument.

    Args:
        analyser: the instrument.
    """

    def __init__(self, analyser: B1500A) -> None:
        self._analyser = analyser
        self._held = 0
        self._sent = False

    def clear(self) -> list[str]:
        """Commands after which the instrument knows of no train."""
        self._held, self._sent = 1 + randbelow(_LARGEST), False
        return [set_variable(BEGUN, self._held), set_variable(CARRIED_OUT, self._held)]

    def next_train(self) -> None:
        """A train is about to be prepared; nothing of it has been sent yet."""
        self._sent = False

    def around(self, start: str) -> list[str]:
        """Commands that start a train and remember it."""
        self._sent = True
        return [set_variable(BEGUN, self._new), start, set_variable(CARRIED_OUT, self._new)]

    def ended(self) -> None:
        """The train is over, and was whole."""
        self._held = self._new

    @property
    def _new(self) -> int:
        return self._held % _LARGEST + 1

    def evidence(self) -> Outcome:
        """What the variables say. ``WHOLE`` means started: when it ended is asked elsewhere.

        Raises:
            LinkError: the link broke.
        """
        if not self._sent:
            return Outcome(Evidence.NOTHING, 0)
        if not self._analyser.remembers():
            return Outcome(Evidence.UNKNOWN, None, 0, "the B1500A was reset or lost its power")
        begun, done = self._analyser.variable(BEGUN), self._analyser.variable(CARRIED_OUT)
        if begun == done == self._held:
            return Outcome(Evidence.NOTHING, 0)
        if begun == done == self._new:
            if not self._analyser.status_tells:
                problem = "the B1500A cannot be asked again whether an error had stopped the train"
                return Outcome(Evidence.UNKNOWN, None, 0, problem)
            return Outcome(Evidence.WHOLE, None)
        return Outcome(Evidence.UNKNOWN, None, 0, "the line that starts a train was cut")
