"""A board on this machine's USB, through the maker's own library ``pyarc2``, loaded on demand.

That library speaks in operations of its own, not in frames, and keeps its own account of the
channels; so this port says the same things in its words. Facts: pyarc2 0.6.2 (commit b06691d), its
``pyarc2.pyi``, and libarc2 below it. Two of its habits matter. It changes the level at which a
high-speed driver rests while the levels of the last pulse are still set, so all converters are
taken to 0 V before every pulse of another kind. And nothing in it grounds the chip when a program
ends: ``ground`` does, and the crossbar calls it.

There is no way to put flags of our own into memory here: a call that fails in the middle of a
program leaves it in doubt. After a failure the library still holds the frames that it could not
hand over, and would hand them over with the next ones; so it is let go of and opened anew, which
configures the board anew, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.errors import (
    InDoubtError,
    InstrumentError,
    LinkError,
    NotConnectedError,
    OhmloopError,
)
from ohmloop.drivers.links.transport import Traffic

from .channels import CHANNELS, CLUSTERS, channels_of
from .lines import check_lines
from .operations import Levels, Measurement, Pulses, Routing
from .words import to_volts

_BATCH = 48  # pulses or measurements at a time: below the 2048 frames after which it would block
_POLL, _LONGEST_POLL = 0.001, 0.05  # s
_SETTLE = 30_000  # that the library itself adds after the converters have moved, ns
_FRAMES = 40e-6  # of time for each operation beyond its own, generously, s


class PyArc2Port:
    """See the module and ``Port``.

    Args:
        name: the instrument, for messages.
        resource: ``pyarc2:NUMBER``, the number as ``pyarc2.find_ids`` gives it.
        firmware: path of the board's configuration file.
        wired: channels that the chip hangs on.
        timeout: time to wait beyond what an operation takes, s.
        tolerance: voltage up to which a line counts as grounded, V.
        routing: of the daughterboard, if it has one.

    Raises:
        NotConnectedError: the library is not installed, or finds no such board.
    """

    def __init__(
        self,
        name: str,
        resource: str,
        firmware: str,
        wired: Sequence[int],
        timeout: float = 2.0,
        tolerance: float = 0.02,
        routing: Routing | None = None,
    ) -> None:
        self._routing = routing
        self.name, self.resource, self.traffic = name, resource, Traffic()
        self._wired, self._timeout, self._tolerance = tuple(wired), timeout, tolerance
        self._library = self._load()
        number = int(resource.partition(":")[2])
        try:
            known = list(self._library.find_ids())
        except Exception as error:
            raise self._missing(f"cannot look for boards: {error}") from error
        if number not in known:
            raise self._missing(f"no board {number}; there are {known or 'none'}")
        self._number, self._firmware, self._closed = number, firmware, False
        self._board: Any = self._opened()

    def identify(self) -> str:
        """Who answers: the library knows no serial number."""
        version = getattr(self._library, "LIBARC2_VERSION", None) or "of unknown version"
        return f"ArC TWO, board {self._number}, libarc2 {version}"

    def measure(self, wanted: Sequence[Measurement]) -> NDArray[np.float64]:
        """Measure; see ``Port``."""
        currents = np.full((len(wanted), CHANNELS), np.nan)
        for start in range(0, len(wanted), _BATCH):
            part = wanted[start : start + _BATCH]
            with self._whole("a measurement"):
                currents[start : start + len(part)] = self._measured(part)
        return currents

    def pulse(self, wanted: Iterable[Pulses]) -> int:
        """Pulse; see ``Port``. Given pulses are those of calls that have ended."""
        given, batch = 0, _Batch()
        for one in wanted:
            for count in _parts(one.count):
                batch.add(one, count)
                if batch.full:
                    given += self._pulsed(batch, given)
                    batch = _Batch()
        return given + (self._pulsed(batch, given) if batch.pulses else 0)

    def ground(self) -> None:
        """Ground all channels; see ``Port``."""
        self.traffic.messages += 1
        everything = list(range(CHANNELS))
        with self._whole("grounding"):
            self._board.finalise_operation(self._library.IdleMode.HardGnd)
            self._board.vread_channels_deferred(_indices(everything), False)
            volts = self._finish(0.0, "Voltage")
            check_lines(self, volts, everything, self._tolerance)

    def close(self) -> None:
        """Let go of the board: the library closes it when nobody holds it."""
        self._board, self._closed = None, True

    @contextmanager
    def _whole(self, what: str) -> Iterator[None]:
        """An operation that must not be cut in two: after a failure the library is opened anew.

        Raises:
            LinkError: the operation failed.
        """
        if self._closed:
            raise self._error("the board was let go of")
        if self._board is None:
            self._board = self._opened()
        try:
            yield
        except BaseException as error:
            self._board = None
            if isinstance(error, OhmloopError) or not isinstance(error, Exception):
                raise
            raise self._error(f"{what} failed: {error}") from error

    def _measured(self, part: Sequence[Measurement]) -> NDArray[np.float64]:
        self._release()
        seconds = 0.0
        for one in part:
            self._board.config_channels(_volts(one.levels, self._wired), 0.0)
            if one.settle > _SETTLE:
                self._board.delay(one.settle - _SETTLE)
            self._board.read_slice_open_deferred(_indices(channels_of(one.sensed)), False)
            seconds += one.settle * 1e-9 + _FRAMES
        self._board.ground_all()
        self._execute(seconds)
        found = [self._pick("Current") for _ in part]
        return np.array([np.where(_sensed(m), f, np.nan) for m, f in zip(part, found, strict=True)])

    def _pulsed(self, batch: _Batch, given: int) -> int:
        try:
            with self._whole("a program"):
                self._release()
                self._board.ground_all()
                for one, count in batch.operations:
                    self._fire(one, count)
                self._board.ground_all()
                self._board.vread_channels_deferred(_indices(self._wired), False)
                volts = self._finish(batch.seconds, "Voltage")
                check_lines(self, volts, self._wired, self._tolerance)
        except InstrumentError as error:
            raise InDoubtError(
                self.name,
                self.resource,
                f"{error.problem}; at least {given} and at most {given + batch.cells} pulses were"
                " given: read the crossbar again before going on",
                None,
            ) from error
        return batch.cells

    def _fire(self, one: Pulses, count: int) -> None:
        self._board.ground_all_fast()
        if one.fast:
            lines = [(k, v, 0.0) for k, v in _volts(one.levels, self._wired) if v]
            widths = [one.width if one.clusters >> k & 1 else None for k in range(CLUSTERS)]
            for _ in range(count):
                self._board.pulse_slice_fast_open(lines, widths, True)
                self._board.delay(one.width + one.rest)
            return
        for _ in range(count):
            self._board.config_channels(_volts(one.levels, self._wired), 0.0)
            self._board.delay(one.width - _SETTLE)
            self._board.ground_all_fast()
            self._board.delay(one.rest)

    def _release(self) -> None:
        """Channels that were connected to ground belong to the converters again."""
        self._board.connect_to_gnd(_indices(()))

    def _finish(self, seconds: float, kind: str) -> NDArray[np.float64]:
        self._execute(seconds)
        return self._pick(kind)

    def _execute(self, seconds: float) -> None:
        """Hand over what was said, and wait, with a bound, until it is done."""
        self.traffic.messages += 1
        self._board.execute()
        deadline, pause = time.monotonic() + seconds + self._timeout, _POLL
        while self._board.busy():
            if time.monotonic() > deadline:
                raise self._error("the board is busy without end")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_POLL)

    def _pick(self, kind: str) -> NDArray[np.float64]:
        """The next result: the board is idle, so this does not wait."""
        modes, kinds = self._library.DataMode, self._library.ReadType
        values = self._board.pick_one(modes.All, getattr(kinds, kind))
        if values is None:
            raise self._error("a result is missing")
        return np.asarray(values, np.float64)

    def _opened(self) -> Any:
        try:
            board = self._library.Instrument(self._number, self._firmware)
            # Codes mean twice as much on the wide range, which another program may have left.
            board.set_channel_range(_indices(range(CHANNELS)), self._library.OutputRange.STD)
            if self._routing:
                modes = self._library.ControlMode
                board.set_control_mode(
                    modes.Header if self._routing == "header" else modes.Internal
                )
            return board
        except Exception as error:
            raise self._missing(f"cannot be opened with {self._firmware}: {error}") from error

    def _load(self) -> Any:
        try:
            return import_module("pyarc2")
        except ImportError as error:
            raise self._missing(
                f"needs the package pyarc2 ({error}); install ohmloop[arc2], or name a frame"
                " endpoint, socket://HOST:PORT, as the resource"
            ) from error

    def _missing(self, problem: str) -> NotConnectedError:
        return NotConnectedError(self.name, self.resource, problem)

    def _error(self, problem: str) -> LinkError:
        return LinkError(self.name, self.resource, problem)


class _Batch:
    """Pulses that are handed over together."""

    def __init__(self) -> None:
        self.operations: list[tuple[Pulses, int]] = []
        self.pulses = self.cells = 0
        self.seconds = 0.0

    @property
    def full(self) -> bool:
        return self.pulses >= _BATCH

    def add(self, one: Pulses, count: int) -> None:
        self.operations.append((one, count))
        self.pulses += count
        self.cells += count * one.cells
        self.seconds += count * ((one.width + one.rest) * 1e-9 + 2 * _FRAMES)


def _parts(count: int) -> list[int]:
    half = _BATCH // 2
    return [half] * (count // half) + ([count % half] if count % half else [])


def _volts(levels: Levels, wired: Iterable[int]) -> list[tuple[int, float]]:
    return [(channel, float(to_volts(levels[channel]))) for channel in wired]


def _sensed(one: Measurement) -> NDArray[np.bool_]:
    return np.array([bool(one.sensed >> k & 1) for k in range(CHANNELS)])


def _indices(channels: Iterable[int]) -> NDArray[np.uint64]:
    return np.array(list(channels), np.uint64)
