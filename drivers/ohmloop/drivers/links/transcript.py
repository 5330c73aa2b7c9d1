r"""The transcript: what went over a bench's links, one JSON object a line, to read and to replay.

::

    {"transcript": 1, "ohmloop": "0.1.0", "date": ..., "bench": ..., "instruments": {...}, "file":
     the bench file's text}
    {"time": 0.0103, "instrument": "smu", "kind": "opened"}
    {"time": 0.0104, "instrument": "smu", "kind": "sent", "text": "*IDN?\n"}
    {"time": 0.0117, "instrument": "smu", "kind": "received", "text": "KEITHLEY, ...\n"}
    {"time": 0.0209, "instrument": "board", "kind": "sent", "base64": "AAsBAbX8..."}
    {"time": 1.2150, "kind": "end", "transfers": 412}

Nothing is left out and nothing is interpreted: the bytes of a line are those of one transfer.
Described in ``docs/reference/transcript.md``.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ohmloop.drivers.errors import ConfigError
from ohmloop.drivers.validation import Record, validate

VERSION = 1
"""Of the format that is written, and the only one that is read."""

Kind = Literal["sent", "received", "opened", "closed", "failed", "identified", "end"]
"""``sent`` and ``received`` carry bytes, the others a note on the link."""

_PLAIN = bytes({*range(0x20, 0x7F), *b"\t\n\r"})


class RecordedInstrument(Record):
    """Driver and resource of an instrument as the bench was opened."""

    driver: str
    resource: str


class Header(Record):
    """The first line.

    Attributes:
        transcript: version of the format.
        ohmloop: version that recorded it.
        date: when it began, ISO 8601, UTC.
        bench: name of the bench.
        instruments: by name; resources as they were used, whatever the bench file says.
        file: text of the bench file, without its ``emulation``.
    """

    transcript: int
    ohmloop: str
    date: str
    bench: str
    instruments: Annotated[dict[str, RecordedInstrument], Field(min_length=1)]
    file: str


class Line(Record):
    """Any line after the header.

    Attributes:
        time: since the beginning, s.
        instrument: whose link; of all lines but the end.
        kind: what happened.
        text: bytes of a transfer, where all of them are printable ASCII, tab, CR or LF.
        base64: bytes of a transfer, where they are not.
        note: what failed, who was identified, how the session ended.
        transfers: in all; of the end.
    """

    time: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    instrument: str | None = None
    kind: Kind
    text: str | None = None
    base64: str | None = None
    note: str = ""
    transfers: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        carries = (self.text is not None) + (self.base64 is not None)
        if carries != (self.kind in ("sent", "received")):
            raise ValueError(f"{self.kind!r} carries {carries} of text and base64")
        if (self.instrument is None) != (self.kind == "end"):
            raise ValueError(f"{self.kind!r} with instrument {self.instrument!r}")
        if (self.transfers is not None) != (self.kind == "end"):
            raise ValueError(f"{self.kind!r} with transfers = {self.transfers}")
        return self

    @property
    def data(self) -> bytes:
        """The bytes.

        Raises:
            ValueError: text that is not ASCII, or not base64.
        """
        if self.base64 is not None:
            return base64.b64decode(self.base64, validate=True)
        return (self.text or "").encode("ascii")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of one instrument.

    Attributes:
        line: number in the file, from 1.
        time: since the beginning, s.
        instrument: whose link.
        kind: what happened.
        data: bytes of a transfer.
        note: of anything else.
    """

    line: int
    time: float
    instrument: str
    kind: Kind
    data: bytes
    note: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """A transcript that was read.

    Attributes:
        path: the file.
        header: its first line.
        entries: the others, in order, without the end.
        remarks: what a reader should know: a recording that broke off, a session that failed.
    """

    path: Path
    header: Header
    entries: tuple[Entry, ...]
    remarks: tuple[str, ...]

    def of(self, instrument: str) -> list[Entry]:
        """Entries of one instrument, in order."""
        return [entry for entry in self.entries if entry.instrument == instrument]


