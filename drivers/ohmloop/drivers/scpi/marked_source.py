"""A SCPI source whose trains are marked, so that each is played once: what SMU and generator share.

Settings are made once for a role (reading, or pulses of some shape) and tried out without a pulse;
the message of a train only chooses among them, marks and triggers. An instrument that lost its
power in between knows none of the settings, and what such a message does to it is harmless; its
register tells.

The message of a train asks for errors by ``*STB?``, which leaves them in the queue: a reply that is
lost must not take the only evidence of a train that stopped half-way with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ohmloop.drivers.errors import InstrumentError, LinkError, ReportedError
from ohmloop.drivers.limits import Limits

from .marks import PREPARED, Marks, Standing
from .scpi_instrument import ScpiInstrument, fields_of

_PAUSE = 0.1  # before a train that was not started is believed not to start, s
_ERRORS = 4  # bit of the status byte: the error queue has entries (SCPI-1999 volume 1, 9.1)


class MarkedSource(ScpiInstrument):
    """See the module.

    Attributes:
        limits: what the instrument is set to at most, where it has such settings.
        marks: what its register holds.
    """

    limits = Limits(current=1e-4)  # until it is told

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.marks = Marks()
        self._role: object = None

    def off(self) -> list[str]:
        """Commands that stop and switch off, and one query that answers 0 where it is off."""
        raise NotImplementedError

    def enter(self, role: object, settings: Callable[[], Sequence[str]]) -> bool:
        """Make settings, unless they are made and the instrument has kept its memory.

        Comes back after a lost link; resets an instrument that lost its power.

        Returns:
            Whether they were made anew.

        Raises:
            ReportedError: the instrument refuses a setting.
            LinkError: it does not come back.
        """
        return self.persist(lambda: self._enter(role, settings))

    def _enter(self, role: object, settings: Callable[[], Sequence[str]]) -> bool:
        found, done = map(int, self.batch(["*ESE?", "*OPC?"], 2))
        same = bool(done) and found == self.marks.now != 0
        if same and self._role == role:
            return False
        self._role = None
        reset = [] if same and found else ["*RST", "*CLS"]
        self.batch([*reset, *self.off()[:-1], *settings(), f"*ESE {PREPARED}"])
        self.marks.now, self._role = PREPARED, role
        return True

    def fire(
        self, settings: Sequence[str], trigger: str, then: Sequence[str], replies: int, wait: float
    ) -> tuple[Standing, list[str], bool]:
        """Mark, trigger, mark, wait until it is over, ask; once.

        Args:
            settings: commands before the first mark.
            trigger: the command that starts the train.
            then: commands after it is over.
            replies: queries among ``then``.
            wait: longest time the train takes, s.

        Returns:
            ``FIRED``, or ``LOST`` where the register did not hold what it should have before;
            replies of ``then``; whether there are errors, which stay in the queue.

        Raises:
            LinkError: no whole reply.
        """
        before, after = self.marks.next()
        marked = [f"*ESE {before}", trigger, f"*ESE {after}"]
        commands = ["*ESE?", *settings, *marked, "*OPC?", *then]
        (found, _, *rest), errors = self._ask_gently(commands, 2 + replies, wait)
        if found != str(self.marks.before):
            return self._lost(), rest, errors
        self.marks.now = after
        return Standing.FIRED, rest, errors

    def ask_after(
        self, then: Sequence[str], replies: int, wait: float
    ) -> tuple[Standing, list[str], bool]:
        """Come back, wait until what runs is over, and ask how far the last train got.

        That a message did not get there is asked twice, with a pause: it may still lie in the
        buffer of a connection that broke.

        Raises:
            LinkError: it does not come back.
        """
        self.come_back()
        found = self._standing(then, replies, wait)
        if found[0] is Standing.NOT_REACHED:
            time.sleep(_PAUSE)
            found = self._standing(then, replies, wait)
        return found

    def _standing(
        self, then: Sequence[str], replies: int, wait: float
    ) -> tuple[Standing, list[str], bool]:
        asked = ["*OPC?", "*ESE?", *then]
        (_, found, *rest), errors = self._ask_gently(asked, 2 + replies, wait)
        standing = self.marks.standing(int(found)) if found.isdecimal() else Standing.LOST
        if standing is Standing.LOST:
            return self._lost(), rest, errors
        self.marks.now = int(found)
        return standing, rest, errors

    def errors_in_words(self) -> str:
        """What the error queue holds; empties it."""
        try:
            self.check_errors()
        except ReportedError as error:
            return error.problem
        except LinkError as error:  # that there are errors is known all the same
            return f"reports errors ({error.problem})"
        return ""

    def _ask_gently(
        self, commands: Sequence[str], replies: int, wait: float
    ) -> tuple[list[str], bool]:
        """Send as one message; replies of its queries, and whether the error queue has entries."""
        text = self.transport.query(";".join([*commands, "*STB?"]), wait)
        found = fields_of(text)
        if len(found) != replies + 1 or not found[-1].isdecimal():
            raise self.garbled(text)
        return found[:-1], bool(int(found[-1]) & _ERRORS)

    def _lost(self) -> Standing:
        self._role, self.marks.now = None, 0
        return Standing.LOST

    def idle(self) -> None:
        """Output off; comes back after a lost link.

        Raises:
            InstrumentError: the output says that it is still on.
            ReportedError: it is off, and the error queue has entries.
        """
        (state,), code = self.persist(lambda: self.ask(self.off(), 1))
        if state != "0":
            problem = "the output stays on after it was switched off; switch it off at the front"
            raise InstrumentError(self.name, self.resource, f"{problem} panel")
        if code:
            raise self.reported(code)

    def make_safe(self) -> None:
        """Stop, 0 V, output off, and make sure of it; comes back after a lost link.

        Raises:
            InstrumentError: the output says that it is still on.
        """
        self.idle()
