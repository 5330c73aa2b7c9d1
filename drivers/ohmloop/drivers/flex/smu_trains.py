"""A B1500A's SMU as meter and pulser: a pulsed sweep from V to V is N equal pulses.

Each pulse is measured (``MM 4``), so that the data say how many pulses there were and which reached
the current limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from ohmloop.drivers.conditions import PulseConditions, PulseShape
from ohmloop.drivers.errors import ReportedError
from ohmloop.drivers.routed import Evidence, Outcome

from .b1500a import B1500A
from .flex_commands import (
    SMU_TRAIN,
    command,
    current_range,
    line,
    smu_refusal,
    smu_timing,
    smu_train,
)
from .flex_replies import CLIPPED, read_data
from .smu_meter import SmuMeter
from .trains import TrainTags

_PER_PULSE = 1e-3  # generous time beyond a pulse's period, s


class SmuTrains(SmuMeter):
    """See the module.

    Args:
        analyser: the instrument.
        nplc: integration time of reads, power-line cycles.
        compliance: current limit, A.
        largest: largest voltage that the SMU will be asked for, V.
        conditions: of the bench.
    """

    longest = SMU_TRAIN

    def __init__(
        self,
        analyser: B1500A,
        nplc: float,
        compliance: float,
        largest: float,
        conditions: PulseConditions,
    ) -> None:
        super().__init__(analyser, nplc, compliance, largest)
        self._conditions = conditions
        self._tags = TrainTags(analyser)
        self._armed: tuple[PulseShape, int] | None = None

    def refusal(self, conditions: PulseConditions) -> str:
        """Why such pulses cannot be played; empty where they can."""
        found = (
            smu_refusal(p.width, p.width + conditions.rest)
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

    def play(self, counts: Sequence[int]) -> Outcome:
        """Play one run; see ``routed.Pulser``."""
        (signed,) = counts
        count = abs(signed)
        self._tags.next_train()
        shape = self._conditions.up if signed > 0 else self._conditions.down
        try:
            self._arm(shape, count)
        except ReportedError as error:
            return Outcome(Evidence.PART, 0, 0, error.problem)
        wait = count * (shape.width + self._conditions.rest + _PER_PULSE)
        data = self.analyser.asked(line(*self._tags.around("XE")), read_data, wait)
        given = sum(not datum.missing for datum in data)  # a sweep that stops fills up with dummies
        clipped = int(any(datum.status in CLIPPED for datum in data))
        if given != count:
            problem = f"the sweep stopped early: {self.analyser.told().problem}"
            return Outcome(Evidence.PART, given, clipped, problem)
        if trouble := self.analyser.trouble():
            return Outcome(Evidence.PART, given, clipped, trouble.problem)
        self._tags.ended()
        return Outcome(Evidence.WHOLE, count, clipped)

    def _arm(self, shape: PulseShape, count: int) -> None:
        """The sweep, made sure of before it is started.

        Raises:
            ReportedError: the instrument refuses it; the output is at 0 V.
        """
        if (shape, count) == self._armed and self._on:
            return
        self._armed = None
        period = round(shape.width + self._conditions.rest, 4)
        self.analyser.obey(
            *self._switch_on(),
            command("MM", 4, self.channel),
            command("WM", 1),
            command("RI", self.channel, -current_range(self.compliance)),
            smu_timing(shape.width, period),
            smu_train(self.channel, self._source, shape.amplitude, count, self.compliance),
        )
        self._on, self._armed = True, (shape, count)

    def after_doubt(self, counts: Sequence[int]) -> Outcome:
        """Come back, and ask what became of the train; see ``routed.Pulser``.

        Commands are carried out one after the other: when the instrument answers, the sweep is
        over.

        Raises:
            LinkError: it does not come back.
        """
        count = abs(counts[0])
        shape = self._conditions.up if counts[0] > 0 else self._conditions.down
        busy = count * (shape.width + self._conditions.rest + _PER_PULSE)
        self.analyser.come_back(busy)
        found = self._tags.evidence()
        if found.evidence is Evidence.NOTHING:
            self._prepare()  # settings may not have arrived, or the power may have failed
        if found.evidence is not Evidence.WHOLE:
            return found
        if trouble := self.analyser.trouble():
            return Outcome(Evidence.PART, None, 0, trouble.problem)
        self._tags.ended()
        return Outcome(Evidence.WHOLE, count)

    def idle(self) -> None:
        """0 V, output switch open."""
        self._armed = None
        super().idle()

    def make_safe(self) -> None:
        """The whole instrument off."""
        self._armed = None
        super().make_safe()
