"""The commands of an emulated SPGU: what they set, what they answer, what they refuse.

Ranges: B1500A Programming Guide, section 4; that a period shorter than a width is refused at once,
and not by ``SPUPD``, is not verified.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .flex_device import between, whole
from .spgu import Spgu, SpguChannel

POLL = 0.02
"""Virtual time that passes when somebody asks, or nobody speaks, s."""


class SpguCommands:
    """See the module.

    Args:
        spgu: the module.
        channel: one of its channels, by number; refuses others.
    """

    def __init__(self, spgu: Spgu, channel: Callable[[float], SpguChannel]) -> None:
        self._spgu, self._channel = spgu, channel

    def table(self) -> dict[str, tuple[Any, int, int]]:
        """Handler, least and most numbers, by header."""
        spgu, channel = self._spgu, self._channel
        return {
            "SIM": (lambda mode: between(mode, 0, 0) and None, 1, 1), "SIM?": (lambda: "0", 0, 0),
            "SPRM": (self._set_run, 1, 2), "SPRM?": (self._run, 0, 0),
            "SPPER": (self._set_period, 1, 1), "SPPER?": (lambda: f"{spgu.period:.8E}", 0, 0),
            "SPM": (self._set_mode, 2, 2), "SPM?": (lambda c: str(channel(c).wanted.mode), 1, 1),
            "SPT": (self._set_times, 5, 6), "SPT?": (self._times, 2, 2),
            "SPV": (self._set_levels, 3, 4), "SPV?": (self._levels, 2, 2),
            "SER": (self._set_load, 2, 2),
            "SER?": (lambda c: f"{channel(c).wanted.load:.6E}", 1, 1),
            "ODSW": (self._set_switch, 2, 5), "ODSW?": (lambda c: f"{channel(c) and 0},1", 1, 1),
            "SRP": (spgu.start, 0, 0), "SPP": (spgu.stop, 0, 0), "SPST?": (self._state, 0, 0),
        }  # fmt: skip

    def _set_run(self, mode: float, condition: float = 0.0) -> None:
        low, high = {0: (0, 0), 1: (1, 1_000_000), 2: (1e-6, 31_556_926)}.get(int(mode), (1, 0))
        between(condition, low, high)
        self._spgu.stop()
        self._spgu.mode, self._spgu.condition = whole(mode), condition

    def _run(self) -> str:
        return f"{self._spgu.mode},{self._spgu.condition:g}" if self._spgu.mode else "0"

    def _set_period(self, seconds: float) -> None:
        widths = [c.wanted.width for c in self._spgu.channels.values()]
        self._spgu.period = between(seconds, max(20e-9, *widths), 10)

    def _set_mode(self, number: float, mode: float) -> None:
        self._channel(number).set(mode=whole(between(mode, 0, 1)))

    def _set_times(
        self, number: float, source: float, delay: float, width: float, *edges: float
    ) -> None:
        between(source, 1, 1)
        for edge in edges:
            between(edge, 8e-9, 0.4)
        channel = self._channel(number)
        between(width, 10e-9, self._spgu.period)
        channel.set(delay=delay, width=width, leading=edges[0], trailing=edges[-1])

    def _times(self, number: float, source: float) -> str:
        between(source, 1, 1)
        w = self._channel(number).wanted
        return ",".join(f"{v:.8E}" for v in (w.delay, w.width, w.leading, w.trailing))

    def _set_levels(
        self, number: float, source: float, base: float, peak: float | None = None
    ) -> None:
        between(source, 0, 1)
        peak = base if peak is None else peak
        self._channel(number).set(base=between(base, -40, 40), peak=between(peak, -40, 40))

    def _levels(self, number: float, source: float) -> str:
        between(source, 0, 1)
        w = self._channel(number).wanted
        return f"{w.base:.6E},{w.peak:.6E}"

    def _set_load(self, number: float, ohm: float) -> None:
        self._channel(number).set(load=between(ohm, 0.1, 1e6))

    def _set_switch(self, number: float, state: float, *_: float) -> None:
        """The pulse switch, which is not modelled: it may be off only."""
        self._channel(number)
        between(state, 0, 0)

    def _state(self) -> str:
        self._spgu.advance(POLL)
        return str(int(self._spgu.active))
