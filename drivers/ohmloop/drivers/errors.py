"""The one tree of errors.

::

    OhmloopError
    ├── BadInputError              what was asked cannot be; nothing was sent      exit status 2
    │   ├── ConfigError            a bench or experiment file: says file and key
    │   ├── ProgramError           a pulse program that cannot exist
    │   ├── ChipFileError          not a calibration file, or not for this crossbar
    │   └── LimitError             the guard refused: a pulse or read beyond the bench's limits
    └── InstrumentError            says which instrument, at which resource
        ├── NotConnectedError      nobody answers at the resource                  exit status 2
        ├── WrongInstrumentError   somebody else answers                           exit status 2
        ├── ReportedError          the instrument's own error queue
        ├── LinkError              the link broke or timed out
        └── InDoubtError           a program may have been applied in part

Every message says what was wrong, where, and what to do about it, on one line.
"""

from __future__ import annotations

from typing import Any, ClassVar

_LONGEST = 600  # characters


class OhmloopError(Exception):
    """Base of every error that ohmloop raises on purpose."""

    exit_status: ClassVar[int] = 1

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross process borders whole, whatever their constructors ask for."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[OhmloopError], arguments: tuple[Any, ...], state: dict[str, Any]
) -> OhmloopError:
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(state)
    return error


class BadInputError(OhmloopError):
    """What the user gave is wrong; nothing has been sent to a chip."""

    exit_status: ClassVar[int] = 2


class ConfigError(BadInputError):
    """A bench or experiment file is wrong at one key.

    Args:
        file: the file as the user named it.
        key: the key path inside it, such as ``limits.voltage``; empty for the whole file.
        problem: what is wrong and what would be right.
    """

    def __init__(self, file: object, key: str, problem: str) -> None:
        self.file, self.key, self.problem = str(file), _line(key), _line(problem)
        super().__init__(": ".join(part for part in (self.file, self.key, self.problem) if part))


def _line(text: str) -> str:
    """What a file says may be long, and of several lines; a message is neither."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


class ProgramError(BadInputError, ValueError):
    """A pulse program is malformed: shapes, signs, train length, or damaged bytes."""


class ChipFileError(BadInputError):
    """A file is not a calibration file, or belongs to another crossbar."""


class LimitError(BadInputError):
    """The guard refused a pulse or a read before a byte left."""


class InstrumentError(OhmloopError):
    """Something failed at one instrument.

    Args:
        instrument: its name on the bench, or the driver's name.
        resource: its VISA resource.
        problem: what happened and what to do.
    """

    def __init__(self, instrument: str, resource: str, problem: str) -> None:
        self.instrument, self.resource, self.problem = instrument, resource, problem
        super().__init__(f"{instrument} ({resource}): {problem}")


class NotConnectedError(InstrumentError):
    """Nobody answers at the resource."""

    exit_status: ClassVar[int] = 2


class WrongInstrumentError(InstrumentError):
    """The instrument that answers is not the one the bench file names."""

    exit_status: ClassVar[int] = 2


class ReportedError(InstrumentError):
    """The instrument put an error into its queue.

    ``code`` is the instrument's own number of the first error.
    """

    def __init__(self, instrument: str, resource: str, problem: str, code: int) -> None:
        self.code = code
        super().__init__(instrument, resource, problem)


class LinkError(InstrumentError):
    """The link timed out, broke, or delivered what cannot be a reply."""


class InDoubtError(InstrumentError):
    """A pulse program was interrupted; how much of it reached the chip is only partly known.

    ``applied`` is the number of pulses that the instrument itself counted, or None where it
    could not be asked. ``cells`` are the cells concerned, as flat indices
    ``row * columns + column`` (set by the crossbar); they have to be read again before anything is
    built on them.
    """

    def __init__(self, instrument: str, resource: str, problem: str, applied: int | None) -> None:
        self.applied = applied
        self.cells: Any = ()
        super().__init__(instrument, resource, problem)
