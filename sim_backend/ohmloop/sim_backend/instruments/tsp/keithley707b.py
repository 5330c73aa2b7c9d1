"""Emulated Keithley 707B with six cards, each a dual 4 x 12 matrix (rows A-D and rows E-H).

Commands and rules: 707B-901-01, section 7. On any error in a list nothing moves. Relay settling
4 ms. Error numbers other than -285 and -286 are not verified on an instrument.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ohmloop.sim_backend.instruments.fixture import Fixture

from .tree import Attribute, Tree
from .tsp_device import TspDevice
from .tsp_processor import TspProcessor

_SETTLE = 4e-3
_SLOTS, _ROWS, _COLUMNS = 6, "ABCDEFGH", 12
_INVALID, _FORBIDDEN, _NOT_ALLOWED, _LINK = 1114, 1125, 1115, 1205
_NAME = re.compile(r"([1-6])([A-H])(\d\d)")


class ChannelError(Exception):
    """A channel list that the matrix refuses."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


class _Master:
    """A TSP-Link master that reaches the matrix as a node; errors go to its queue."""

    def __init__(self, processor: TspProcessor, node: int) -> None:
        self.processor, self.node, self.up = processor, node, True
        self.relink: Callable[[], None] = lambda: None

    def report(self, code: int, message: str) -> None:
        """Queue an error that says which node."""
        errors = self.processor.errors
        errors.node, before = self.node, errors.node
        errors.push(code, message)
        errors.node = before


class EmulatedKeithley707B(TspDevice):
    """The matrix: crosspoints and a command processor.

    Args:
        fixtures: the chips that its lines are wired to.
        node: its number on the TSP-Link.
        model: such as ``707B``.
        serial: serial number.
    """

    def __init__(
        self,
        fixtures: Sequence[Fixture],
        node: int = 2,
        model: str = "707B",
        serial: str = "1270002",
    ) -> None:
        self._fixtures, self._clock, self.node = fixtures, fixtures[0].clock, node
        self._lock = threading.RLock()
        self._masters: list[_Master] = []
        self.closed: dict[str, None] = {}
        self.moves: dict[str, int] = {}
        self._forbidden: set[str] = set()
        self._delays: dict[str, float] = {}
        self._serial, self._model = serial, model
        self.report = self._own_report
        self.tree = Tree(
            channel=self._channel_tree(),
            slot=self._slot_tree(),
            localnode=Tree(model=model, serialno=serial, revision="1.2.0"),
            model=model,
            serialno=serial,
        )
        identity = f"KEITHLEY INSTRUMENTS INC.,MODEL {model},{serial},01.20a"
        self.processor = TspProcessor(identity, self.tree, self._clock, self.reset)
        self.processor.errors.node = node

    def link_to(self, master: TspProcessor, node: int) -> None:
        """Become node ``node`` of ``master``; errors of its commands go to the master's queue."""
        link = _Master(master, node)
        self._masters.append(link)
        link.relink = lambda: self._linked(link)
        master.attach(node, self._for_master(link), link.relink)

    def power_cycle(self) -> None:
        """Relays open, rules forgotten, off the TSP-Link until a master starts that anew."""
        super().power_cycle()
        for link in self._masters:
            link.up = False

    @staticmethod
    def _linked(link: _Master) -> None:
        link.up = True

    def reset(self) -> None:
        """Open all, forget rules and forbidden channels."""
        self._forbidden.clear()
        self._delays.clear()
        self._move(())
        self.tree.reset()

    def describe(self) -> str:
        """State in words."""
        return f"closed: {';'.join(self.closed) or 'none'}"

    def _own_report(self, code: int, message: str) -> None:
        self.processor.errors.push(code, message)

    def _for_master(self, link: _Master) -> Tree:
        members = dict(self.tree.members)
        members["channel"] = self._channel_tree(link)
        return Tree(**members)

    def _channel_tree(self, link: _Master | None = None) -> Tree:
        verbs = {
            "close": self._close,
            "open": self._open,
            "exclusiveclose": self._exclusive,
            "exclusiveslotclose": self._exclusive_slot,
            "getclose": self._get_close,
            "getstate": self._get_state,
            "getcount": self._get_count,
            "setdelay": self._set_delay,
            "getdelay": self._get_delay,
            "setforbidden": self._set_forbidden,
            "clearforbidden": self._clear_forbidden,
            "getforbidden": lambda text: (
                ";".join(p for p in self._points(text) if p in self._forbidden) or None
            ),
            "reset": lambda _: self.reset(),
        }
        functions = {name: self._guarded(verb, link) for name, verb in verbs.items()}
        return Tree(
            **functions,
            connectrule=Attribute(1, allowed=(0, 1, 2)),
            connectsequential=Attribute(0, allowed=(0, 1)),
            OFF=0, ON=1, BREAK_BEFORE_MAKE=1, MAKE_BEFORE_BREAK=2,
        )  # fmt: skip

    def _slot_tree(self) -> Any:
        card = f"7071-4, General Purpose Matrix, dual 4 x {_COLUMNS}, 01.00a, 0"
        return [Tree(idn=card) for _ in range(_SLOTS)]

    def _guarded(self, verb: Any, link: _Master | None) -> Any:
        def call(text: Any = None, *more: Any) -> Any:
            with self._lock:
                if link is not None and not link.up:
                    link.report(_LINK, "TSP-Link: the node does not answer")
                    return None
                try:
                    return verb(text, *more)
                except ChannelError as error:
                    (link.report if link else self.report)(error.code, str(error))
                    return None

        return call

    def _close(self, text: Any) -> None:
        points = self._closable(text)
        self._move([*self.closed, *(p for p in points if p not in self.closed)])

    def _open(self, text: Any) -> None:
        gone = set(self._points(text))
        self._move([p for p in self.closed if p not in gone])

    def _exclusive(self, text: Any) -> None:
        self._move(self._closable(text) if text else ())

    def _exclusive_slot(self, text: Any) -> None:
        points = self._closable(text)
        slots = {p[0] for p in points}
        self._move([*(p for p in self.closed if p[0] not in slots), *points])

    def _get_close(self, text: Any) -> str | None:
        wanted = set(self._points(text))
        return ";".join(sorted(p for p in self.closed if p in wanted)) or None

    def _get_state(self, text: Any) -> str:
        return ",".join(str(int(p in self.closed)) for p in self._points(text))

    def _get_count(self, text: Any) -> str:
        return ",".join(str(self.moves.get(p, 0)) for p in self._points(text))

    def _set_delay(self, text: Any, seconds: Any = None) -> None:
        if not isinstance(seconds, int | float) or seconds < 0:
            raise ChannelError(-222, "Parameter data out of range")
        self._delays.update(dict.fromkeys(self._points(text), float(seconds)))

    def _get_delay(self, text: Any) -> str:
        return ",".join(f"{self._delays.get(p, 0.0):g}" for p in self._points(text))

    def _set_forbidden(self, text: Any) -> None:
        points = self._points(text)
        self._forbidden.update(points)
        self._move([p for p in self.closed if p not in self._forbidden])

    def _clear_forbidden(self, text: Any) -> None:
        self._forbidden.difference_update(self._points(text))

    def _closable(self, text: Any) -> tuple[str, ...]:
        if "slot" in str(text):
            raise ChannelError(_NOT_ALLOWED, "Parameter error: slots cannot be closed")
        points = self._points(text)
        refused = self._forbidden.intersection(points) if self._forbidden else ()
        if refused:
            raise ChannelError(_FORBIDDEN, f"Forbidden channel {min(refused)}")
        return points

    @staticmethod
    def _points(text: Any) -> tuple[str, ...]:
        if not isinstance(text, str):
            raise ChannelError(_INVALID, "Parameter error: invalid channel list")
        return channel_list(text)

    def _move(self, points: Any) -> None:
        """Open what is closed and not in ``points``, close what is in them; costs settling."""
        wanted = dict.fromkeys(points)
        opening = [p for p in self.closed if p not in wanted]
        closing = [p for p in wanted if p not in self.closed]
        if not opening and not closing:
            return
        for point in (*opening, *closing):
            self.moves[point] = self.moves.get(point, 0) + 1
        self.closed = wanted
        for fixture in self._fixtures:
            fixture.connect(wanted)
        settling = sum(_SETTLE + self._slowest(phase) for phase in (opening, closing) if phase)
        self._clock.sleep(settling)

    def _slowest(self, points: list[str]) -> float:
        """Longest extra delay of some channels, s."""
        return max(self._delays.get(p, 0.0) for p in points) if self._delays else 0.0


