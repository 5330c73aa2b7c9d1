"""A WGFMU channel as the pulser of a routed crossbar: patterns of a pulse, each N times.

The library says whether it has started a train and how it ended. Where starting itself failed,
nobody can tell, and the train is in doubt.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ohmloop.drivers.conditions import PulseConditions, PulseShape
from ohmloop.drivers.crossbar import log
from ohmloop.drivers.errors import InstrumentError, ReportedError
from ohmloop.drivers.routed import Evidence, Outcome

from .b1500a import B1500A
from .wgfmu import COMPLETED, DONE, MODE_FASTIV, RUNNING, Wgfmu

_STEP = 10e-9  # of time, s
_LARGEST = 10.0  # V
_POLL, _PATIENCE = 0.05, 5.0  # s


def wgfmu_refusal(pulse: PulseShape, rest: float, edge: float) -> str:
    """Why a WGFMU cannot play such a pulse; empty where it can."""
    for name, seconds in (("width", pulse.width), ("rest", rest), ("edge", edge)):
        steps = seconds / _STEP
        if abs(steps - round(steps)) > 1e-6 * max(1.0, steps):
            return f"a WGFMU times in steps of 10 ns, not a {name} of {seconds:g} s"
    if min(pulse.width, rest) < 2 * edge:
        return f"width and rest must hold edges of {edge:g} s: not {pulse.width:g}, {rest:g} s"
    if abs(pulse.amplitude) > _LARGEST:
        return f"a WGFMU makes up to 10 V, not {pulse.amplitude:g} V"
    return ""


class WgfmuTrains:
    """See the module.

    Args:
        analyser: the B1500A that it sits in; its options name the channel.
        library: the vendor's.
        conditions: of the bench.
    """

    longest = 1_000_000

    def __init__(self, analyser: B1500A, library: Wgfmu, conditions: PulseConditions) -> None:
        options = analyser.options.wgfmu
        self.name, self._analyser, self._library = analyser.name, analyser, library
        self.resource = analyser.transport.resource
        self._channel, self._edge = options.channel, analyser.options.edge
        self._address = options.address or self.resource
        self._conditions = conditions
        self._open = self._connected = False
        self._attempted = self._started = False

    @property
    def messages(self) -> int:
        """Calls of the library."""
        return self._library.calls

    def refusal(self, conditions: PulseConditions) -> str:
        """Why such pulses cannot be played; empty where they can."""
        shapes = (conditions.up, conditions.down)
        found = (wgfmu_refusal(shape, conditions.rest, self._edge) for shape in shapes)
        return next((problem for problem in found if problem), "")

    def mixes(self, counts: Sequence[int]) -> bool:
        """Up and down pulses follow each other in one sequence."""
        return sum(map(abs, counts)) <= self.longest

    def prepare_pulser(self, conditions: PulseConditions) -> None:
        """Open the session, where it is not; no train is remembered."""
        self._conditions = conditions
        self._attempted = self._started = False
        if not self._open:
            self._analyser.patiently(self._analyser.check_errors)  # or the session is refused
            self._library.open_session(self._address)
            self._open = True
            self._library.initialize()

    def play(self, counts: Sequence[int]) -> Outcome:
        """Play runs; see ``routed.Pulser``."""
        self._attempted = self._started = False
        try:
            self._lay_out(counts)
        except ReportedError as error:
            return Outcome(Evidence.PART, 0, 0, error.problem)
        self._attempted = True
        try:
            self._library.execute()
            self._started = True
            self._library.wait_until_completed()
        except ReportedError as error:
            self._drop_session()
            return Outcome(Evidence.UNKNOWN, None, 0, error.problem)
        return self._ending(counts)

    def _lay_out(self, counts: Sequence[int]) -> None:
        """Patterns and their sequence, in the library's memory; the relay closes at 0 V."""
        library = self._library
        library.clear()
        self._pattern("up", self._conditions.up)
        self._pattern("down", self._conditions.down)
        for count in counts:
            library.add_sequence(self._channel, "up" if count > 0 else "down", abs(count))
        if not self._connected:
            library.set_operation_mode(self._channel, MODE_FASTIV)
            library.connect(self._channel)
            self._connected = True

    def _pattern(self, name: str, pulse: PulseShape) -> None:
        """One pulse from 0 V and its rest; its width is from half-way up to half-way down."""
        edge, volts = self._edge, pulse.amplitude
        self._library.create_pattern(name, 0.0)
        self._library.add_vector(name, edge, volts)
        self._library.add_vector(name, round(pulse.width - edge, 9), volts)
        self._library.add_vector(name, edge, 0.0)
        self._library.add_vector(name, round(self._conditions.rest - edge, 9), 0.0)

    def _ending(self, counts: Sequence[int]) -> Outcome:
        """How a train that was started ended."""
        deadline = time.monotonic() + self._duration(counts) + _PATIENCE
        while (status := self._library.status()) == RUNNING and time.monotonic() < deadline:
            time.sleep(_POLL)
        if status in (COMPLETED, DONE):
            return Outcome(Evidence.WHOLE, sum(map(abs, counts)))
        return Outcome(Evidence.PART, None, 0, f"the WGFMU's status is {status}")

    def _duration(self, counts: Sequence[int]) -> float:
        return sum(map(abs, counts)) * self._conditions.slot

    def after_doubt(self, counts: Sequence[int]) -> Outcome:
        """Ask what became of the train; see ``routed.Pulser``.

        Raises:
            LinkError: the library still cannot reach the instrument.
        """
        if not self._attempted:
            self._drop_session()
            self.prepare_pulser(self._conditions)
            return Outcome(Evidence.NOTHING, 0)
        if not self._started:
            self._drop_session()
            return Outcome(Evidence.UNKNOWN, None)
        try:
            return self._ending(counts)
        except ReportedError as error:
            self._drop_session()
            return Outcome(Evidence.UNKNOWN, None, 0, error.problem)

    def _drop_session(self) -> None:
        """Off as far as it can be reached; the next program opens a session of its own."""
        try:
            self.make_safe()
        except InstrumentError as error:
            log.warning("%s", error)

    def idle(self) -> None:
        """Output relay open."""
        if self._connected:
            self._library.disconnect(self._channel)
            self._connected = False

    def make_safe(self) -> None:
        """Stop, open the relay, close the session; the mainframe is switched off by its meter.

        Raises:
            InstrumentError: the library reports a failure; the rest was tried all the same.
        """
        if not self._open:
            return
        steps = [self._library.abort, lambda: self._library.disconnect(self._channel)]
        failed: list[InstrumentError] = []
        for step in [*steps, self._library.close_session]:
            try:
                step()
            except InstrumentError as error:
                failed.append(error)
        self._open = self._connected = False
        if failed:
            raise failed[0]

    def close(self) -> None:
        """The session is closed by ``make_safe``."""
