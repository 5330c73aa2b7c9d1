"""Choosing a response function by what it forecasts, not by how well it can be made to fit.

Candidates, from the simplest on, are fitted to some cells and forecast held-out blocks
(``held_out``). The best has the least mean squared error; of all that are within one standard
error of it, the simplest is chosen (Breiman et al., Classification and Regression Trees, 1984,
section 3.4.3). The standard error is that of the difference between the two, over blocks, or over
cells where there are many: what is common to both candidates drops out. It can then be so small
that chance decides over nothing; so a candidate is also as good whose error is hardly larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ohmloop.calibration.health import Health
from ohmloop.drivers import BadInputError

from .families import FAMILIES, Candidate, Family, family_of
from .held_out import HeldOut, hold_out
from .noises import NoiseModel
from .robust import LIMIT
from .screening import screen
from .start import Frame, frame_of
from .trajectories import Array, Trajectories

SAMPLE = 24
"""Cells that a choice looks at."""
_WORTH = 0.05
"""Log-score of a reading that ``dg_add`` must be worth."""
_LONG = 200
"""Readings from which on noise of steps is told from slow wander, which does not add up."""
ENOUGH = 1.1
"""Held-out error over forecast noise up to which a response function is adequate; two standard
errors more are allowed for."""
SLIGHT = 0.02
"""Of the mean squared error, 1 % of the error, by which a simpler candidate may be behind."""
_MANY = 8
CHANCE = 1e-3
"""Probability below which errors that cells have in common are no chance, but a misfit."""


@dataclass(frozen=True, slots=True)
class Score:
    """How one candidate forecast.

    Attributes:
        family: its name.
        steps: noises of steps that were fitted.
        parameters: how many a cell.
        rmse: held-out error, relative to the cells' measured range, robust, median over cells.
        rmse_up: that of up pulses.
        rmse_down: that of down pulses.
        over_noise: held-out error over the forecast's own standard deviation.
        log_score: mean robust log-density of a held-out reading, in measured ranges.
        loss: mean squared error over that of the best candidate.
        behind: by how much the loss is above the best one's.
        behind_stderr: standard error of that.
    """

    family: str
    steps: tuple[str, ...]
    parameters: int
    rmse: float
    rmse_up: float
    rmse_down: float
    over_noise: float
    log_score: float
    loss: float
    behind: float
    behind_stderr: float

    @property
    def name(self) -> str:
        """Family and noises."""
        return self.family if self.steps == ("dg_std",) else f"{self.family} ({_noise(self.steps)})"


@dataclass(frozen=True, slots=True)
class Choice:
    """The response function that forecasts best, and all the scores.

    Attributes:
        family: chosen.
        steps: noises of steps that are fitted with it.
        scores: of all candidates, from the simplest on.
        cells: that were looked at, by number.
        misfit: root mean square of held-out errors over their forecast standard deviations; 1
            where noise explains them.
        misfit_stderr: its standard error.
        chance: probability of errors in common to cells as large as those found, if there was but
            noise (``chance_of``); 1 where cells are too few to tell.
    """

    family: str
    steps: tuple[str, ...]
    scores: tuple[Score, ...]
    cells: tuple[int, ...]
    misfit: float
    misfit_stderr: float
    chance: float = 1.0

    @property
    def score(self) -> Score:
        """Of what was chosen."""
        return next(s for s in self.scores if (s.family, s.steps) == (self.family, self.steps))

    @property
    def adequate(self) -> bool:
        """Whether held-out errors are as small as noise lets them be, and cells' own."""
        return self.misfit - 2 * self.misfit_stderr <= ENOUGH and self.chance >= CHANCE

    @property
    def why(self) -> str:
        """In words."""
        best = min(self.scores, key=lambda s: s.loss)
        chosen, given = self.score, len({s.family for s in self.scores}) == 1
        says = f"forecasts held-out pulses to {chosen.rmse:.2%} of the range"
        text = f"{chosen.name} {says}"
        if given:
            text = f"{chosen.name} was given, not chosen; it {says}"
        elif best is chosen:
            text += ", best of all"
        else:
            text += (
                f"; {best.name} does to {best.rmse:.2%}, which is not better by more than its"
                f" standard error or 1 %, with {best.parameters} parameters for {chosen.parameters}"
            )
        says = "It does not describe" if given else "None of them describes"
        if self.chance < CHANCE:
            text += (
                f". {says} these cells: they err alike at the same time, which noise does with a"
                f" probability of {self.chance:.1g}"
            )
        if self.misfit - 2 * self.misfit_stderr > ENOUGH:
            text += (
                f". {says} these cells: held-out errors are {self.misfit:.2f} times what noise"
                f" explains (standard error {self.misfit_stderr:.2f})"
            )
        return text