def printed(data: bytes) -> dict[str, str]:
    r"""Bytes as a key of a line: ``text`` where a person can read it, else ``base64``.

    >>> printed(b"*IDN?\n"), printed(b"\x00\x01")
    ({'text': '*IDN?\n'}, {'base64': 'AAE='})
    """
    if not data.translate(None, _PLAIN):
        return {"text": data.decode("ascii")}
    return {"base64": base64.b64encode(data).decode("ascii")}


def read_transcript(path: str | Path) -> Transcript:
    """Read and check a transcript. A last line that a crash cut off is left out, with a remark.

    Raises:
        ConfigError: not a transcript, of another version, or damaged; names file and line.
    """
    path = Path(path)
    numbered, cut = _split(path)
    if not numbered:
        raise ConfigError(path, "", "is empty, or its first line is not whole: no transcript")
    number, first = numbered[0]
    header = _header(path, _parse(path, number, first))
    entries: list[Entry] = []
    end: Line | None = None
    for number, text in numbered[1:]:
        if end is not None:
            raise ConfigError(path, f"line {number}", "comes after the end")
        line = validate(Line, _parse(path, number, text), path, f"line {number}")
        if line.kind == "end":
            end = line
        else:
            entries.append(_entry(path, number, line, header, entries))
    return Transcript(path, header, tuple(entries), _remarks(path, entries, end, cut))


def _split(path: Path) -> tuple[list[tuple[int, bytes]], bool]:
    """Lines with their numbers, and whether a last one that was cut off has been dropped."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(path, "", "no such file") from None
    except OSError as error:
        raise ConfigError(path, "", f"cannot be read: {error.strerror}") from error
    *lines, last = data.split(b"\n")
    whole = _is_object(last)
    if whole:  # an editor took the last line feed away
        lines.append(last)
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    return numbered, bool(last.strip()) and not whole


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        problem = f"is no JSON ({error}); the file is damaged"
        raise ConfigError(path, f"line {number}", problem) from None
    if not isinstance(found, dict):
        raise ConfigError(path, f"line {number}", "is no JSON object")
    return found


def _header(path: Path, found: dict[str, Any]) -> Header:
    version = found.get("transcript")
    if version is None:
        raise ConfigError(path, "line 1", "is no header of an ohmloop transcript")
    if version != VERSION:
        problem = f"is version {version!r} of the format; this ohmloop reads version {VERSION}"
        raise ConfigError(path, "line 1.transcript", problem)
    return validate(Header, found, path, "line 1")


def _entry(path: Path, number: int, line: Line, header: Header, before: list[Entry]) -> Entry:
    where, name = f"line {number}", line.instrument or ""
    if name not in header.instruments:
        known = ", ".join(header.instruments)
        raise ConfigError(path, f"{where}.instrument", f"no {name!r} in the header; known: {known}")
    if before and line.time < before[-1].time:
        problem = f"{line.time:g} s is earlier than the line before; the file is damaged"
        raise ConfigError(path, f"{where}.time", problem)
    try:
        data = line.data
    except (UnicodeEncodeError, binascii.Error) as error:
        key = "base64" if line.base64 is not None else "text"
        raise ConfigError(path, f"{where}.{key}", f"holds no bytes: {error}") from None
    return Entry(number, line.time, name, line.kind, data, line.note)


def _remarks(path: Path, entries: list[Entry], end: Line | None, cut: bool) -> tuple[str, ...]:
    remarks = [f"{path}: its last line was cut off and is left out"] if cut else []
    if end is None:
        remarks.append(f"{path}: the recording broke off; what came after is not in it")
        return tuple(remarks)
    found = sum(entry.kind in ("sent", "received") for entry in entries)
    if end.transfers is not None and found < end.transfers:
        problem = f"says {end.transfers} transfers, but {found} are here: lines are missing"
        raise ConfigError(path, "end", problem)
    if end.note:
        remarks.append(f"{path}: the session ended with: {end.note}")
    return tuple(remarks)
