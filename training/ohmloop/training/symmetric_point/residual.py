"""How far a reference is from the symmetric points, and which algorithms bear that.

In units of weight, cell by cell: ``r = w_sp + mu_r + sigma_r xi`` with xi normal (Rasch et al.,
Nat. Commun. 15:7133, 2024). What matters is the offset beside the whole range of weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, sqrt

import numpy as np

from ohmloop.training.tiles.mapping import Map

SMALL, TT_V2, CHOPPED = 0.01, 0.05, 0.25
"""Offsets, as shares of the range of weights, that algorithms bear: see ``recommended``."""


@dataclass(frozen=True, slots=True)
class Residual:
    """Offset of a reference from the symmetric points, in weight units.

    Attributes:
        mu: mean over the cells.
        mu_error: its standard error.
        sigma: spread over the cells, without the error of measuring.
        sigma_error: its standard error.
        range: from the lowest weight to the highest, mean over the cells.
    """

    mu: float
    mu_error: float
    sigma: float
    sigma_error: float
    range: float

    @classmethod
    def of(cls, offsets: Map, errors: Map, range_: float) -> Residual:
        """From offsets that were measured with standard errors ``errors``, each ``(cells,)``."""
        count, spread = offsets.size, float(offsets.std(ddof=1)) if offsets.size > 1 else 0.0
        sigma = sqrt(max(spread**2 - float(np.mean(errors**2)), 0.0))
        own = spread / sqrt(2 * max(count - 1, 1))
        return cls(float(offsets.mean()), spread / sqrt(count), sigma, own, range_)

    @property
    def share(self) -> float:
        """Root mean square offset as a share of the range."""
        return hypot(self.mu, self.sigma) / self.range

    @property
    def share_at_most(self) -> float:
        """The same with twice the standard errors added."""
        mu, sigma = abs(self.mu) + 2 * self.mu_error, self.sigma + 2 * self.sigma_error
        return hypot(mu, sigma) / self.range


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Algorithms that bear an offset, and why.

    Attributes:
        algorithms: by the names of the literature.
        reason: a sentence.
    """

    algorithms: tuple[str, ...]
    reason: str


def recommended(residual: Residual) -> Recommendation:
    """Which algorithms bear an offset, taken with twice its standard errors.

    Tiki-Taka v2 needs it below 5 % of the range of weights, with choppers (c-TTv2) below 25 %, and
    AGAD and E-RIDER find it themselves (Rasch et al. 2024; Xiao et al., arXiv:2602.21321). For
    Tiki-Taka and residual learning it should be 0 (Wu et al., arXiv:2502.06309, assumption 4, and
    figure 2, where 5 % of the range costs orders of magnitude of the loss): here, below 1 %.
    """
    share = residual.share_at_most
    found = f"the offset is at most {100 * share:.2g} % of the range of weights"
    if share < SMALL:
        return Recommendation(
            ("Tiki-Taka", "Residual Learning", "TTv2"),
            f"{found}: small enough for algorithms that take the symmetric point for 0",
        )
    if share < TT_V2:
        return Recommendation(("TTv2",), f"{found}: TTv2 bears up to 5 %")
    if share < CHOPPED:
        return Recommendation(("c-TTv2",), f"{found}: with choppers up to 25 % is borne")
    return Recommendation(
        ("AGAD", "E-RIDER"), f"{found}: too far for a fixed reference; these follow it themselves"
    )