def choose_family(
    traj: Trajectories,
    families: Sequence[str | Candidate] = FAMILIES,
    *,
    sample: int = SAMPLE,
    steps: Sequence[tuple[str, ...]] | None = None,
) -> Choice:
    """Compare response functions on some cells.

    Args:
        traj: what was measured.
        families: candidates; order does not matter.
        sample: most cells to look at; they are spread evenly over those that respond.
        steps: noises of steps to try with each; by default a share of the step, and in long
            trajectories none at all: what looks like noise of steps may be slow wander, which does
            not add up. Of what was chosen ``dg_add`` is tried as well, by its log-score.

    Raises:
        BadInputError: no cell responds, or too few readings to hold any out.
    """
    kinds = sorted(map(family_of, families), key=lambda f: f.size)
    frame = frame_of(traj)
    health = screen(traj, frame, min(k.size for k in kinds) + 2)
    good = np.flatnonzero(health == Health.OK)
    if not good.size:
        raise BadInputError("no cell responds to pulses, so no response function can be chosen")
    picked = good[np.unique(np.linspace(0, good.size - 1, min(sample, good.size)).astype(int))]
    some, own = traj.of(picked), frame.of(picked)
    readings = int(np.isfinite(some.readings).sum(axis=0).max())
    noises = steps or ((("dg_std",), ()) if readings >= _LONG else (("dg_std",),))
    fitting = [k for k in kinds if 2 * k.size <= readings] or kinds[:1]
    tried = [(kind, NoiseModel.of(traj, noise)) for kind in fitting for noise in noises]
    forecasts = [hold_out(some, own, kind, noise) for kind, noise in tried]
    if not np.isfinite(forecasts[0].errors).any():
        raise BadInputError(
            f"{readings} readings of a cell are too few to hold any out; measure longer trains"
        )
    scores, chosen = _compare(tried, forecasts, own)
    if steps is None and tried[chosen][1].steps == ("dg_std",):
        both = (tried[chosen][0], NoiseModel.of(traj, ("dg_std", "dg_add")))
        forecast = hold_out(some, own, *both)
        gain, error = _difference(
            np.nanmean(forecast.scores, axis=1), np.nanmean(forecasts[chosen].scores, axis=1)
        )
        if picked.size >= _MANY and gain > max(2 * error, _WORTH):
            tried.append(both)
            forecasts.append(forecast)
            scores, _ = _compare(tried, forecasts, own)
            chosen = len(tried) - 1
    kind, noise = tried[chosen]
    misfit, error = misfit_of(forecasts[chosen], own)
    chance = chance_of(forecasts[chosen])
    return Choice(kind.name, noise.steps, scores, tuple(map(int, picked)), misfit, error, chance)


