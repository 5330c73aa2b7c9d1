"""What a B1500A answers, read strictly: anything else is a garbled reply.

Facts: B1500A Programming Guide, section 1, "ASCII Data Output Format" (status, channel and type
letters; 12 or 13 characters a number) and section 4, ``ERRX?``, ``UNT?``, ``*LRN?``, ``SPRM?``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

NO_READING = 1e99
"""The instrument answers 199.999E+99 where there is no reading."""

STATUS = {
    "N": "normal",
    "T": "another channel reached compliance",
    "C": "this channel reached compliance",
    "V": "beyond the measuring range",
    "X": "a channel oscillates",
    "F": "the SMU's force is saturated",
    "G": "the search target was not found",
    "S": "the search was stopped",
}
"""Status letters of SMU data."""

CLIPPED = frozenset("TCF")
"""The source did not make the voltage asked for."""

_SLOTS = "ABCDEFGHIJ"
_DATA = re.compile(r"([A-Z])([A-JVZ])([VIT])([+-]\d{1,3}\.\d{3,7}E[+-]\d{2})")
_ERROR = re.compile(r'([+-]?\d+),"(.*)"')
_INTEGER = re.compile(r"\s*[+-]?\d+\s*")
_NUMBER = re.compile(r"\s*[+-]?\d+(\.\d*)?([eE][+-]?\d+)?\s*")
_OUTPUTS = re.compile(r"CL|CN(\d+(?:,\d+)*)")


class GarbledError(ValueError):
    """Bytes that no reply is made of."""


class Datum(NamedTuple):
    """One measured value.

    Attributes:
        status: its letter, see ``STATUS``.
        slot: the module that measured.
        kind: ``I``, ``V`` or ``T``.
        value: A, V or s.
    """

    status: str
    slot: int
    kind: str
    value: float

    @property
    def missing(self) -> bool:
        """Whether there is no reading."""
        return self.status == "V" or abs(self.value) > NO_READING


def read_data(text: str) -> list[Datum]:
    """Data of format 1, 5, 11 or 15: ``NAI+1.234567E-06,CAI+...``.

    Raises:
        GarbledError: not such data.
    """
    found = [_DATA.fullmatch(item) for item in text.strip().rstrip(",").split(",")]
    return [_datum(match, text) for match in found]


def _datum(match: re.Match[str] | None, text: str) -> Datum:
    if match is None or match[1] not in STATUS or match[2] not in _SLOTS:
        raise GarbledError(f"{text[:60]!r} is no measurement")
    status, slot, kind, value = match.groups()
    return Datum(status, _SLOTS.index(slot) + 1, kind, float(value))


def read_error(text: str) -> tuple[int, str]:
    """``ERRX?``: code and message; code 0 is none.

    Raises:
        GarbledError: not an answer to it.
    """
    match = _ERROR.fullmatch(text.strip())
    if match is None:
        raise GarbledError(f"{text[:60]!r} is no answer to ERRX?")
    return int(match[1]), match[2]


def read_integer(text: str) -> int:
    """A whole number.

    Raises:
        GarbledError: not one.
    """
    if not _INTEGER.fullmatch(text):
        raise GarbledError(f"{text[:60]!r} is no whole number")
    return int(text)


def read_number(text: str) -> float:
    """A number.

    Raises:
        GarbledError: not one.
    """
    if not _NUMBER.fullmatch(text):
        raise GarbledError(f"{text[:60]!r} is no number")
    return float(text)


def read_modules(text: str) -> dict[int, str]:
    """``UNT?``: model by slot, empty slots left out.

    Raises:
        GarbledError: not an answer to it.
    """
    modules: dict[int, str] = {}
    for slot, item in enumerate(text.strip().rstrip(";").split(";"), start=1):
        model, comma, _ = item.partition(",")
        if not comma or not model:
            raise GarbledError(f"{text[:60]!r} is no answer to UNT?")
        if model != "0":
            modules[slot] = model
    return modules


def read_outputs(text: str) -> list[int]:
    """``*LRN? 0``: channels whose output switch is on, in the long form: 1 is 101.

    Raises:
        GarbledError: not an answer to it.
    """
    match = _OUTPUTS.fullmatch(text.strip().replace(" ", ""))
    if match is None:
        raise GarbledError(f"{text[:60]!r} is no answer to *LRN? 0")
    return [long_form(int(channel)) for channel in (match[1] or "").split(",") if channel]


def long_form(channel: int) -> int:
    """Slot and 01, where a channel is given by its slot alone."""
    return channel if channel > 100 else 100 * channel + 1


def read_run_mode(text: str) -> tuple[int, float | None]:
    """``SPRM?``: mode, and its count or duration.

    Raises:
        GarbledError: not an answer to it.
    """
    mode, _, condition = text.strip().partition(",")
    try:
        return int(mode), float(condition) if condition else None
    except ValueError:
        raise GarbledError(f"{text[:60]!r} is no answer to SPRM?") from None
