"""The driver of an ArC TWO board: which port leads to it, and what off means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Self, cast

from pydantic import Field

from ohmloop.drivers.errors import ConfigError, OhmloopError
from ohmloop.drivers.instrument import Instrument
from ohmloop.drivers.links.transport import tell
from ohmloop.drivers.units import Seconds, Volts
from ohmloop.drivers.validation import Record, validate

from .channels import CHANNELS, expand
from .frame_port import FramePort
from .operations import Routing
from .port import Port
from .pyarc2_port import PyArc2Port

if TYPE_CHECKING:
    from ohmloop.drivers.bench import Bench

KIND = "arc-two"
"""Kind of the crossbar, and name of the driver, in a bench file."""

_LIBRARY = re.compile(r"pyarc2:\d{1,3}")
_SOCKET = re.compile(r"socket://[^:/]+:\d{1,5}")


class ArcTwoOptions(Record):
    """Options in the bench file.

    Attributes:
        timeout: time to wait for a reply, and for the board beyond what a program takes, s.
        firmware: the board's configuration file; needed where the resource is ``pyarc2:NUMBER``.
        daughterboard: where it leads the channels: ``internal``, its own socket, or ``header``;
            left out, the logic lines that switch it are left alone.
        ground_tolerance: voltage up to which a line that was switched off counts as off, V.
    """

    timeout: Annotated[Seconds, Field(gt=0, le=60)] = 2.0
    firmware: str | None = None
    daughterboard: Routing | None = None
    ground_tolerance: Annotated[Volts, Field(gt=0, le=0.1)] = 0.02


class ArcTwo(Instrument):
    """One board.

    Args:
        name: its name on the bench.
        port: the way to it.
        options: an ``ArcTwoOptions`` record.

    Attributes:
        port: the way to it.
    """

    Options = ArcTwoOptions
    maker = "ArC Instruments"
    models = ("ArC TWO",)

    def __init__(self, name: str, port: Port, options: Record | None = None) -> None:
        # The base keeps the link only for its name and traffic: this one takes operations.
        super().__init__(name, cast("Any", port), options)
        self.port = port

    @classmethod
    def connect(cls, bench: Bench, name: str) -> Self:
        """Open the way that ``bench`` names, and make sure of who answers.

        Raises:
            ConfigError: the resource is none of this family's.
            NotConnectedError: nobody answers.
            WrongInstrumentError: somebody else does.
        """
        config = bench.config.instruments[name]
        key = f"instruments.{name}"
        options = validate(cls.Options, config.options, bench.path, f"{key}.options")
        check_resource(bench, name)
        port = _open_port(bench, name, config.resource, options)
        board = cls(name, port, options)
        try:
            board.identify()
            if isinstance(port, FramePort):
                tell(port.link.tap, "identified", board.identity)
        except OhmloopError:
            port.close()
            raise
        return board

    def identify(self) -> str:
        """Who answers.

        Raises:
            LinkError: nobody.
        """
        self.identity = self.port.identify()
        return self.identity

    def check_errors(self) -> None:
        """Nothing to read: the board reports no errors; its memory says what was done."""

    def make_safe(self) -> None:
        """Connect all channels to ground, and read that they are there.

        Raises:
            InstrumentError: one is not, or the board does not answer.
        """
        self.port.ground()

    def close(self) -> None:
        """Let go of the board."""
        self.port.close()


def check_resource(bench: Bench, name: str) -> None:
    """Refuse a resource that leads to no board of this family; opens nothing.

    Raises:
        ConfigError: names the key.
    """
    config, key = bench.config.instruments[name], f"instruments.{name}"
    if _LIBRARY.fullmatch(config.resource):
        if not config.options.get("firmware"):
            problem = "is missing: pyarc2 loads the board's configuration from this file"
            raise ConfigError(bench.path, f"{key}.options.firmware", problem)
    elif not _SOCKET.fullmatch(config.resource):
        problem = f"{config.resource!r} is neither socket://HOST:PORT nor pyarc2:NUMBER"
        raise ConfigError(bench.path, f"{key}.resource", problem)


def wired_to(bench: Bench, name: str) -> list[int]:
    """The channels of board ``name`` that a crossbar hangs on; all where none does."""
    for crossbar in bench.config.crossbars.values():
        if crossbar.kind == KIND and crossbar.wiring.get("board") == name:
            return expand(f"{crossbar.wiring['rows']}, {crossbar.wiring['columns']}")
    return list(range(CHANNELS))


def _open_port(bench: Bench, name: str, resource: str, options: ArcTwoOptions) -> Port:
    wired = wired_to(bench, name)
    limits = (options.timeout, options.ground_tolerance)
    if resource.startswith("pyarc2:"):
        firmware = options.firmware or ""
        return PyArc2Port(name, resource, firmware, wired, *limits, options.daughterboard)
    return FramePort(name, resource, wired, *limits, bench.tap(name), options.daughterboard)
