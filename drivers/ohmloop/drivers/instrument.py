"""The base of every instrument driver."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    Self,
    TypeVar,
    overload,
)
from weakref import WeakValueDictionary

from pydantic import BeforeValidator

from .errors import ConfigError, LinkError, NotConnectedError, WrongInstrumentError
from .links.transport import Traffic, Transport, tell
from .validation import Record, validate

if TYPE_CHECKING:
    from .bench import Bench

log = logging.getLogger("ohmloop")


class NoOptions(Record):
    """An instrument without options."""


ErrorPolicy = Annotated[
    Literal["each", "batch", "off"],
    BeforeValidator(lambda value: "off" if value is False else value),  # YAML reads off as false
]


class InstrumentOptions(Record):
    """Options that every instrument with an error queue may have.

    Attributes:
        errors: when the queue is read: after ``each`` setting, once a ``batch`` of settings is
            sent, or not for settings at all (``off``). Pulse programs and reads always report.
    """

    errors: ErrorPolicy = "batch"


# Weak, so that one that was dropped without being closed is not taken for one in use.
_CONNECTED: WeakValueDictionary[tuple[type, str, str], Instrument] = WeakValueDictionary()
_CONNECTING = threading.RLock()


def all_awake() -> None:
    """What is connected in this process is set up: replies are due in time from now on."""
    for instrument in list(_CONNECTED.values()):
        awake = getattr(instrument.transport, "awake", None)
        if awake:
            awake()


def traffic() -> Traffic:
    """What went over the links of all instruments that this process is connected to."""
    total = Traffic()
    for instrument in list(_CONNECTED.values()):
        one = instrument.transport.traffic
        total.messages += one.messages
        total.bytes_sent += one.bytes_sent
        total.bytes_received += one.bytes_received
    return total


class Instrument:
    """One instrument behind a transport.

    Subclasses say how it identifies itself, how its error queue is read, and what off means.

    Args:
        name: its name on the bench.
        transport: the link.
        options: an ``Options`` record.

    Attributes:
        lock: held by whoever talks to it; crossbars that share an instrument share it.
        tenant: the crossbar that configured it last; another one configures it anew first.
    """

    Options: ClassVar[type[Record]] = NoOptions
    maker: ClassVar[str]
    models: ClassVar[tuple[str, ...]]
    end: ClassVar[str] = "\n"
    """What ends a message."""

    def __init__(self, name: str, transport: Transport, options: Record | None = None) -> None:
        self.name, self.transport = name, transport
        self.options: Any = options or self.Options()
        self.identity = ""
        self.lock = threading.RLock()
        self.tenant: object = None
        self._users = 1
        self._key: tuple[type, str, str] | None = None

    @classmethod
    def connect(cls, bench: Bench, name: str) -> Self:
        """Open the link that ``bench`` names, and make sure of who answers.

        An instrument that is connected already in this process is returned again, with one link,
        one lock and one tenant; it is let go of when everybody has closed it.

        Raises:
            NotConnectedError: nobody answers.
            WrongInstrumentError: somebody else does.
            ConfigError: it is connected already, with other options.
        """
        config = bench.config.instruments[name]
        options = validate(cls.Options, config.options, bench.path, f"instruments.{name}.options")
        key = (cls, bench.config.visa.backend, config.resource.upper())
        with _CONNECTING:
            found = _CONNECTED.get(key)
            if not isinstance(found, cls):
                found = cls._open(bench, name, options)
                found._key, _CONNECTED[key] = key, found
                return found
            if found.options != options:
                problem = f"{config.resource} is in use with other options, as {found.name!r}"
                raise ConfigError(bench.path, f"instruments.{name}.options", problem)
            found._users += 1
            found.transport.tap = found.transport.tap or bench.tap(name)
            return found

    @classmethod
    def _open(cls, bench: Bench, name: str, options: Record) -> Self:
        from .links.visa import VisaTransport

        config, visa = bench.config.instruments[name], bench.config.visa
        transport = VisaTransport(
            name, config.resource, visa.backend, visa.timeout, cls.end, bench.tap(name)
        )
        transport.wake()
        instrument = cls(name, transport, options)
        try:
            instrument.identify()
            tell(transport.tap, "identified", instrument.identity)
        except LinkError as error:
            transport.close()
            raise NotConnectedError(
                name,
                config.resource,
                f"nobody answers ({error.problem}); check the resource in {bench.path}, the cable,"
                " and that the instrument is on",
            ) from error
        except BaseException:
            transport.close()
            raise
        return instrument

    def identify(self) -> str:
        """Ask ``*IDN?`` and refuse an instrument of another maker or model.

        Raises:
            WrongInstrumentError: says who answered.
        """
        self.identity = self.transport.query("*IDN?").strip()
        fields = [field.strip() for field in self.identity.split(",")]
        model = fields[1] if len(fields) > 1 else ""
        known = any(name in model.upper() for name in self.models)
        if not known or self.maker.upper() not in fields[0].upper():
            raise WrongInstrumentError(
                self.name,
                self.transport.resource,
                f"answers as {self.identity!r}, which is no {self.maker}"
                f" {' or '.join(self.models)}; check the resource and the driver in the bench file",
            )
        return self.identity

    def check_errors(self) -> None:
        """Read the error queue until it is empty.

        Raises:
            ReportedError: it held errors; the message lists them.
        """
        raise NotImplementedError

    def changed(self) -> None:
        """A setting was sent: read the error queue now, if the options say after each."""
        if getattr(self.options, "errors", "off") == "each":
            self.check_errors()

    def end_batch(self) -> None:
        """A batch of settings was sent: read the error queue, unless the options say not to.

        Raises:
            ReportedError: the queue held errors.
        """
        if getattr(self.options, "errors", "batch") != "off":
            self.check_errors()

    def make_safe(self) -> None:
        """Outputs off; idempotent."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of it; the link closes when its last user has."""
        with _CONNECTING:
            self._users -= 1
            if self._users > 0:
                return
            if self._key is not None and _CONNECTED.get(self._key) is self:
                del _CONNECTED[self._key]
        self.transport.close()


T = TypeVar("T")


class Setting(Generic[T]):
    """An instrument attribute: its name on the instrument, unit, range, and meaning, in one line.

    Setting it checks the range first and sends nothing where it is broken.

    Args:
        attribute: name on the instrument, such as ``source.limiti``.
        doc: what it is, with its unit.
        parse: from the instrument's text.
        low: smallest value allowed.
        high: largest value allowed.
    """

    def __init__(
        self,
        attribute: str,
        doc: str,
        parse: Callable[[str], T],
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        self.attribute, self.parse, self.low, self.high = attribute, parse, low, high
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, device: None, owner: type) -> Setting[T]: ...
    @overload
    def __get__(self, device: Any, owner: type) -> T: ...
    def __get__(self, device: Any, owner: type) -> Setting[T] | T:
        """Ask the instrument."""
        if device is None:
            return self
        return self.parse(device.get_attribute(self.attribute))

    def __set__(self, device: Any, value: T) -> None:
        """Check the range, then tell the instrument."""
        number: Any = value
        beyond = (self.low is not None and number < self.low) or (
            self.high is not None and number > self.high
        )
        if beyond or number != number:
            raise ValueError(
                f"{self.name} = {value!r} is not between {self.low:g} and {self.high:g}"
            )
        device.set_attribute(self.attribute, value)
