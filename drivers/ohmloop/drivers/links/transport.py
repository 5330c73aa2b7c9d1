"""What an instrument driver needs of a link. Messages are counted: they are a bench's cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Traffic:
    """What went over one link.

    Attributes:
        messages: messages sent; a query with its reply is one.
        bytes_sent: bytes out.
        bytes_received: bytes in.
    """

    messages: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class Tap(Protocol):
    """Sees every byte of a link, in the order it goes."""

    def sent(self, data: bytes) -> None:
        """Bytes that left."""

    def received(self, data: bytes) -> None:
        """Bytes that came."""


class Transport(Protocol):
    """A message link to one instrument. All methods raise ``LinkError`` when it fails.

    After a reply that did not come, queries are refused until ``resync``: a late reply is never
    taken for the next answer.
    """

    resource: str
    traffic: Traffic
    tap: Tap | None

    def write(self, text: str) -> None:
        """Send one message (which may hold many lines)."""

    def query(self, text: str, wait: float = 0.0) -> str:
        """Send one message, return one line. ``wait``: time the instrument is busy, s."""

    def query_block(self, text: str, count: int, wait: float = 0.0) -> bytes:
        """Send one message, return ``count`` bytes as they come."""

    def read_line(self, wait: float = 0.0) -> str:
        """Another line of the reply to the last message."""

    def reopen(self) -> None:
        """Close the link and open it anew, with growing pauses; raises when nobody answers."""

    def restart(self) -> None:
        """``reopen``, and a device clear where the interface has one: no reply is owed after."""

    def resync(self, text: str, marker: str, wait: float = 0.0) -> list[str]:
        """Throw away what is on its way: send ``text``, read until the line ``marker``."""

    def close(self) -> None:
        """Let go of the link."""
