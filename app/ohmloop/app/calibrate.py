"""``ohmloop calibrate``: measure a chip, fit it, write calibration file and report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.drivers import BadInputError, Crossbar, open_crossbar

from .console import Report, Screen
from .signals import orderly_interrupts

if TYPE_CHECKING:
    import xarray as xr


def calibrate(
    name: str, output: Path, screen: Screen, seed: int, record: Path | None = None
) -> dict[str, Any]:
    """Calibrate the crossbar called ``name`` and write ``output`` and its report.

    Raw data goes to ``OUTPUT.raw.nc`` after every phase and on any interruption, before anything
    is fitted; it is removed once the calibration file, which holds it too, is written.

    Raises:
        BadInputError: the output cannot be written, or the bench file is wrong.
        InstrumentError: the bench failed; what was measured so far is kept.
    """
    check_writable(output)
    raw = output.with_suffix(".raw.nc")
    with orderly_interrupts():
        try:
            with (
                open_crossbar(name, record=record) as chip,
                screen.progress("calibrating") as progress,
            ):
                data = calibrate_chip(chip, raw, seed, progress)
                messages = int(getattr(chip, "messages", 0))
        except BaseException:
            if raw.exists():
                screen.trouble(f"what was measured is kept in {raw}")
            raise
        return finish(data, output, raw, screen) | {"messages": messages}


def calibrate_chip(chip: Crossbar, raw: Path, seed: int, progress: Report | None) -> xr.Dataset:
    """Measure and fit an open crossbar; raw data goes to ``raw`` phase by phase."""
    from ohmloop.calibration import CalibrationPlan, calibrate, keep_in

    return calibrate(
        chip,
        CalibrationPlan(),
        rng=np.random.default_rng(seed),
        progress=progress,
        keep=keep_in(raw),
        provenance=provenance(chip) | {"seed": seed},
    )


def provenance(chip: Crossbar) -> dict[str, str]:
    """Who is who: the crossbar's name and its instruments' identities."""
    known = {"crossbar": chip.name}
    for role in ("smu", "matrix", "board"):
        instrument = getattr(chip, role, None)
        if instrument is not None:
            known[f"instrument_{role}"] = instrument.identity
    return known


def finish(data: xr.Dataset, output: Path, raw: Path, screen: Screen) -> dict[str, Any]:
    """Write the calibration file and its report; say what came out."""
    from ohmloop.calibration import chip_report
    from ohmloop.sim_backend import save_chip

    save_chip(data, output)
    raw.unlink(missing_ok=True)
    page = output.with_suffix(".html")
    page.write_text(chip_report(data), encoding="utf-8")
    figures = summary(data)
    screen.table(
        "calibration",
        ("usable cells", "granularity", "states", "cycle-to-cycle", "rmse / noise"),
        [
            (
                f"{figures['usable']} of {figures['cells']}",
                f"{1e6 * figures['dg_min_S']:.3g} uS",
                f"{figures['states']:.0f}",
                f"{100 * figures['dg_std']:.0f} %",
                f"{figures['rmse_over_noise']:.3f}",
            )
        ],
    )
    screen.say(f"calibration file: {output}\nreport: {page}")
    return {"calibration": figures, "file": str(output), "report": str(page)}


def summary(data: xr.Dataset) -> dict[str, Any]:
    """The figures that matter, from a chip's dataset."""
    usable = data["usable"].to_numpy().astype(bool)
    pick = {n: data[n].to_numpy()[usable] for n in ("dg_min", "g_min", "g_max", "dg_std")}
    empty = not usable.any()
    median = {n: float("nan") if empty else float(np.median(v)) for n, v in pick.items()}
    return {
        "cells": int(usable.size),
        "usable": int(usable.sum()),
        "dg_min_S": median["dg_min"],
        "states": (median["g_max"] - median["g_min"]) / median["dg_min"],
        "dg_std": median["dg_std"],
        "rmse_over_noise": float(data.attrs["rmse_over_noise"]),
    }


def check_writable(output: Path) -> None:
    """Refuse an output whose folder is not there, before a chip is touched.

    Raises:
        BadInputError: names the folder.
    """
    if not output.parent.is_dir():
        raise BadInputError(f"{output}: there is no folder {output.parent}")
    if output.is_dir() or output.suffix != ".nc":
        raise BadInputError(f"{output}: a calibration file is called something.nc")
