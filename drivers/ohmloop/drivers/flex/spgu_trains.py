"""An SPGU channel as the pulser of a routed crossbar: it plays N pulses by itself.

The line that starts a train waits for its end (``PA``), so that what is asked after it says how it
ended: an error query in the same line, and ``SPST?``, which is 0 when the count is reached. The
SPGU has no current limit: its 50 ohm and what is in series with the cell are all there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

from ohmloop.drivers.conditions import PulseConditions, PulseShape
from ohmloop.drivers.errors import InstrumentError, LinkError, ReportedError
from ohmloop.drivers.routed import Evidence, Outcome

from .b1500a import B1500A, COUNT_MODE
from .flex_commands import (
    SPGU_TRAIN,
    command,
    line,
    pause,
    spgu_count,
    spgu_load,
    spgu_period,
    spgu_refusal,
    spgu_timing,
    spgu_voltage,
)
from .flex_part import FlexPart
from .flex_replies import read_integer, read_number, read_run_mode
from .trains import TrainTags

_PERIOD_AT_FIRST = 1e-6  # of an SPGU after a reset, s
_LONGEST_PAUSE = 90.0  # PA takes less than 100 s
_MARGIN = 1e-3  # a train's end is waited for a little longer, s
_POLL = 0.05  # between looks at a train that is late, s
_LATEST = 40  # such looks


class SpguTrains(FlexPart):
    """See the module.

    Args:
        analyser: the instrument; its options name the channel.
        nplc: integration time of reads, power-line cycles.
        compliance: current limit of the SMU, A.
        conditions: of the bench.
        largest: voltage that an open end may get, V.
    """

    longest = SPGU_TRAIN

    def __init__(
        self,
        analyser: B1500A,
        nplc: float,
        compliance: float,
        conditions: PulseConditions,
        largest: float,
    ) -> None:
        super().__init__(analyser, nplc, compliance, analyser.options.spgu, False)
        self._edge, self._load = analyser.options.edge, analyser.options.load
        self._conditions, self._largest = conditions, largest
        self._tags = TrainTags(analyser)
        self._armed: tuple[PulseShape, int] | None = None
        self._period = _PERIOD_AT_FIRST

    def refusal(self, conditions: PulseConditions) -> str:
        """Why such pulses cannot be played; empty where they can."""
        found = (
            spgu_refusal(
                p.amplitude,
                p.width,
                p.width + conditions.rest,
                self._edge,
                self._load,
                self._largest,
            )
            for p in (conditions.up, conditions.down)
        )
        return next((problem for problem in found if problem), "")

    def mixes(self, counts: Sequence[int]) -> bool:  # noqa: ARG002
        """One amplitude a train."""
        return False

    def prepare_pulser(self, conditions: PulseConditions) -> None:
        """Settings, and no train remembered; comes back after a lost link.

        Raises:
            ReportedError: the instrument refuses one.
        """
        self._conditions = conditions
        self.analyser.patiently(self._prepare)

    def _prepare(self) -> None:
        self._armed, self._on = None, False
        self._ready()
        self.analyser.obey(*self._tags.clear())

    def _settings(self) -> list[str]:
        self._period = _PERIOD_AT_FIRST
        return [
            command("SIM", 0),
            command("SPM", self.channel, 1),
            spgu_load(self.channel, self._load),
        ]

    def _verify(self) -> None:
        """The load has to be what it was set to: taken for 50 ohm, cells would get twice as much.

        Raises:
            InstrumentError: it is not.
        """
        load = self.analyser.asked(f"SER? {self.channel}", read_number)
        if abs(load - self._load) > 1e-3 * self._load:
            raise InstrumentError(
                self.name,
                self.resource,
                f"SPGU channel {self.channel} takes its load for {load:g} ohm after it was told"
                f" {self._load:g} ohm; its pulses would be of another voltage",
            )

    def play(self, counts: Sequence[int]) -> Outcome:
        """Play one run; see ``routed.Pulser``."""
        (signed,) = counts
        self._tags.next_train()
        shape = self._conditions.up if signed > 0 else self._conditions.down
        try:
            self._arm(shape, abs(signed))
        except ReportedError as refused:
            return Outcome(Evidence.PART, 0, 0, refused.problem)
        duration = abs(signed) * (shape.width + self._conditions.rest) + _MARGIN
        wait = min(duration, _LONGEST_PAUSE)
        text = line(*self._tags.around(command("SRP")), pause(wait), "SPST?")
        playing = self.analyser.asked(text, read_integer, wait) != 0
        return self._ending(abs(signed), duration - wait, playing)

    def _arm(self, shape: PulseShape, count: int) -> None:
        """Levels, times and count, made sure of before anything is started.

        Raises:
            ReportedError: the instrument refuses one; the output is off.
        """
        if (shape, count) == self._armed and self._on:
            return
        self._armed = None
        period = shape.width + self._conditions.rest
        shorter = period < self._period
        settings = _arming(self.channel, self._edge, shape, period, count, shorter)
        self.analyser.obey(*self._switch_on(), *settings)
        self._on, self._armed, self._period = True, (shape, count), period

    def _ending(self, count: int, left: float, playing: bool) -> Outcome:
        """How a started train ended.

        Args:
            count: its pulses.
            left: how long it may still take, s.
            playing: whether it is known not to have ended.

        Raises:
            LinkError: the link broke.
        """
        late = 0
        while playing:
            playing = self._playing(left)
            left = max(left - _LONGEST_PAUSE, _POLL)
            late += left == _POLL
            if late > _LATEST:
                return self._broken_off("the SPGU does not come to an end")
        if trouble := self.analyser.trouble():
            return self._broken_off(trouble.problem)
        self._tags.ended()
        return Outcome(Evidence.WHOLE, count)

    def _broken_off(self, problem: str) -> Outcome:
        """Stop; how many pulses there were, the SPGU does not tell.

        It is known by now: no link that breaks may raise a doubt about that.
        """
        with suppress(LinkError):  # idling stops too
            self.analyser.transport.write("SPP")
        return Outcome(Evidence.PART, None, 0, problem)

    def _playing(self, after: float) -> bool:
        """Whether the SPGU plays, asked when some time (s) has passed."""
        wait = min(after, _LONGEST_PAUSE)
        text = line(pause(wait), "SPST?") if wait > 0 else "SPST?"
        return self.analyser.asked(text, read_integer, wait) != 0

    def after_doubt(self, counts: Sequence[int]) -> Outcome:
        """Come back, and ask what became of the train; see ``routed.Pulser``.

        Raises:
            LinkError: it does not come back.
        """
        count = abs(counts[0])
        shape = self._conditions.up if counts[0] > 0 else self._conditions.down
        busy = count * (shape.width + self._conditions.rest) + _MARGIN
        self.analyser.come_back(min(busy, _LONGEST_PAUSE))
        found = self._tags.evidence()
        if found.evidence is Evidence.NOTHING:
            self._prepare()  # settings may not have arrived, or the power may have failed
        if found.evidence is not Evidence.WHOLE:
            return found
        mode = self.analyser.asked("SPRM?", read_run_mode)
        if mode != (COUNT_MODE, float(count)):
            return Outcome(Evidence.UNKNOWN, None, 0, f"the SPGU's mode is {mode} by now")
        return self._ending(count, busy, self._playing(0.0))

    def idle(self) -> None:
        """No pulse, output switch open; see ``FlexPart``."""
        self._armed = None
        super().idle()

    def _stop(self) -> list[str]:
        return [command("SPP")]

    def make_safe(self) -> None:
        """The whole instrument off."""
        self._armed = None
        super().make_safe()


@lru_cache(maxsize=1024)
def _arming(
    channel: int, edge: float, shape: PulseShape, period: float, count: int, shorter: bool
) -> tuple[str, ...]:
    """Commands for a train; ``shorter`` than the last, as pulses go: no width beyond its period."""
    times = [spgu_period(round(period, 8)), spgu_timing(channel, shape.width, edge)]
    if shorter:
        times.reverse()
    return (
        *times,
        spgu_voltage(channel, shape.amplitude),
        spgu_count(count),
        command("SPUPD", channel),
    )