def _compare(
    tried: Sequence[tuple[Family, NoiseModel]], forecasts: Sequence[HeldOut], frame: Frame
) -> tuple[tuple[Score, ...], int]:
    rmse = np.stack([f.rmse() / frame.span for f in forecasts])  # (candidates, cells)
    scale = np.nanmin(rmse, axis=0) * frame.span
    units = [_units(f, scale) for f in forecasts]
    loss = np.array([np.nanmean(u) for u in units])
    best = int(np.nanargmin(loss))
    behind = [_difference(u, units[best]) for u in units]
    good = [
        i
        for i, (gap, error) in enumerate(behind)
        if gap <= max(error, SLIGHT * loss[best]) or i == best
    ]
    # the simplest; of as simple ones, that whose noise says best how far off its forecasts are
    score = [float(np.nanmean(f.scores)) for f in forecasts]
    chosen = min(good, key=lambda i: (tried[i][0].size, -score[i]))
    scores = tuple(
        Score(
            family=kind.name,
            steps=noise.steps,
            parameters=kind.size + noise.size,
            rmse=float(np.nanmedian(rmse[i])),
            rmse_up=float(np.nanmedian(f.rmse(1) / frame.span)),
            rmse_down=float(np.nanmedian(f.rmse(-1) / frame.span)),
            over_noise=f.calibration,
            log_score=float(np.nanmean(f.scores + np.log(frame.span)[:, None])),
            loss=float(loss[i]),
            behind=behind[i][0],
            behind_stderr=behind[i][1],
        )
        for i, ((kind, noise), f) in enumerate(zip(tried, forecasts, strict=True))
    )
    return scores, chosen


def _units(forecast: HeldOut, scale: Array) -> Array:
    """Mean squared errors in units of scale, of every cell where there are many, else block.

    Outliers count as the best candidate's limit has them.
    """
    z2 = np.minimum((forecast.errors / scale[:, None]) ** 2, (2 * LIMIT) ** 2)
    if len(z2) >= _MANY:
        return np.asarray(np.nanmean(z2, axis=1))
    return _by_block(z2, forecast)


def _difference(loss: Array, best: Array) -> tuple[float, float]:
    gap = loss - best
    gap = gap[np.isfinite(gap)]
    return float(gap.mean()), float(gap.std(ddof=min(1, gap.size - 1)) / np.sqrt(gap.size))


def misfit_of(forecast: HeldOut, frame: Frame) -> tuple[float, float]:
    """Root of mean squared held-out error over forecast variance, and its standard error.

    Args:
        forecast: of some cells.
        frame: of them.
    """
    z2 = np.minimum(forecast.errors**2 / forecast.variances, (2 * LIMIT) ** 2)
    units = np.nanmean(z2, axis=1) if len(frame.low) >= _MANY else _by_block(z2, forecast)
    units = units[np.isfinite(units)]
    mean = float(units.mean())
    error = float(units.std(ddof=min(1, units.size - 1)) / np.sqrt(units.size))
    return mean**0.5, 0.5 * error / max(mean, 1e-12) ** 0.5


def chance_of(forecast: HeldOut) -> float:
    """Probability, by noise alone, of mean errors over cells as large as a forecast's.

    A response function that does not describe the cells takes its misses for noise of steps, and
    is as far off as it says. But it misses all cells alike, in the same block of a train, such as
    where steps fade with the count of pulses; noise misses each cell in its own way. In each block
    the mean over cells of the standardised errors is compared with their spread over cells; the
    squares of these ratios add up to a chi square.
    """
    z = np.clip(forecast.errors / np.sqrt(forecast.variances), -2 * LIMIT, 2 * LIMIT)
    total, blocks = 0.0, 0
    for block in np.unique(forecast.blocks):
        inside = z[:, forecast.blocks == block]
        seen = np.isfinite(inside)
        count = seen.sum(axis=1)
        mean = np.where(seen, inside, 0.0).sum(axis=1)[count > 0] / count[count > 0]
        if mean.size < _MANY:
            continue
        error = max(float(mean.std(ddof=1)), 1e-12) / np.sqrt(mean.size)
        ratio = float(mean.mean()) / error  # Student's t: as a normal of the same probability
        size = float(stats.norm.isf(stats.t.sf(abs(ratio), mean.size - 1)))
        total, blocks = total + size**2, blocks + 1
    return float(stats.chi2.sf(total, blocks)) if blocks else 1.0


def _by_block(z2: Array, forecast: HeldOut) -> Array:
    return np.array(
        [
            np.nanmean(inside)
            for block in np.unique(forecast.blocks)
            if np.isfinite(inside := z2[:, forecast.blocks == block]).any()
        ]
    )


def _noise(steps: tuple[str, ...]) -> str:
    return "steps without noise" if not steps else " and ".join(steps)
