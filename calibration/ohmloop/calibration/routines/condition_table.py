"""The table of everything that a search for pulse conditions tried, and what it recommends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ohmloop.drivers import PulseConditions, PulseShape
from ohmloop.drivers.units import with_unit

from .pulse_search import Aim, range_is_known
from .pulse_trial import Outcome, Trial

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_CONDITIONS = {
    "up_amplitude": ("V", "amplitude of the up pulse"),
    "up_width": ("s", "width of the up pulse"),
    "down_amplitude": ("V", "amplitude of the down pulse"),
    "down_width": ("s", "width of the down pulse"),
    "rest": ("s", "time at 0 V after each pulse"),
}
_OUTCOME = {
    "step_up": ("S", "mean step of an up pulse at mid-range"),
    "step_down": ("S", "size of the mean step of a down pulse at mid-range"),
    "span": ("S", "range of a cell, as far as all trials show it"),
    "states": ("1", "range over the mean step"),
    "asymmetry": ("1", "(up - down) / (up + down) of mean steps over the range"),
    "abruptness": ("1", "largest change by one pulse, as a share of the range"),
    "going_on_up": ("1", "rate of the up train's second half over that of its first"),
    "going_on_down": ("1", "rate of the down train's second half over that of its first"),
    "covered_up": ("1", "share of the range that the up train led through"),
    "covered_down": ("1", "share of the range that the down train led through"),
    "noise_up": ("1", "scatter of an up step, relative to it"),
    "noise_down": ("1", "scatter of a down step, relative to it"),
    "moved": ("1", "share of cells that moved"),
}


def table(trials: list[Trial], found: list[Outcome], aim: Aim) -> xr.Dataset:
    """Everything tried, over ``trial``; pure.

    Args:
        trials: as measured.
        found: what each says.
        aim: what was aimed at.

    Returns:
        Conditions, outcome, score and whether it is gradual, for each trial; ``recommended_...`` as
        figures, NaN where nothing is gradual; ``verdict`` says what and why.
    """
    import xarray as xr

    columns: dict[str, tuple[list[float], str, str]] = {}
    for name, (unit, meaning) in _CONDITIONS.items():
        columns[name] = ([_condition(t.conditions, name) for t in trials], unit, meaning)
    columns["pulses"] = ([float(np.abs(t.pulses).sum()) for t in trials], "1", "pulses a cell")
    for name, (unit, meaning) in _OUTCOME.items():
        columns[name] = ([getattr(o, name) for o in found], unit, meaning)
    scores = [aim.score(o) for o in found]
    known = range_is_known(found)
    gradual = [known and aim.is_met(o) for o in found]
    columns["score"] = (scores, "1", "distance from the aim; 0 at best")
    columns["gradual"] = ([float(g) for g in gradual], "1", "1 where gradual and symmetric")
    data = xr.Dataset(
        {
            name: ("trial", np.array(values), {"units": unit, "long_name": meaning})
            for name, (values, unit, meaning) in columns.items()
        }
    )
    best = min((k for k in range(len(trials)) if gradual[k]), key=lambda k: scores[k], default=None)
    for name, (unit, meaning) in _CONDITIONS.items():
        value = np.nan if best is None else _condition(trials[best].conditions, name)
        data[f"recommended_{name}"] = ((), value, {"units": unit, "long_name": meaning})
    data.attrs["recommended_trial"] = -1 if best is None else best
    data.attrs["criterion"] = (
        f"{aim.states / 2:g} to {2 * aim.states:g} states, asymmetry within"
        f" {aim.symmetric_within:g}, no pulse beyond {aim.abrupt:g} of the range; of those the"
        " lowest score"
    )
    data.attrs["verdict"] = (
        _nothing(found, scores, aim) if best is None else _best(trials[best], found[best])
    )
    return data


def recommended_in(data: xr.Dataset) -> PulseConditions | None:
    """The recommended pulses, or None where nothing tried was gradual."""
    v = {name: float(data[f"recommended_{name}"]) for name in _CONDITIONS}
    if not np.isfinite(list(v.values())).all():
        return None
    return PulseConditions(
        PulseShape(v["up_amplitude"], v["up_width"]),
        PulseShape(v["down_amplitude"], v["down_width"]),
        v["rest"],
    )


def _condition(of: PulseConditions, name: str) -> float:
    if name == "rest":
        return of.rest
    way, quantity = name.split("_")
    return float(getattr(getattr(of, way), quantity))


def _best(trial: Trial, found: Outcome) -> str:
    up, down = trial.conditions.up, trial.conditions.down
    pulses = [f"{with_unit(p.amplitude, 'V')} for {with_unit(p.width, 's')}" for p in (up, down)]
    return (
        f"up {pulses[0]}, down {pulses[1]}: {found.states:.0f} states, asymmetry"
        f" {found.asymmetry:+.2f}, largest step {found.abruptness:.1%} of the range"
    )


def _nothing(found: list[Outcome], scores: list[float], aim: Aim) -> str:
    """Why nothing is recommended, and what to do."""
    if not any(o.moved for o in found):
        return (
            "nothing within limits moves any cell: the pulses are too weak, or the cells have to be"
            " formed; raise limits.voltage if the chip allows it, or try larger widths"
        )
    if not np.isfinite(scores).any():
        return "nothing within limits moves cells both ways; raise largest, or try larger widths"
    if not range_is_known(found):
        return (
            "nothing within limits is strong enough: long trains of the strongest pulses do not"
            " bring cells near their bounds, so that states cannot be told; raise largest, or try"
            " larger widths"
        )
    near = found[int(np.argmin(scores))]
    why = []
    if near.states > 2 * aim.states:
        why.append(f"too weak ({near.states:.0f} states; try larger amplitudes or widths)")
    if near.states < aim.states / 2 or near.abruptness > aim.abrupt:
        what = f"{near.states:.0f} states, one pulse takes {near.abruptness:.0%} of the range"
        why.append(f"too abrupt ({what}; try shorter widths)")
    if abs(near.asymmetry) > aim.symmetric_within:
        why.append(f"not symmetric (asymmetry {near.asymmetry:+.2f})")
    if near.moved < 0.5:
        why.append(f"only {near.moved:.0%} of cells move")
    return f"nothing within limits is gradual; the nearest is {', '.join(why)}"


def figure(found: xr.Dataset) -> Figure:
    """Steps by amplitude, and every pair tried with its score."""
    from ohmloop.calibration.drawing import BLUE, GREEN, ORANGE, drawing

    with drawing(1, 2, (6.5, 2.8)) as (fig, axes):
        for way, colour in (("up", BLUE), ("down", ORANGE)):
            size, step = np.abs(found[f"{way}_amplitude"]), found[f"step_{way}"] * 1e6
            seen = step > 0
            axes[0].semilogy(size[seen], step[seen], ".", color=colour, label=way)
        axes[0].set(xlabel="amplitude (V)", ylabel="step at mid-range (uS)")
        axes[0].legend()
        score = np.minimum(found["score"].to_numpy(), 10.0)
        pairs = np.abs(found["up_amplitude"]), np.abs(found["down_amplitude"])
        shown = axes[1].scatter(*pairs, c=score, cmap="viridis_r", s=18)
        fig.colorbar(shown, ax=axes[1], label="score (10 and above alike)")
        axes[1].set(xlabel="up amplitude (V)", ylabel="down amplitude (V)")
        best = int(found.attrs["recommended_trial"])
        if best >= 0:
            axes[1].plot(pairs[0][best], pairs[1][best], "o", mfc="none", mec=GREEN, ms=10)
    return fig
