"""What meter and pulsers on one B1500A share."""

from __future__ import annotations

from .b1500a import B1500A
from .flex_commands import averaging, command
from .flex_replies import long_form


class FlexPart:
    """A part of a routed crossbar that lives in a B1500A.

    Args:
        analyser: the instrument; parts of one crossbar share it.
        nplc: integration time of reads, power-line cycles.
        compliance: current limit, A.
        channel: whose output switch this part closes and opens.
        counts_messages: whether ``messages`` are told by this part; one of those that share does.
    """

    def __init__(
        self,
        analyser: B1500A,
        nplc: float,
        compliance: float,
        channel: int,
        counts_messages: bool = True,
    ) -> None:
        self.analyser, self.compliance, self.channel = analyser, compliance, channel
        self.name = analyser.name
        self._nplc, self._counts = nplc, counts_messages
        self._mark = 0
        self._on = False

    @property
    def resource(self) -> str:
        """Where the instrument answers."""
        return self.analyser.transport.resource

    @property
    def messages(self) -> int:
        """Messages sent to it so far; 0 where another part tells them."""
        return self.analyser.transport.traffic.messages if self._counts else 0

    def idle(self) -> None:
        """0 V, output switch open; comes back after a lost link.

        Raises:
            ReportedError: the instrument had refused something meanwhile.
            InstrumentError: the switch says that it is still closed.
        """
        self._on = False
        self.analyser.patiently(
            lambda: self.analyser.obey(*self._stop(), command("CL", self.channel))
        )
        channel = long_form(self.channel)
        if channel in self.analyser.patiently(lambda: self.analyser.outputs_on):
            raise self.analyser.still_on([channel])

    def _stop(self) -> list[str]:
        """Commands that bring the output to 0 V."""
        return [command("DZ")]

    def make_safe(self) -> None:
        """The whole instrument off.

        Raises:
            InstrumentError: an output says that it is still on.
        """
        self._on, self._mark = False, 0
        self.analyser.make_safe()

    def close(self) -> None:
        """Let go of the link."""
        self.analyser.close()

    def ready(self) -> None:
        """Settings as this part needs them; comes back after a lost link.

        Raises:
            ReportedError: the instrument refuses one.
        """
        self.analyser.patiently(self._ready)

    def _ready(self) -> None:
        analyser = self.analyser
        if not analyser.remembers():
            smu = analyser.options.smu
            analyser.configure(command("AAD", smu, 0), averaging(self._nplc))
        if self._mark != analyser.mark:
            self._on = False
            analyser.obey(*self._settings())
            self._verify()
            self._mark = analyser.mark

    def _settings(self) -> list[str]:
        """Commands that this part needs once."""
        return []

    def _verify(self) -> None:
        """Ask for settings on which much depends."""

    def _switch_on(self) -> list[str]:
        """The output switch, where it is open; it closes at 0 V."""
        return [] if self._on else [command("CN", self.channel)]
