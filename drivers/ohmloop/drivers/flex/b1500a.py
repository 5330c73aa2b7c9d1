"""Keysight B1500A semiconductor device analyzer: one SMU, and one SPGU channel where there is one.

What was started last is remembered by the instrument itself, in variables of its program memory
(``VAR``). They go back to 0 with the power; where they did not, nothing would be played twice, nor
with lost settings. ``*CLS`` is unknown to it and never sent; errors are
read one by one with ``ERRX?``, by their code.

Commands and replies: ``flex_commands`` and ``flex_replies``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from secrets import randbelow
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field

from ohmloop.drivers.errors import InstrumentError, LinkError, ReportedError, WrongInstrumentError
from ohmloop.drivers.instrument import Instrument
from ohmloop.drivers.units import Amperes, Seconds, to_si
from ohmloop.drivers.validation import Record

from .flex_commands import LONGEST_LINE, ask_variable, command, line, set_variable
from .flex_replies import (
    GarbledError,
    read_error,
    read_integer,
    read_modules,
    read_outputs,
    read_run_mode,
)

BEGUN, CARRIED_OUT, MEMORY, SCRATCH = 1, 2, 3, 99
"""Variables: set just before and just after the start of a train; a mark of the settings."""

SMU_MODELS = ("B1510A", "B1511A", "B1511B", "B1517A")
SPGU_MODELS = ("B1525A",)
WGFMU_MODELS = ("B1530A",)
_LARGEST_MARK = 32_000
_ERROR_BIT = 32
_NONSENSE = "OHMLOOP"  # a header that no instrument knows
COUNT_MODE = 1
"""Of ``SPRM``; 0 is free run."""
_DRAIN_AT_MOST = 40
_ATTEMPTS = 4

Ohms = Annotated[float, BeforeValidator(lambda text: to_si(text, unit="ohm"))]
T = TypeVar("T")


class WgfmuOptions(Record):
    """A WGFMU channel, driven through the vendor's library.

    Attributes:
        channel: slot and 01 or 02, such as 201.
        library: file of the library; left out, where the system finds it.
        address: how the library reaches the instrument; left out, the instrument's resource.
    """

    channel: Annotated[int, Field(ge=101, le=1002)]
    library: str | None = None
    address: str | None = None


class B1500AOptions(Record):
    """Options in the bench file.

    Attributes:
        smu: slot of the SMU that reads (and pulses, where no SPGU does).
        spgu: channel of the SPGU, slot and 01 or 02, such as 501.
        current_range: fixed measuring range of a read, A; left out, the SMU ranges by itself.
        load: what the SPGU shall take for its load, ohm; its 50 ohm are made up for.
        edge: rise and fall of SPGU and WGFMU pulses, s.
        wgfmu: the WGFMU channel that pulses, if one does.
    """

    smu: Annotated[int, Field(ge=1, le=10)]
    spgu: Annotated[int, Field(ge=101, le=1002)] | None = None
    current_range: Annotated[Amperes, Field(gt=0, le=0.1)] | None = None
    load: Annotated[Ohms, Field(ge=0.1, le=1e6)] = 1e6
    edge: Annotated[Seconds, Field(ge=8e-9, le=0.4)] = 20e-9
    wgfmu: WgfmuOptions | None = None


class B1500A(Instrument):
    """The mainframe.

    Attributes:
        modules: model by slot.
        mark: what ``%I3`` holds while the settings are those that were sent last; 0 before.
        status_tells: ``*STB?`` says whether there is an error, and leaves it in the queue.
    """

    Options = B1500AOptions
    maker = "Agilent or Keysight"
    models = ("B1500A",)
    end = "\r\n"
    modules: Mapping[int, str]
    mark: int = 0
    status_tells: bool = False

    def identify(self) -> str:
        """Ask who it is, and what is in its slots.

        Raises:
            WrongInstrumentError: another instrument, or another module in a slot that the bench
                file names.
        """
        self.identity = self.transport.query("*IDN?").strip()
        if not re.fullmatch(r"(agilent|keysight) technologies,B1500A,.*", self.identity, re.I):
            raise self._wrong(f"answers as {self.identity!r}, which is no B1500A")
        self.modules = self.asked("UNT? 0", read_modules)
        self._check_module("smu", self.options.smu, SMU_MODELS)
        if self.options.spgu is not None:
            self._check_module("spgu", self.options.spgu // 100, SPGU_MODELS)
        if self.options.wgfmu is not None:
            self._check_module("wgfmu", self.options.wgfmu.channel // 100, WGFMU_MODELS)
        return self.identity

    def _check_module(self, option: str, slot: int, models: tuple[str, ...]) -> None:
        found = self.modules.get(slot, "nothing")
        if found not in models:
            fitting = [str(s) for s, model in self.modules.items() if model in models]
            raise self._wrong(
                f"has {found} in slot {slot}, where options.{option} wants"
                f" {' or '.join(models)}; slots that have one: {', '.join(fitting) or 'none'}"
            )

    def _wrong(self, problem: str) -> WrongInstrumentError:
        return WrongInstrumentError(self.name, self.transport.resource, problem)

    def asked(self, text: str, read: Callable[[str], T], wait: float = 0.0) -> T:
        """A query and its reply, as ``read`` understands it.

        Raises:
            LinkError: the link broke, or the reply is garbled.
        """
        reply = self.transport.query(text, wait)
        try:
            return read(reply)
        except GarbledError as error:
            raise LinkError(self.name, self.transport.resource, f"garbled: {error}") from error

    def obey(self, *commands: str, wait: float = 0.0) -> None:
        """Carry out commands in as few lines as hold them, and make sure that none was refused.

        Raises:
            ReportedError: one was; the message lists all errors.
            LinkError: the link broke.
        """
        for text in _packed(commands):
            self.raise_for(self.asked(text, read_error, wait))

    def check_errors(self) -> None:
        """Read errors until there is none.

        Raises:
            ReportedError: there were some.
        """
        self.obey()

    def raise_for(self, error: tuple[int, str]) -> None:
        """Nothing, where ``error`` is none; otherwise read the others and raise them.

        Raises:
            ReportedError: lists all.
        """
        found: list[tuple[int, str]] = []
        while error[0] and len(found) < _DRAIN_AT_MOST:
            found.append(error)
            error = self.asked("ERRX?", read_error)
        if found:
            raise self._reported(found)

    def come_back(self, busy: float = 0.0) -> None:
        """After a broken link: open it anew, and throw away what is still on its way.

        No device clear is sent, and nothing is aborted: trains of pulses go on, for ``busy``
        seconds at most.

        Raises:
            LinkError: it does not come back.
        """
        self.transport.reopen()
        marker = 10_000 + randbelow(20_000)
        # The empty line ends what is left of a line that was cut.
        text = line(set_variable(SCRATCH, marker), ask_variable(SCRATCH))
        self.transport.resync(f"{self.end}BC;{text}", str(marker), busy)

    def patiently(self, what: Callable[[], T], busy: float = 0.0) -> T:
        """Do what may be repeated, coming back after a broken link.

        Raises:
            LinkError: it does not come back.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return what()
            except LinkError:
                self.come_back(busy)
        return what()

    def variable(self, which: int) -> int:
        """An integer variable."""
        return self.asked(ask_variable(which), read_integer)

    def configure(self, *commands: str) -> None:
        """Reset, set up, and leave a mark by which a lost memory is noticed.

        Raises:
            ReportedError: a setting was refused.
        """
        self.mark = 0
        self.transport.write("*RST")
        self._drain()
        mark = 1 + randbelow(_LARGEST_MARK)
        if self.options.spgu is not None:
            commands = (command("SPRM", COUNT_MODE, 1), *commands)
        self.obey("FMT 11,0", "CM 0", *commands)
        self.status_tells = self._status_tells()
        self.obey(set_variable(MEMORY, mark))
        self.mark = mark

    def _status_tells(self) -> bool:
        """Whether ``*STB?`` tells of an error and leaves it there: found out by making one."""
        with_error = self.asked(line(_NONSENSE, "*STB?"), read_integer) & _ERROR_BIT
        self._drain()
        without = self.asked("*STB?", read_integer) & _ERROR_BIT
        return bool(with_error) and not without

    def trouble(self) -> ReportedError | None:
        """What the instrument reports, if anything; empties its queue.

        Where ``status_tells``, a reply that is lost on the way does not take the error with it.

        Raises:
            LinkError: the link broke before it was known whether there is an error.
        """
        if self.status_tells:
            waits = self.asked("*STB?", read_integer) & _ERROR_BIT
            return self.told() if waits else None
        try:
            self.check_errors()
        except ReportedError as reported:
            return reported
        return None

    def told(self) -> ReportedError:
        """What the error queue holds, as far as the link lets it be told; empties it."""
        found: list[tuple[int, str]] = []
        with suppress(LinkError):  # whoever speaks next comes back first
            while len(found) < _DRAIN_AT_MOST:
                error = self.asked("ERRX?", read_error)
                if not error[0]:
                    break
                found.append(error)
        return self._reported(found or [(0, "which is not told")])

    def _reported(self, found: list[tuple[int, str]]) -> ReportedError:
        text = "; ".join(f"error {code}, {message}" for code, message in found)
        return ReportedError(self.name, self.transport.resource, text, found[0][0])

    def remembers(self) -> bool:
        """Whether the settings are still those of ``configure``.

        An SPGU in free run, as it is at power-on, has lost them, whatever the variables say.
        """
        if not self.mark or self.variable(MEMORY) != self.mark:
            return False
        return self.options.spgu is None or self.asked("SPRM?", read_run_mode)[0] == COUNT_MODE

    @property
    def outputs_on(self) -> list[int]:
        """Channels whose output switch is on, asked of the instrument, in the long form."""
        return self.asked("*LRN? 0", read_outputs)

    def make_safe(self) -> None:
        """Stop everything, 0 V, output switches off; works after a lost link too.

        Raises:
            InstrumentError: a switch says that it is still on, or nobody answers.
        """
        on = self.patiently(self._switch_off)
        self.patiently(self._drain)
        if on:
            raise self.still_on(on)

    def still_on(self, channels: list[int]) -> InstrumentError:
        """What to raise where output switches do not open."""
        named = ", ".join(map(str, channels))
        return InstrumentError(
            self.name,
            self.transport.resource,
            f"the output of channel {named} stays on after it was switched off; switch the"
            " instrument off",
        )

    def _switch_off(self) -> list[int]:
        self.transport.write("AB")
        stop = ["SPP"] if self.options.spgu is not None else []
        return self.asked(line(*stop, "DZ", "CL", "*LRN? 0"), read_outputs)

    def _drain(self) -> None:
        """Throw away errors that are over."""
        try:
            self.check_errors()
        except ReportedError:
            return


@lru_cache(maxsize=1024)
def _packed(commands: tuple[str, ...]) -> Sequence[str]:
    """Lines that hold the commands, each ending in a question for errors."""
    room = LONGEST_LINE - len(";ERRX?")
    lines = [""]
    for one in commands:
        if lines[-1] and len(lines[-1]) + 1 + len(one) > room:
            lines.append("")
        lines[-1] += f";{one}" if lines[-1] else one
    return tuple(f"{text};ERRX?" if text else "ERRX?" for text in lines)