@lru_cache(maxsize=1 << 14)
def channel_list(text: str) -> tuple[str, ...]:
    """All channels of a list: names, ranges ``1A01:1A05``, ``slot1``, ``allslots``.

    Raises:
        ChannelError: something in it is no channel.
    """
    if not text.strip():
        raise ChannelError(_INVALID, "Parameter error: invalid channel list")
    found: list[str] = []
    for item in re.split(r"[,;]", text):
        found += _item(item.strip())
    return tuple(dict.fromkeys(found))


def _item(item: str) -> list[str]:
    if item == "allslots" or re.fullmatch(r"slot[1-6]", item):
        slots = range(1, _SLOTS + 1) if item == "allslots" else [int(item[4])]
        return [f"{s}{r}{c:02d}" for s in slots for r in _ROWS for c in range(1, _COLUMNS + 1)]
    first, colon, last = item.partition(":")
    if not colon:
        return [_point(first)]
    start, stop = _point(first), _point(last)
    if start[:2] != stop[:2] or int(stop[2:]) < int(start[2:]):
        raise ChannelError(_INVALID, f"Parameter error: invalid range {item}")
    return [f"{start[:2]}{c:02d}" for c in range(int(start[2:]), int(stop[2:]) + 1)]


def _point(text: str) -> str:
    match = _NAME.fullmatch(text)
    if not match or not 1 <= int(match[3]) <= _COLUMNS:
        raise ChannelError(_INVALID, f"Parameter error: invalid channel {text}")
    return text
