"""Keysight (Agilent) B2200A, B2201A and E5250A switch matrices: channels by number.

A channel is card, input port and output port in one number: ``10112`` is card 1, input 01, output
12 (normal configuration mode). All cards share the input ports. After every move the matrix is
asked which channels of the cards concerned are closed, and the answer must be the channels wanted.

Commands: B2200A/B2201A user's guide, chapter "SCPI commands", ``ROUTe`` and ``SYSTem``; the reply
to ``:CLOS:CARD?`` is read by its five-digit numbers only, because its punctuation differs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

from ohmloop.drivers.errors import InstrumentError

from .scpi_instrument import ScpiInstrument

_CHANNEL = re.compile(r"\d{5}")
_ALL_CARDS = ("1", "2", "3", "4")
_REMEMBERED = 4096  # moves, and replies: more than the crosspoints of four cards


class KeysightB2200(ScpiInstrument):
    """The matrix, as a ``routed.Matrix``. It is told which cards it uses by ``use``."""

    models = ("B2200A", "B2201A", "E5250A")
    _cards: tuple[str, ...] = _ALL_CARDS
    _left: frozenset[str] | None = None
    """Channels closed as the last move left them; None where that is not known."""

    def use(self, points: Iterable[str]) -> None:
        """Look after the cards of these channels only."""
        self._cards = tuple(sorted({point[0] for point in points}))

    def open_all(self) -> None:
        """Reset, break before make, everything open; comes back after a lost link.

        Raises:
            InstrumentError: a relay stays closed.
            ReportedError: the matrix refuses, for instance because a card is missing.
        """
        self.persist(self._reset)

    def select(self, points: Sequence[str]) -> bool:
        """Close exactly these; comes back after a lost link.

        Returns:
            Whether the relays were as the last call had left them.

        Raises:
            InstrumentError: the channels closed afterwards are not those wanted.
            ReportedError: the matrix refuses.
        """
        left, wanted = self._left, frozenset(points)
        if left is None:
            self.open_all()
            left = frozenset()
        self._left = None  # until the answer is here
        before, after = self.persist(lambda: self._move(left, wanted))
        held = before in (left, wanted)  # the latter where the move was made and its answer lost
        if not held:
            self.open_all()
            _, after = self.persist(lambda: self._move(frozenset(), wanted))
        self._require(after, wanted)
        self._left = wanted
        return held

    def holds(self) -> bool:
        """Whether the relays are as the last call left them; comes back after a lost link."""
        return self.persist(self._closed) == self._left

    def closed(self) -> list[str]:
        """Channels closed now, of the cards in use."""
        return sorted(self._closed())

    def make_safe(self) -> None:
        """Open every channel.

        Raises:
            InstrumentError: one stays closed.
        """
        self.open_all()

    def _reset(self) -> None:
        self._left = None
        setup = ["*RST", "*CLS", ":ROUT:FUNC NCON", ":CONN:RULE ALL,FREE", ":CONN:SEQ ALL,BBM"]
        replies = self.batch([*setup, ":OPEN:CARD ALL", *_which(self._cards)], len(self._cards))
        self._require(_channels(tuple(replies)), frozenset())
        self._left = frozenset()

    def _move(
        self, left: frozenset[str], wanted: frozenset[str]
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Channels closed before and after opening and closing what differs."""
        cards = len(self._cards)
        replies = self.batch(_moves(self._cards, left, wanted), 2 * cards)
        return _channels(tuple(replies[:cards])), _channels(tuple(replies[cards:]))

    def _closed(self) -> frozenset[str]:
        return _channels(tuple(self.batch(_which(self._cards), len(self._cards))))

    def _require(self, closed: frozenset[str], wanted: frozenset[str]) -> None:
        if closed == wanted:
            return
        raise InstrumentError(
            self.name,
            self.resource,
            f"channels {_listed(closed)} are closed where {_listed(wanted)} should be;"
            " check the cards and their relays (self-test)",
        )


def _which(cards: Iterable[str]) -> list[str]:
    """Questions for the channels that are closed."""
    return [f":CLOS:CARD? {card}" for card in cards]


# Cells are visited again and again: what is said and heard then is said and heard again.
@lru_cache(maxsize=_REMEMBERED)
def _moves(cards: tuple[str, ...], left: frozenset[str], wanted: frozenset[str]) -> tuple[str, ...]:
    """Open and close what differs, the cards being asked before and after."""
    moves = []
    if left - wanted:
        moves.append(f":OPEN {_listed(left - wanted)}")
    if wanted - left:
        moves.append(f":CLOS {_listed(wanted - left)}")
    return *_which(cards), *moves, *_which(cards)


@lru_cache(maxsize=_REMEMBERED)
def _channels(replies: tuple[str, ...]) -> frozenset[str]:
    return frozenset(channel for reply in replies for channel in _CHANNEL.findall(reply))


def _listed(channels: Collection[str]) -> str:
    return f"(@{','.join(sorted(channels))})"
