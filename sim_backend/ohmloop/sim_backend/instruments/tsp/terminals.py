"""What the channels of an SMU are wired to: a chip across one channel, or between two.

With one channel its HI is on the rows and its LO on the columns. With two, each has its HI at one
end of the chip and the LOs are tied together: cells see the difference of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ohmloop.sim_backend.instruments.fixture import Fixture


class End:
    """A channel's HI at one end of a chip.

    Args:
        port: the chip.
        sign: 1 at the rows, -1 at the columns.

    Attributes:
        owner: ``id`` of the channel.
    """

    def __init__(self, port: Port, sign: int) -> None:
        self.port, self.sign = port, sign
        self.level, self.limit, self.remote = 0.0, float("inf"), False
        self.owner = 0

    def drive(self, level: float, limit: float, remote: bool) -> None:
        """The channel sources ``level`` (V) up to ``limit`` (A), sensing at the chip or not."""
        self.level, self.limit, self.remote = level, limit, remote
        self.port.update()


class Port:
    """A fixture and the ends that channels hold of it.

    Args:
        fixture: the chip.
        lead_resistance: of each lead, ohm.
    """

    def __init__(self, fixture: Fixture, lead_resistance: float = 0.0) -> None:
        self.fixture, self.ends = fixture, list[End]()
        self._lead = lead_resistance

    def join(self, sign: int) -> End:
        """A channel is wired to one end."""
        self.ends.append(End(self, sign))
        return self.ends[-1]

    @property
    def limit(self) -> float:
        """The smallest current limit, A."""
        return min(end.limit for end in self.ends)

    @property
    def simple(self) -> bool:
        """Whether one channel is across the chip, with ideal leads."""
        return len(self.ends) == 1 and not self._lead

    def update(self) -> None:
        """What the cells see has changed."""
        if self._lead:
            # A pair of leads, or one at each end.
            per_end = 2.0 / len(self.ends)
            local = sum(not end.remote for end in self.ends)
            self.fixture.series = self._lead * per_end * local
        ends = self.ends
        if len(ends) == 1:  # nearly always
            self.fixture.drive(ends[0].sign * ends[0].level, ends[0].limit)
        else:
            self.fixture.drive(sum(end.sign * end.level for end in ends), self.limit)

    def voltages(self, levels: Mapping[int, Sequence[float]], count: int) -> Sequence[float]:
        """What the cells see in each slot of a train, V.

        Args:
            levels: of the channels that take part, by ``id``; the others stay as they are.
            count: slots.
        """
        parts = [
            [end.sign * v for v in levels[end.owner]]
            if end.owner in levels
            else [end.sign * end.level] * count
            for end in self.ends
        ]
        return parts[0] if len(parts) == 1 else [sum(slot) for slot in zip(*parts, strict=True)]
