"""``ohmloop symmetric-point``: where the cells of a crossbar rest under alternating pulses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.drivers import BadInputError, Crossbar, open_crossbar

from .console import Screen
from .signals import orderly_interrupts

if TYPE_CHECKING:
    import xarray as xr

    from ohmloop.training import ZeroShift
    from ohmloop.training.symmetric_point.residual import Residual

SHIFT_HEADER = ("array", "pulses a cell", "ended", "reference", "mu_r", "sigma_r", "of the range")


def symmetric_point(
    name: str,
    screen: Screen,
    error: str,
    budget: int | None,
    calibration: Path | None,
    output: Path | None,
    record: Path | None = None,
) -> dict[str, Any]:
    """Zero-shift a crossbar, say how far its reference was off, and which algorithms bear it.

    Raises:
        BadInputError: error, budget or output; the crossbar is not calibrated, or its cells may not
            get as many pulses. Nothing was pulsed.
        InstrumentError: the bench failed.
    """
    from ohmloop.training import AnalogTile, zero_shift

    share = share_of(error)
    if output is not None and (output.suffix != ".nc" or not output.parent.is_dir()):
        raise BadInputError(f"{output}: symmetric points are kept in something.nc, in a folder")
    given = str(calibration) if calibration else None
    with orderly_interrupts(), open_crossbar(name, calibration=given, record=record) as chip:
        tile = AnalogTile(chip)
        reference = tile.mapping.reference.copy()
        with screen.progress("zero-shifting") as progress:
            found = zero_shift(tile, share, budget, tell=progress)
        if output is not None:
            _save(found, reference, chip, output)
    tell_shifts({chip.name: found}, screen)
    if output is not None:
        screen.say(f"symmetric points: {output}")
    return figures_of(found) | ({"file": str(output)} if output else {})


def share_of(text: str) -> float:
    """``1%`` or ``0.01`` as 0.01.

    Raises:
        BadInputError: neither, or not between 0 and 1.
    """
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = float("nan")
    if not 0 < share < 1:
        raise BadInputError(f"--error: {text!r} is not a share such as 1% or 0.01")
    return share


def tell_shifts(found: Mapping[str, ZeroShift], screen: Screen) -> None:
    """A table of what was found, and what may be built on it."""
    figures = {name: figures_of(shift) for name, shift in found.items()}
    screen.table("symmetric points", SHIFT_HEADER, shift_rows(figures))
    for name, values in figures.items():
        if values["pulses_by_theory"] > values["pulses"] and values["ended"] == "as planned":
            screen.say(
                f"{name}: {values['pulses']} pulses, all that the budget has room for, leave"
                f" {100 * values['left']:.2g} % of the distance to the symmetric point;"
                f" {values['pulses_by_theory']} would leave what was asked for"
            )
        for which in ("before", "after"):
            advice = values[which]["recommended"]
            fit = " or ".join(advice["algorithms"])
            screen.say(f"{name}, {_REFERENCE[which]}: {advice['reason']}: {fit}")


_REFERENCE = {"before": "as calibrated", "after": "as measured now"}


def shift_rows(figures: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Two rows an array: the reference that it had, and the one measured now."""
    rows = []
    for name, values in figures.items():
        for which, words in _REFERENCE.items():
            r = values[which]
            head = (
                (name, str(values["pulses"]), values["ended"]) if which == "before" else ("",) * 3
            )
            rows.append(
                (
                    *head,
                    words,
                    f"{r['mu']:.3g} +- {r['mu_error']:.1g}",
                    f"{r['sigma']:.3g} +- {r['sigma_error']:.1g}",
                    f"{100 * r['share']:.2g} %",
                )
            )
    return rows


def figures_of(found: ZeroShift) -> dict[str, Any]:
    """A zero-shift in plain values; offsets in units of weight."""
    return {
        "pulses": found.pulses,
        "pulses_by_theory": found.plan.asked,
        "left": found.plan.error,
        "ended": found.ending,
        "drift_in_errors": found.drift_in_errors,
        "symmetric_point_S": float(np.nanmean(found.symmetric_point)),
        "stderr_S": float(np.sqrt(np.nanmean(found.stderr**2))),
        "before": _residual(found.before),
        "after": _residual(found.after),
    }


def _residual(residual: Residual) -> dict[str, Any]:
    from ohmloop.training.symmetric_point.residual import recommended

    advice = recommended(residual)
    return {
        "mu": residual.mu,
        "mu_error": residual.mu_error,
        "sigma": residual.sigma,
        "sigma_error": residual.sigma_error,
        "share": residual.share,
        "share_at_most": residual.share_at_most,
        "recommended": {"algorithms": list(advice.algorithms), "reason": advice.reason},
    }


def _save(found: ZeroShift, reference: Any, chip: Crossbar, output: Path) -> None:
    import xarray as xr

    from ohmloop.sim_backend import save_chip

    maps = {
        "symmetric_point": (found.symmetric_point, "symmetric point, by alternating pulses"),
        "symmetric_point_stderr": (found.stderr, "its standard error"),
        "reference": (reference, "symmetric point as it was known before"),
        "start": (found.start, "conductance before the pulses"),
    }
    data: xr.Dataset = xr.Dataset(
        {
            name: (("row", "column"), values, {"units": "S", "long_name": meaning})
            for name, (values, meaning) in maps.items()
        },
        attrs={
            "format": "ohmloop-symmetric-points",
            "format_version": 1,
            "crossbar": chip.name,
            "pulses": found.pulses,
            "pulses_by_theory": found.plan.asked,
            "ended": found.ending,
        },
    )
    save_chip(data, output)
