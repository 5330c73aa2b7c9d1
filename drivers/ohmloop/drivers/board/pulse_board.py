"""The driver of a parallel pulse board: any board that speaks ``docs/reference/pulse-board.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar, cast

from pydantic import Field

from ohmloop.drivers.errors import (
    InstrumentError,
    LinkError,
    NotConnectedError,
    ReportedError,
    WrongInstrumentError,
)
from ohmloop.drivers.instrument import Instrument
from ohmloop.drivers.limits import Limits
from ohmloop.drivers.units import Seconds
from ohmloop.drivers.validation import Record, validate

from .answers import Code, Done, Identity, Refusal, Report
from .frames import PROTOCOL
from .link import BoardLink
from .messages import NO_LIMIT, Identify, Message, Safe, SetLimits, SetWatchdog, Status

if TYPE_CHECKING:
    from ohmloop.drivers.bench import Bench

_ATTEMPTS = 3
_OUTPUTS_ON = 2  # flag of a report
KIND = "pulse-board"
"""Kind of the crossbar, and name of the driver, in a bench file."""

R = TypeVar("R", bound=Message)


class PulseBoardOptions(Record):
    """Options in the bench file.

    Attributes:
        baud: bit/s; without meaning on USB-CDC and sockets.
        timeout: time to wait for a reply beyond what the request needs, s.
        watchdog: outputs go off when nothing was sent for so long, s.
        line_frequency: of the mains, Hz: what ``read.nplc`` counts.
    """

    baud: Annotated[int, Field(ge=1200, le=100_000_000)] = 921_600
    timeout: Annotated[Seconds, Field(gt=0, le=60)] = 2.0
    watchdog: Annotated[Seconds, Field(ge=0.01, le=3600)] = 5.0
    line_frequency: Annotated[float, Field(ge=16, le=60)] = 50.0


class PulseBoard(Instrument):
    """One board.

    Args:
        name: its name on the bench.
        link: the line to it.
        options: a ``PulseBoardOptions`` record.

    Attributes:
        link: the line.
        about: what it says of itself.
        boot: the power-up that is spoken to.
    """

    Options = PulseBoardOptions
    maker = "ohmloop"
    models = ("pulse board",)
    about: Identity

    def __init__(self, name: str, link: BoardLink, options: Record | None = None) -> None:
        # The base keeps the link only for its name and traffic: this one speaks frames, not lines.
        super().__init__(name, cast("Any", link), options)
        self.link = link
        self.boot = 0
        self._number = 0
        self._limits: Limits | None = None

    @classmethod
    def connect(cls, bench: Bench, name: str) -> Self:
        """Open the line that ``bench`` names, and make sure of who answers.

        Raises:
            NotConnectedError: nobody answers.
            WrongInstrumentError: somebody else does, or a board of another shape.
        """
        config = bench.config.instruments[name]
        options = validate(cls.Options, config.options, bench.path, f"instruments.{name}.options")
        link = BoardLink(name, config.resource, options.baud, options.timeout, tap=bench.tap(name))
        board = cls(name, link, options)
        try:
            board.identify()
            board.check_shape(_shape_wanted(bench, name))
        except BaseException:
            link.close()
            raise
        return board

    def identify(self) -> str:
        """Ask who answers.

        Raises:
            NotConnectedError: nobody.
            WrongInstrumentError: somebody who does not speak our protocol.
        """
        try:
            self.about = self.repeat(Identify(), Identity)
        except LinkError as error:
            raise self._stranger(error) from error
        if self.about.protocol != PROTOCOL:
            raise WrongInstrumentError(
                self.name,
                self.link.resource,
                f"speaks version {self.about.protocol} of the pulse-board protocol, not {PROTOCOL}",
            )
        a = self.about
        self.identity = (
            f"{a.name} {a.version}, serial number {a.serial}, {a.rows} x {a.columns},"
            f" protocol {a.protocol}"
        )
        return self.identity

    def check_shape(self, shape: tuple[int, int] | None) -> None:
        """Refuse a board with other lines than the bench file says.

        Raises:
            WrongInstrumentError: says both shapes.
        """
        found = (self.about.rows, self.about.columns)
        if shape is not None and shape != found:
            raise WrongInstrumentError(
                self.name,
                self.link.resource,
                f"has {found[0]} x {found[1]} lines, but the bench file's crossbar has"
                f" {shape[0]} x {shape[1]}; check the resource and crossbars.*.shape",
            )

    def prepare(self, limits: Limits) -> None:
        """Set limits and watchdog, and learn which program was the last.

        Raises:
            ReportedError: the board has lower limits already; only a power-cycle lifts them.
        """
        self._limits = limits
        most = NO_LIMIT if limits.pulses_per_program >= NO_LIMIT else int(limits.pulses_per_program)
        values = (limits.voltage, limits.width, limits.read_voltage, limits.current)
        self.repeat(SetLimits(*values, limits.duty_cycle, most), Done)
        self.repeat(SetWatchdog(self.options.watchdog), Done)
        report = self.status()
        same = report.boot == self.boot
        self._number = max(self._number if same else 0, report.result.number)
        self.boot = report.boot

    def prepare_again(self) -> None:
        """After the board lost its power: it comes up without limits."""
        if self._limits is not None:
            self.prepare(self._limits)

    def next_number(self) -> int:
        """A program number that was never used; it is spent, whatever becomes of it."""
        self._number += 1
        return self._number

    def status(self) -> Report:
        """The board's state."""
        return self.repeat(Status(), Report)

    def ask(self, message: Message, kind: type[R], wait: float = 0.0, reply_bytes: int = 0) -> R:
        """One request, once.

        Raises:
            LinkError: no reply, or not one of ``kind``.
            ReportedError: the board refused it; ``code`` is a ``Code``.
        """
        reply = self.link.ask(message, wait, reply_bytes)
        if isinstance(reply, Refusal):
            raise ReportedError(
                self.name, self.link.resource, f"refused: {_one_line(reply.text)}", reply.code
            )
        if not isinstance(reply, kind):
            raise LinkError(self.name, self.link.resource, "answers something else than asked")
        return reply

    def repeat(self, message: Message, kind: type[R], wait: float = 0.0, reply_bytes: int = 0) -> R:
        """A request that may be asked again (never a program), with a few attempts.

        Raises:
            LinkError: no attempt was answered.
            ReportedError: the board refused it.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if self.link.broken:
                    self._reconnect()
                return self.ask(message, kind, wait, reply_bytes)
            except LinkError:
                if attempt == _ATTEMPTS or (self.link.broken and attempt > 1):
                    raise
            except ReportedError as error:
                if error.code != Code.NO_LIMITS or attempt == _ATTEMPTS or self._limits is None:
                    raise
                self.prepare_again()
        raise AssertionError("unreachable")

    def _reconnect(self) -> None:
        """Open a broken line again, and make sure that it is still the same board."""
        self.link.reopen()
        known = self.identity and self.about
        if known and self.ask(Identify(), Identity) != known:
            self.link.close()
            raise WrongInstrumentError(
                self.name,
                self.link.resource,
                "another board answers since the line broke; nothing was sent to it",
            )

    def check_errors(self) -> None:
        """Nothing to read: a board answers every request with its own errors."""

    def make_safe(self) -> None:
        """Stop a program, outputs off.

        Raises:
            InstrumentError: the board says that they are still on.
        """
        self.repeat(Safe(), Done)
        if self.status().flags & _OUTPUTS_ON:
            problem = "outputs stay on after SAFE; take the board's power away"
            raise InstrumentError(self.name, self.link.resource, problem)

    def _stranger(self, error: LinkError) -> NotConnectedError | WrongInstrumentError:
        if self.link.heard:
            problem = f"answers, but not as a pulse board ({error.problem}); check resource, baud"
            return WrongInstrumentError(self.name, self.link.resource, problem)
        problem = f"nobody answers ({error.problem}); check the resource, the cable, that it is on"
        return NotConnectedError(self.name, self.link.resource, problem)


def _shape_wanted(bench: Bench, name: str) -> tuple[int, int] | None:
    """Shape of the crossbar that hangs on board ``name``."""
    for crossbar in bench.config.crossbars.values():
        if crossbar.kind == KIND and crossbar.wiring.get("board") == name:
            return crossbar.shape
    return None


def _one_line(text: str) -> str:
    return " ".join(text.split())
