"""Writing a transcript while a bench works. It never stands in the way of making a bench safe.

A line is on its way to the disk when the transfer is over: the end of the process takes at most the
line that is being written. A disk that is full is noted, and told by ``check`` before the next
operation, never between a program and its receipt.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from ohmloop.drivers.errors import BadInputError, OhmloopError

from .transcript import Header, Kind, printed
from .transport import LinkEvent


class Recorder:
    """Makes taps that write to one file; all of them may be used at once, from any thread.

    Args:
        path: the file; it must not exist.
        header: its first line.

    Raises:
        BadInputError: the file exists, or cannot be made.
        OhmloopError: the header cannot be written.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path, self._lock = path, threading.Lock()
        self._problem = self._left_by = ""
        self._transfers, self._started = 0, time.monotonic()
        try:
            self._file = open(path, "xb", buffering=0)  # noqa: SIM115 - closed by close()
        except FileExistsError:
            problem = "exists already, and a transcript is never overwritten; name another file"
            raise BadInputError(f"{path}: {problem}") from None
        except OSError as error:
            raise BadInputError(f"{path}: cannot be written: {error.strerror}") from error
        self._put(header.model_dump())
        if self._problem:
            self._file.close()
            self.check()

    def __call__(self, instrument: str) -> RecordingTap:
        """A tap for the link of ``instrument``."""
        return RecordingTap(self, instrument)

    def write(self, instrument: str, kind: Kind, data: bytes | None = None, note: str = "") -> None:
        """Write one line; never raises (see ``check``)."""
        carried = {} if data is None else printed(data)
        noted = {"note": note} if note else {}
        with self._lock:
            head = {"time": self._now(), "instrument": instrument, "kind": kind}
            self._put(head | carried | noted)
            self._transfers += data is not None

    def check(self) -> None:
        """Call before an operation.

        Raises:
            OhmloopError: lines could not be written, so the transcript is of no use from there on.
        """
        if self._problem:
            raise OhmloopError(
                f"{self.path}: the transcript cannot be written: {self._problem}; make room, and"
                " record to another file"
            )

    def left_by(self, error: BaseException) -> None:
        """Say at the end of the file that the session ended with ``error``."""
        text = " ".join(str(error).split())
        self._left_by = f"{type(error).__name__}: {text}" if text else type(error).__name__

    def close(self) -> None:
        """Write the end; what links do afterwards is not recorded.

        Raises:
            OhmloopError: lines could not be written.
        """
        with self._lock:
            if not self._file.closed:
                noted = {"note": self._left_by} if self._left_by else {}
                self._put(
                    {"time": self._now(), "kind": "end", "transfers": self._transfers} | noted
                )
                self._file.close()
        self.check()

    def _now(self) -> float:
        return round(time.monotonic() - self._started, 6)

    def _put(self, line: dict[str, Any]) -> None:
        """Write, or note why not. After a failure nothing more is written: a gap would lie."""
        if self._problem or self._file.closed:
            return
        rest = memoryview(json.dumps(line).encode("ascii") + b"\n")
        try:
            while rest:
                rest = rest[os.write(self._file.fileno(), rest) :]
        except OSError as error:
            self._problem = error.strerror or type(error).__name__


class RecordingTap:
    """A tap: what goes over one link goes into the transcript."""

    def __init__(self, recorder: Recorder, instrument: str) -> None:
        self._recorder, self._instrument = recorder, instrument

    def sent(self, data: bytes) -> None:
        """Bytes that left."""
        self._recorder.write(self._instrument, "sent", data)

    def received(self, data: bytes) -> None:
        """Bytes that came."""
        self._recorder.write(self._instrument, "received", data)

    def happened(self, event: LinkEvent, note: str = "") -> None:
        """The link was opened, failed, was closed; or who answers was found out."""
        self._recorder.write(self._instrument, event, None, note)
