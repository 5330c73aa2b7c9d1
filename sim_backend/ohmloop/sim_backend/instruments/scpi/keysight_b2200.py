"""Emulated Keysight B2200A with four B2210A cards: 14 input ports, 4 x 12 output ports.

Commands and rules: B2200A/B2201A user's guide, ``ROUTe`` subsystem. On an error in a channel list
nothing moves. Not modelled: auto configuration mode (card 0), bias, ground and couple modes,
``:CONN:RULE SROU`` beyond being remembered. Not verified on an instrument: settling of 5 ms, error
codes of channel lists, that ``*RST`` takes the bias and ground modes off too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ohmloop.sim_backend.instruments.fixture import Fixture

from .scpi_device import ScpiDevice
from .scpi_parameters import Choice, ScpiError, Setting
from .scpi_text import channels_in

_SETTLE = 5e-3
_CHANNEL = re.compile(r"([1-4])(0[1-9]|1[0-4])(0[1-9]|1[0-2])")
_CARDS = ("1", "2", "3", "4")


class EmulatedKeysightB2200(ScpiDevice):
    """The matrix.

    Args:
        fixtures: what its lines are wired to, one for each source.
        model: such as ``B2200A``.
        serial: serial number.

    Attributes:
        closed: channels closed, in the order they were.
        stuck: channels whose relays do not open any more.
    """

    queue_size = 30

    def __init__(
        self, fixtures: Iterable[Fixture], model: str = "B2200A", serial: str = "JP10I00123"
    ) -> None:
        super().__init__(f"Agilent Technologies,{model},{serial},A.01.05")
        self._fixtures = list(fixtures)
        self.closed: dict[str, None] = {}
        self.stuck: set[str] = set()
        self._rules: dict[str, str] = {}
        self._sequences: dict[str, str] = {}
        self.setting("[:ROUTe]:FUNCtion", Setting(Choice(("ACONfig", "NCONfig")), "NCON"))
        self._register()

    def reset(self) -> None:
        """Open everything, default rules."""
        super().reset()
        self._rules = dict.fromkeys(_CARDS, "FREE")
        self._sequences = dict.fromkeys(_CARDS, "BBM")
        self._move({})

    def power_cycle(self) -> None:
        """A stuck relay comes loose."""
        self.stuck.clear()
        super().power_cycle()

    def describe(self) -> str:
        """State in words."""
        return f"closed: {','.join(self.closed) or 'none'}"

    def _register(self) -> None:
        self._rules = dict.fromkeys(_CARDS, "FREE")
        self._sequences = dict.fromkeys(_CARDS, "BBM")
        rules, sequences = Choice(("FREE", "SROUte")), Choice(("NSEQ", "BBM", "MBBR"))
        self._by_card("[:ROUTe]:CONNection:RULE", rules, lambda: self._rules)
        self._by_card("[:ROUTe]:CONNection:SEQuence", sequences, lambda: self._sequences)
        self.command("[:ROUTe]:CLOSe[:LIST]", self._close, lambda a: self._states(a, True))
        self.command("[:ROUTe]:OPEN[:LIST]", self._open, lambda a: self._states(a, False))
        self.command("[:ROUTe]:CLOSe:CARD", get=self._closed_on)
        self.command("[:ROUTe]:OPEN:CARD", self._open_card)

    def _by_card(self, header: str, choice: Choice, kept: Callable[[], dict[str, str]]) -> None:
        def do(arguments: list[str]) -> None:
            if len(arguments) != 2:
                raise ScpiError(-109 if len(arguments) < 2 else -108)
            value = choice.parse(arguments[1])
            kept().update(dict.fromkeys(_cards(arguments[:1]), value))

        self.command(header, do, lambda arguments: kept()[_one_card(arguments)])

    def _close(self, arguments: list[str]) -> None:
        self._move({**self.closed, **dict.fromkeys(_channels(arguments))})

    def _open(self, arguments: list[str]) -> None:
        gone = set(_channels(arguments))
        self._move({c: None for c in self.closed if c not in gone})

    def _open_card(self, arguments: list[str]) -> None:
        cards = _cards(arguments)
        self._move({c: None for c in self.closed if c[0] not in cards})

    def _states(self, arguments: list[str], closed: bool) -> str:
        return ",".join(str(int((c in self.closed) == closed)) for c in _channels(arguments))

    def _closed_on(self, arguments: list[str]) -> str:
        card = _one_card(arguments)
        return f"(@{','.join(sorted(c for c in self.closed if c[0] == card))})"

    def _move(self, wanted: dict[str, None]) -> None:
        """Break, then make; a stuck relay stays closed. Costs settling."""
        wanted = {**dict.fromkeys(c for c in self.closed if c in self.stuck), **wanted}
        opening = self.closed.keys() - wanted.keys()
        closing = wanted.keys() - self.closed.keys()
        if not opening and not closing:
            return
        self.closed = wanted
        for fixture in self._fixtures:
            fixture.connect(wanted)
        self._fixtures[0].clock.sleep(_SETTLE * (bool(opening) + bool(closing)))


def _channels(arguments: list[str]) -> list[str]:
    if not arguments:
        raise ScpiError(-109)
    try:
        channels = [c for text in arguments for c in channels_in(text)]
    except ValueError:
        raise ScpiError(-104) from None
    if not all(_CHANNEL.fullmatch(c) for c in channels):
        raise ScpiError(-224)
    return channels


def _cards(arguments: list[str]) -> tuple[str, ...]:
    if not arguments:
        raise ScpiError(-109)
    if arguments[0].upper() == "ALL":
        return _CARDS
    return (_one_card(arguments),)


def _one_card(arguments: list[str]) -> str:
    if not arguments:
        raise ScpiError(-109)
    if arguments[0] not in _CARDS:
        raise ScpiError(-222)
    return arguments[0]
