"""Parameters of SCPI commands: what they accept, and which error what they refuse is.

Codes: SCPI-1999 volume 2, section 21.8.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .scpi_text import is_word, short_form

MESSAGES = {
    0: "No error",
    -102: "Syntax error",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -113: "Undefined header",
    -161: "Invalid block data",
    -200: "Execution error",
    -213: "Init ignored",
    -221: "Settings conflict",
    -222: "Data out of range",
    -223: "Too much data",
    -224: "Illegal parameter value",
    -230: "Data corrupt or stale",
    -310: "System error",
    -350: "Error queue overflow",
}
"""What the codes say."""


class ScpiError(Exception):
    """An error for the queue."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(MESSAGES.get(code, "Device error"))


class Kind(Protocol):
    """A kind of parameter."""

    def parse(self, text: str) -> Any:
        """The value; raises ScpiError."""

    def show(self, value: Any) -> str:
        """The reply to a query."""


def nr3(value: float) -> str:
    """A number as B2900A and B2200A print it: ``+1.000000E-04``."""
    return f"{value:+.6E}"


@dataclass(frozen=True)
class Number:
    """A number within bounds; MIN, MAX and DEF too."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    default: float = 0.0
    printed: Callable[[float], str] = nr3

    def parse(self, text: str) -> float:
        """-104 where it is no number, -222 where it is out of range."""
        named = {"MINimum": self.low, "MAXimum": self.high, "DEFault": self.default}
        for word, value in named.items():
            if is_word(text, word):
                return value
        try:
            value = float(text)
        except ValueError:
            raise ScpiError(-104) from None
        if not self.low <= value <= self.high:
            raise ScpiError(-222)
        return float(round(value)) if self.whole else value

    def show(self, value: Any) -> str:
        """NR1 where whole, else as the instrument prints."""
        return f"{int(value)}" if self.whole else self.printed(value)


@dataclass(frozen=True)
class Choice:
    """One of some words; kept in the short form."""

    words: tuple[str, ...]

    def parse(self, text: str) -> str:
        """-224 for another word."""
        for word in self.words:
            if is_word(text, word):
                return short_form(word)
        raise ScpiError(-224)

    def show(self, value: Any) -> str:
        """The short form."""
        return str(value)


@dataclass(frozen=True)
class Flag:
    """ON, OFF, or a number."""

    def parse(self, text: str) -> float:
        """-224 for another word."""
        if text.upper() in ("ON", "OFF"):
            return float(text.upper() == "ON")
        try:
            return float(round(float(text)) != 0)
        except ValueError:
            raise ScpiError(-224) from None

    def show(self, value: Any) -> str:
        """0 or 1."""
        return str(int(value))


@dataclass(frozen=True)
class Quoted:
    """A string in quotes; kept without."""

    allowed: tuple[str, ...] = ()

    def parse(self, text: str) -> str:
        """-104 without quotes, -224 for what is not allowed."""
        if len(text) < 2 or text[0] not in "\"'" or text[-1] != text[0]:
            raise ScpiError(-104)
        if self.allowed and not any(is_word(text[1:-1], word) for word in self.allowed):
            raise ScpiError(-224)
        return text[1:-1]

    def show(self, value: Any) -> str:
        """With quotes."""
        return f'"{value}"'


@dataclass
class Setting:
    """A parameter that the instrument keeps.

    Attributes:
        kind: what it accepts.
        default: its value after ``*RST`` and at power-on.
        on_change: told after it was set.
    """

    kind: Kind
    default: Any
    on_change: Callable[[], None] | None = None
    value: Any = field(init=False)

    def __post_init__(self) -> None:
        self.value = self.default

    def set(self, arguments: list[str]) -> None:
        """Take one parameter."""
        if len(arguments) != 1:
            raise ScpiError(-108 if arguments else -109)
        self.value = self.kind.parse(arguments[0])
        if self.on_change:
            self.on_change()

    def get(self, arguments: list[str]) -> str:
        """Answer a query; ``MIN`` and ``MAX`` ask for the bounds."""
        if arguments:
            return self.kind.show(self.kind.parse(arguments[0]))
        return self.kind.show(self.value)
