"""What an emulated bench is made of: a rig of instruments around one chip.

A kind of crossbar is emulated by a function ``(*chips) -> Rig``, found by the kind's name in
``EMULATIONS`` or under the entry-point group ``ohmloop.emulations``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ohmloop.drivers import Bench
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.pulse_strength import PulseStrength

from .faults import FaultPlan
from .latency import LinkModel
from .meter import Meter
from .witness import Witness

if TYPE_CHECKING:
    from ohmloop.sim_backend.periphery.surroundings import Surroundings

EMULATIONS: Mapping[str, str] = {
    "tsp": "ohmloop.sim_backend.instruments.tsp.tsp_rig:TspRig",
    "kxci": "ohmloop.sim_backend.instruments.kxci.kxci_rig:KxciRig",
    "flex": "ohmloop.sim_backend.instruments.flex.flex_rig:FlexRig",
    "pulse-board": "ohmloop.sim_backend.instruments.board.board_rig:BoardRig",
    "arc-two": "ohmloop.sim_backend.instruments.arc_two.arc_two_rig:ArcTwoRig",
    "scpi": "ohmloop.sim_backend.instruments.scpi.scpi_rig:ScpiRig",
}
"""Bench file ``kind`` -> what emulates it."""
SURROUNDED = ("pulse-board",)
"""Kinds whose products go through a periphery; others multiply in the host or by their meters."""


@dataclass(frozen=True)
class Chip:
    """The chip to put behind the instruments, and what the bench file says of it.

    Attributes:
        cells: its cells.
        clock: the bench's time.
        bench: the bench file.
        crossbar: which crossbar of it.
        models: model that an instrument is to identify as, by instrument name.
        witness: told of every voltage that reaches the cells.
        meter: what current meters add.
        around: what products go through, and what they do to cells; None for nothing.
    """

    cells: CellArray
    clock: VirtualClock
    bench: Bench
    crossbar: str
    models: Mapping[str, str]
    witness: Witness
    meter: Meter = field(default_factory=Meter)
    around: Surroundings | None = None

    @property
    def strength(self) -> PulseStrength:
        """How its cells take pulses of any shape."""
        nominal = self.bench.conditions_of(self.crossbar)
        return PulseStrength.of_chip(nominal, self.cells.population.effects)

    def options(self, instrument: str) -> Mapping[str, Any]:
        """Options of an instrument in the bench file."""
        return self.bench.config.instruments[instrument].options


class Server(Protocol):
    """An instrument that is being served."""

    port: int
    bytes_received: int
    faults: FaultPlan
    link: LinkModel
    clock: VirtualClock | None
    hung: bool

    @property
    def resource(self) -> str:
        """Where a driver reaches it."""

    def unplug(self) -> None:
        """Hang up; the host may connect again."""

    def power_cycle(self) -> None:
        """Switch the instrument off and on."""

    def close(self) -> None:
        """Hang up and stop."""


class Device(Protocol):
    """An emulated instrument."""

    @property
    def identity(self) -> str:
        """How it answers when asked who it is."""

    def serve(self, name: str, host: str, port: int) -> Server:
        """Start serving at a loopback address; port 0 takes a free one. Raises OSError."""

    def describe(self) -> str:
        """State in words, for who watches."""


class Rig(Protocol):
    """Instruments around a chip."""

    devices: Mapping[str, Device]

    @property
    def outputs_on(self) -> bool:
        """Whether any source is on."""

    @property
    def hot_switches(self) -> int:
        """How often relays moved under voltage."""


MakeRig = Callable[..., Rig]
"""Called with the chips of all crossbars that share instruments, usually one."""
