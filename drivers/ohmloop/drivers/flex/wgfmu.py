"""Keysight's WGFMU instrument library (B1530A): its functions, called by ctypes.

The WGFMU has no text commands: ``wgfmu.dll``, which Keysight gives away as the B1530A Instrument
Library, is the only way to it, and it holds one session. It is not part of ohmloop and not needed
for anything else. Signatures, constants and codes are those of the vendor's declarations for C and
Visual Basic (``wgfmu.h``, ``WGFMU.VB``, 2008).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.errors import LinkError, NotConnectedError, ReportedError

ERRORS: Mapping[int, str] = {
    -1: "parameter out of range",
    -2: "illegal string",
    -3: "context error",
    -4: "function not supported by this channel",
    -5: "communication error",
    -6: "firmware error",
    -7: "library error",
    -8: "unidentified error",
    -9: "channel not found",
    -10: "pattern not found",
    -11: "event not found",
    -12: "pattern exists already",
    -13: "sequencer not running",
    -14: "result not ready",
    -15: "result out of date",
}
"""Return values of all functions; 0 is success."""

COMMUNICATION_ERROR = -5
MODE_DC, MODE_FASTIV, MODE_PG, MODE_SMU = 2000, 2001, 2002, 2003
MEASURE_VOLTAGE, MEASURE_CURRENT = 4000, 4001
DATA_AVERAGED, DATA_RAW = 12000, 12001
COMPLETED, DONE, RUNNING, ABORT_COMPLETED, ABORTED, RUNNING_ILLEGAL, IDLE = range(10000, 10007)
"""Of ``status``."""

_INT, _DOUBLE, _TEXT = ctypes.c_int, ctypes.c_double, ctypes.c_char_p
_INT_OUT, _DOUBLE_OUT = ctypes.POINTER(_INT), ctypes.POINTER(_DOUBLE)

SIGNATURES: Mapping[str, tuple[Any, ...]] = {
    "WGFMU_openSession": (_TEXT,),
    "WGFMU_closeSession": (),
    "WGFMU_initialize": (),
    "WGFMU_setTimeout": (_DOUBLE,),
    "WGFMU_getErrorSummarySize": (_INT_OUT,),
    "WGFMU_getErrorSummary": (_TEXT, _INT_OUT),
    "WGFMU_clear": (),
    "WGFMU_createPattern": (_TEXT, _DOUBLE),
    "WGFMU_addVector": (_TEXT, _DOUBLE, _DOUBLE),
    "WGFMU_setMeasureEvent": (_TEXT, _TEXT, _DOUBLE, _INT, _DOUBLE, _DOUBLE, _INT),
    "WGFMU_addSequence": (_INT, _TEXT, _DOUBLE),
    "WGFMU_setOperationMode": (_INT, _INT),
    "WGFMU_setMeasureMode": (_INT, _INT),
    "WGFMU_setMeasureCurrentRange": (_INT, _INT),
    "WGFMU_connect": (_INT,),
    "WGFMU_disconnect": (_INT,),
    "WGFMU_execute": (),
    "WGFMU_abort": (),
    "WGFMU_waitUntilCompleted": (),
    "WGFMU_getStatus": (_INT_OUT, _DOUBLE_OUT, _DOUBLE_OUT),
    "WGFMU_getMeasureValueSize": (_INT, _INT_OUT, _INT_OUT),
    "WGFMU_getMeasureValues": (_INT, _INT, _INT_OUT, _DOUBLE_OUT, _DOUBLE_OUT),
}
"""Arguments of the functions used here; all return an int."""


class Wgfmu:
    """The library, with codes as errors.

    Args:
        library: what ctypes loaded.
        name: the instrument, for messages.
        resource: where it answers, for messages.
    """

    def __init__(self, library: Any, name: str, resource: str) -> None:
        self._library, self.name, self.resource = library, name, resource
        self.calls = 0
        for function, arguments in SIGNATURES.items():
            entry = getattr(library, function)
            entry.argtypes, entry.restype = arguments, _INT

    @classmethod
    def load(cls, name: str, resource: str, file: str | None = None) -> Wgfmu:
        """Find and load the library.

        Args:
            name: the instrument, for messages.
            resource: where it answers, for messages.
            file: the library; None for where the system finds ``wgfmu``.

        Raises:
            NotConnectedError: there is none, it cannot be loaded, or it is not the WGFMU's.
        """
        found = file or ctypes.util.find_library("wgfmu")
        if found is None:
            raise NotConnectedError(
                name,
                resource,
                "the WGFMU library is not on this machine; install Keysight's B1530A Instrument"
                " Library, or name its file in options.wgfmu.library",
            )
        loader: Any = getattr(ctypes, "WinDLL" if sys.platform == "win32" else "CDLL")
        try:
            return cls(loader(found), name, resource)
        except (OSError, AttributeError) as error:
            raise NotConnectedError(
                name,
                resource,
                f"{found!r} cannot be used as the WGFMU library ({error}); check"
                " options.wgfmu.library, and that it is for this Python's word size",
            ) from error

    def open_session(self, address: str) -> None:
        """Connect to the B1500A, by VISA address; its error queue must be empty."""
        self.call("WGFMU_openSession", address.encode("ascii"))

    def close_session(self) -> None:
        """Let go of it."""
        self.call("WGFMU_closeSession")

    def initialize(self) -> None:
        """All channels to their initial state."""
        self.call("WGFMU_initialize")

    def clear(self) -> None:
        """Forget patterns and sequences, in the library."""
        self.call("WGFMU_clear")

    def create_pattern(self, pattern: str, volts: float) -> None:
        """A new waveform that starts at ``volts``."""
        self.call("WGFMU_createPattern", pattern.encode("ascii"), volts)

    def add_vector(self, pattern: str, seconds: float, volts: float) -> None:
        """Go to ``volts`` within ``seconds``."""
        self.call("WGFMU_addVector", pattern.encode("ascii"), seconds, volts)

    def set_measure_event(
        self,
        pattern: str,
        event: str,
        start: float,
        points: int,
        interval: float,
        averaging: float,
        data: int = DATA_AVERAGED,
    ) -> None:
        """Measure ``points`` times in a pattern, from ``start`` (s) on."""
        arguments = (pattern.encode("ascii"), event.encode("ascii"), start, points, interval)
        self.call("WGFMU_setMeasureEvent", *arguments, averaging, data)

    def add_sequence(self, channel: int, pattern: str, count: int) -> None:
        """Play a pattern ``count`` times, after what the channel plays already."""
        self.call("WGFMU_addSequence", channel, pattern.encode("ascii"), float(count))

    def set_operation_mode(self, channel: int, mode: int) -> None:
        """``MODE_FASTIV`` and its like."""
        self.call("WGFMU_setOperationMode", channel, mode)

    def connect(self, channel: int) -> None:
        """Close the channel's output relay."""
        self.call("WGFMU_connect", channel)

    def disconnect(self, channel: int) -> None:
        """Open it."""
        self.call("WGFMU_disconnect", channel)

    def execute(self) -> None:
        """Send the waveforms and start all connected channels."""
        self.call("WGFMU_execute")

    def abort(self) -> None:
        """Stop; the output stays where it is."""
        self.call("WGFMU_abort")

    def wait_until_completed(self) -> None:
        """Wait for the end of all sequences."""
        self.call("WGFMU_waitUntilCompleted")

    def status(self) -> int:
        """``COMPLETED``, ``RUNNING`` and so on."""
        status, elapsed, total = _INT(), _DOUBLE(), _DOUBLE()
        self.call(
            "WGFMU_getStatus",
            ctypes.byref(status),
            ctypes.byref(elapsed),
            ctypes.byref(total),
        )
        return status.value

    def measured(self, channel: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Times (s) and values of a channel's measure events that are complete."""
        done, total = _INT(), _INT()
        self.call("WGFMU_getMeasureValueSize", channel, ctypes.byref(done), ctypes.byref(total))
        times, values = np.zeros(done.value), np.zeros(done.value)
        size = _INT(done.value)
        if done.value:
            pointers = (a.ctypes.data_as(_DOUBLE_OUT) for a in (times, values))
            self.call("WGFMU_getMeasureValues", channel, 0, ctypes.byref(size), *pointers)
        return times[: size.value], values[: size.value]

    def error_summary(self) -> str:
        """What the library says of its last errors; empty where it says nothing."""
        size = _INT()
        if self._library.WGFMU_getErrorSummarySize(ctypes.byref(size)) or size.value <= 0:
            return ""
        text = ctypes.create_string_buffer(size.value + 1)
        if self._library.WGFMU_getErrorSummary(text, ctypes.byref(size)):
            return ""
        return " ".join(text.value.decode("ascii", errors="replace").split())

    def call(self, function: str, *arguments: Any) -> None:
        """Call, and raise what it returns.

        Raises:
            LinkError: the library could not reach the instrument.
            ReportedError: any other code but 0.
        """
        self.calls += 1
        code = getattr(self._library, function)(*arguments)
        if not code:
            return
        summary = self.error_summary()
        problem = f"{function}: {ERRORS.get(code, 'error')} ({code})"
        problem += f": {summary}" if summary else ""
        if code == COMMUNICATION_ERROR:
            raise LinkError(self.name, self.resource, problem)
        raise ReportedError(self.name, self.resource, problem, code)
