"""The board's memory for readings: words at addresses; what was never written reads 0."""

from __future__ import annotations

_PAGE = 1 << 12


class BoardMemory:
    """Pages, made when something is written."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def write(self, address: int, data: bytes) -> None:
        """Write ``data`` from ``address`` on."""
        for offset, byte_range in _split(address, len(data)):
            page, start, count = byte_range
            kept = self._pages.setdefault(page, bytearray(_PAGE))
            kept[start : start + count] = data[offset : offset + count]

    def read(self, address: int, length: int) -> bytes:
        """``length`` bytes from ``address`` on."""
        found = bytearray()
        for _, (page, start, count) in _split(address, length):
            found += self._pages.get(page, bytes(_PAGE))[start : start + count]
        return bytes(found)


def _split(address: int, length: int) -> list[tuple[int, tuple[int, int, int]]]:
    """Offset into the data, and page, start and count on the page."""
    parts, offset = [], 0
    while offset < length:
        page, start = divmod(address + offset, _PAGE)
        count = min(_PAGE - start, length - offset)
        parts.append((offset, (page, start, count)))
        offset += count
    return parts
