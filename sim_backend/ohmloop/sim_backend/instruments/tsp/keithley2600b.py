"""Emulated Keithley 2636B: two channels, one trigger model, one command processor.

Facts and timings as far as a driver can notice them: 2600BS-901-01; see ``channel``,
``trigger_model`` and ``tsp_processor`` for what is modelled and what is not verified.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.faults import Fault, PowerLostError, Strike
from ohmloop.sim_backend.instruments.fixture import Fixture

from .channel import LINE_HZ, Channel
from .pulse_train import play_at_once
from .terminals import End, Port
from .tree import Attribute, Tree
from .trigger_model import TriggerModel
from .tsp_device import TspDevice
from .tsp_processor import TspProcessor


class EmulatedKeithley2600B(TspDevice):
    """The instrument: two channels and a command processor.

    Args:
        clock: the bench's time.
        ends: what its channels ``a`` and ``b`` are wired to.
        model: such as ``2636B``.
        serial: serial number.
    """

    def __init__(
        self,
        clock: VirtualClock,
        ends: Mapping[str, Sequence[End]],
        model: str = "2636B",
        serial: str = "4010001",
    ) -> None:
        self._serial, self._model = serial, model
        self.triggers = TriggerModel(clock)
        self.triggers.fast = play_at_once
        self.channels = {
            name: Channel(clock, ends.get(name, ()), self.triggers, name, self._report)
            for name in ("a", "b")
        }
        tree = Tree(
            smua=self.channels["a"].tree,
            smub=self.channels["b"].tree,
            trigger=self.triggers.tree(),
            localnode=self.node_tree(),
        )
        identity = f"Keithley Instruments Inc., Model {model}, {serial}, 3.2.2"
        self.processor = TspProcessor(identity, tree, clock, self.reset)
        self.processor.overlapped = self.triggers

    @property
    def fixtures(self) -> list[Fixture]:
        """The chips it is wired to."""
        ports: dict[int, Port] = {
            id(e.port): e.port for channel in self.channels.values() for e in channel.ends
        }
        return [port.fixture for port in ports.values()]

    def _report(self, code: int, message: str) -> None:
        self.processor.errors.push(code, message)

    def node_tree(self) -> Tree:
        """``localnode``."""
        return Tree(
            model=self._model,
            serialno=self._serial,
            revision="3.2.2",
            linefreq=Attribute(LINE_HZ, allowed=(50.0, 60.0)),
            prompts=Attribute(0, allowed=(0, 1)),
            showerrors=Attribute(0, allowed=(0, 1)),
        )

    def reset(self) -> None:
        """Both channels and all triggers back to power-on state."""
        self.triggers.abort()
        for channel in self.channels.values():
            channel.reset()
        self.triggers.reset()

    def power_cycle(self) -> None:
        """A stuck relay comes loose, and all is as at power-on."""
        for channel in self.channels.values():
            channel.stuck = False
        super().power_cycle()

    def strike(self, strike: Strike) -> None:
        """Faults of a source; power and hardware fail after some pulses more."""
        match strike.fault:
            case Fault.POWER_MIDWAY:
                self._after(strike.pulses, _lose_power)
            case Fault.HARDWARE:
                self._after(strike.pulses, self.error)
            case Fault.COMPLIANCE:
                for fixture in self.fixtures:
                    fixture.trip()
            case Fault.STUCK_OUTPUT:
                for channel in self.channels.values():
                    channel.stuck = True
            case _:
                super().strike(strike)

    def _after(self, pulses: int, action: Callable[[], None]) -> None:
        """Once, after so many pulses more on any of the chips."""
        done: list[bool] = []

        def once() -> None:
            if not done:
                done.append(True)
                action()

        for fixture in self.fixtures:
            fixture.after(pulses, once)

    def describe(self) -> str:
        """State in words, for who watches the emulator."""
        states = [
            f"smu{name} output {'on' if c.on else 'off'}" for name, c in self.channels.items()
        ]
        return ", ".join(states)


def _lose_power() -> None:
    raise PowerLostError
