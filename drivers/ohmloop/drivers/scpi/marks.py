"""Marks around a trigger, kept by the instrument: whether a train was started, after any doubt.

Every IEEE 488.2 instrument has the Standard Event Status Enable register: one byte that nothing but
``*ESE`` changes, that survives ``*RST``, ``*CLS``, a device clear and a broken link, and that is 0
after power-on. A message that plays a train reads

    ``...; *ESE before; TRIGGER; *ESE after; *OPC?; ...``

and commands are carried out in order. So the register says how far the message got; the pair
differs from train to train. See decision 5 for every order of failures.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

PREPARED = 255
"""Written with the settings, before the first train."""

_TRAINS = 127  # pairs of marks: 1, 2 to 253, 254


class Standing(Enum):
    """How far the message of a train got."""

    NOT_REACHED = "the train was not started"
    ARMED = "the message ended around the trigger"
    FIRED = "the train was started"
    LOST = "the instrument lost its power, or somebody else uses it"


@dataclass
class Marks:
    """The marks of one instrument, as the host knows them.

    Attributes:
        now: what the register holds, as last seen or written with success; 0 for nothing.
        before: what it held when the last train was sent.
        pair: marks of that train.
    """

    now: int = 0
    before: int = 0
    pair: tuple[int, int] = (0, 0)
    _train: int = 0

    def next(self) -> tuple[int, int]:
        """Marks for another train: unlike all that the register may hold."""
        self.before = self.now
        self._train = self._train % _TRAINS + 1
        self.pair = (2 * self._train - 1, 2 * self._train)
        return self.pair

    def standing(self, found: int) -> Standing:
        """What the register, read after the train was sent, says of it; however often asked."""
        if found == self.before:
            return Standing.NOT_REACHED
        if found in self.pair:
            return Standing.ARMED if found == self.pair[0] else Standing.FIRED
        return Standing.LOST
