"""How much of the wanted updates was lost because trains were too short, over many updates."""

from __future__ import annotations

from dataclasses import dataclass

from .rule import UpdateReport


@dataclass
class Clipping:
    """Sums over updates: ``share`` weighs each by what it wanted.

    Attributes:
        wanted: pulses that the updates would have taken, in units of ``dw_min``.
        lost: those of them that could not be sent.
        strongest: most pulses that one cell should have got for one sample.
    """

    wanted: float = 0.0
    lost: float = 0.0
    strongest: float = 0.0

    def add(self, report: UpdateReport) -> None:
        """Count an update in."""
        self.wanted += report.wanted
        self.lost += report.clipped * report.wanted
        self.strongest = max(self.strongest, report.strongest)

    @property
    def share(self) -> float:
        """Lost share of the wanted updates, 0 to 1."""
        return self.lost / self.wanted if self.wanted else 0.0

    def describe(self) -> str:
        """One sentence for people; empty where nothing was lost."""
        if not self.lost:
            return ""
        return (
            f"{100 * self.share:.2g} % of the wanted update was clipped: the strongest cell should"
            f" have got {self.strongest:.0f} pulses for one sample, more than a train holds;"
            " lower the learning rate or raise desired_bl (up to 64)"
        )
