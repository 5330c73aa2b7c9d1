"""SCPI as text: messages off a stream, units of a message, headers, parameters.

Grammar: IEEE 488.2-1992, chapter 7; SCPI-1999 volume 1, chapters 5 and 6. Not modelled: expressions
in parentheses other than channel lists, units after numbers, ``#H`` numbers.
"""

from __future__ import annotations

import re
from functools import lru_cache

_NODE = re.compile(r"(\[?):([A-Z]+)([a-z]*)(<\d*>)?(\]?)")
_BLOCK = re.compile(rb"#([1-9])")


def scpi_lines(data: bytes) -> tuple[list[bytes], bytes]:
    """Messages that end in LF; an LF inside a definite-length block is data."""
    whole: list[bytes] = []
    start = look = 0
    while (end := data.find(b"\n", look)) >= 0:
        block = _BLOCK.search(data, look, end)
        if block:
            look = _after_block(data, block.start())
            if look > len(data):
                break
            continue
        if end > start:
            whole.append(data[start:end])
        start = look = end + 1
    return whole, data[start:]


def _after_block(data: bytes, at: int) -> int:
    """Where the block that starts at ``at`` ends; beyond the data, where it is not all there."""
    digits = int(data[at + 1 : at + 2])
    length = data[at + 2 : at + 2 + digits]
    if len(length) < digits or not length.isdigit():
        return at + 2 if length and not length.isdigit() else len(data) + 1
    return at + 2 + digits + int(length)


def split(text: str, separator: str) -> list[str]:
    """Split outside quotes, parentheses and blocks.

    >>> split('a "x;y";b (1;2)', ";")
    ['a "x;y"', 'b (1;2)']
    """
    special = _special(separator)
    parts: list[str] = []
    start = look = 0
    while found := special.search(text, look):
        mark = found.group()
        if mark == separator:
            parts.append(text[start : found.start()])
            start = look = found.end()
        elif mark == "#":
            data = text.encode("latin-1")
            block = _BLOCK.match(data, found.start())
            look = _after_block(data, found.start()) if block else found.end()
        else:
            end = text.find(")" if mark == "(" else mark, found.end())
            look = len(text) if end < 0 else end + 1
    parts.append(text[start:])
    return parts


@lru_cache
def _special(separator: str) -> re.Pattern[str]:
    return re.compile(f"[{separator}\"'(#]")


def header_pattern(header: str) -> re.Pattern[str]:
    """What matches a header in its short and long forms, in capitals, with a leading colon.

    Args:
        header: as manuals print it, such as ``[:SOURce<1>]:VOLTage[:LEVel]``: capitals are the
            short form, brackets what may be left out, ``<2>`` a number that must be there, ``<1>``
            one that may be left out.
    """
    pattern = ""
    for optional, short, rest, number, _ in _NODE.findall(header):
        node = f":{short}(?:{rest.upper()})?" if rest else f":{short}"
        digits = number.strip("<>")
        node += f"(?:{digits})?" if digits == "1" else digits
        pattern += f"(?:{node})?" if optional else node
    return re.compile(pattern)


def short_form(word: str) -> str:
    """``VOLTage`` -> ``VOLT``."""
    return "".join(c for c in word if not c.islower())


def is_word(given: str, word: str) -> bool:
    """Whether ``given`` is ``word`` (as manuals print it) in its short or its long form."""
    return given.upper() in (short_form(word), word.upper())


def channels_in(text: str) -> list[str]:
    """What a channel list names: ``(@10101:10103,10201)``; ranges run over whole numbers.

    Raises:
        ValueError: not a channel list.
    """
    match = re.fullmatch(r"\(\s*@([\d:,\s]*)\)", text.strip())
    if not match:
        raise ValueError(text)
    found: list[str] = []
    for item in match[1].replace(" ", "").split(","):
        first, colon, last = item.partition(":")
        if not first.isdigit() or (colon and not last.isdigit()):
            raise ValueError(text)
        if colon and int(last) < int(first):
            raise ValueError(text)
        numbers = range(int(first), int(last) + 1) if colon else [int(first)]
        found += [str(n).zfill(len(first)) for n in numbers]
    return found
