"""What comes of a measurement or a table: chip file, report, and the figures that matter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .console import Screen

if TYPE_CHECKING:
    import xarray as xr

    from ohmloop.calibration import MeasurementStore, Recipe


class Written(NamedTuple):
    """A chip file, and what a program is told of it.

    Attributes:
        figures: those that matter.
        files: ``file`` and ``report``.
    """

    figures: dict[str, Any]
    files: dict[str, str]


def analysed(
    store: MeasurementStore, recipe: Recipe, screen: Screen
) -> tuple[dict[str, xr.Dataset], dict[str, str]]:
    """What the routines found that are through: groups of a chip file, and verdicts by name."""
    from ohmloop.calibration.measuring import analyse

    found = analyse(recipe, store)
    verdicts = {
        n: str(d.attrs.get("verdict", d.attrs.get("problem", ""))) for n, d in found.items()
    }
    screen.table("routines", ("routine", "what it found"), list(verdicts.items()))
    return {f"routines/{name}": data for name, data in found.items()}, verdicts


def write_routines(
    groups: Mapping[str, xr.Dataset], output: Path, screen: Screen, missing: Sequence[str]
) -> dict[str, str]:
    """Write what routines found where there is no twin; ``missing`` are those that it takes."""
    import xarray as xr

    from ohmloop.calibration.reporting import routines_report
    from ohmloop.sim_backend import save_chip
    from ohmloop.sim_backend.chip_file import ROUTINES

    page = output.with_suffix(".html")
    save_chip(xr.Dataset(attrs={"format": ROUTINES}), output, groups)
    page.write_text(routines_report(groups, output.name), encoding="utf-8")
    screen.say(f"file: {output} (no twin: that takes {', '.join(missing)}, too)\nreport: {page}")
    return {"file": str(output), "report": str(page)}


def write_chip(
    chip: xr.Dataset, groups: Mapping[str, xr.Dataset], output: Path, screen: Screen
) -> Written:
    """Write a chip record with its groups, and its report; say what it is."""
    from ohmloop.calibration import chip_report
    from ohmloop.sim_backend import save_chip

    page = output.with_suffix(".html")
    save_chip(chip, output, groups)
    page.write_text(chip_report(chip, groups), encoding="utf-8")
    figures = summary(chip)
    _say(chip, figures, screen)
    screen.say(f"calibration file: {output}\nreport: {page}")
    return Written(figures, {"file": str(output), "report": str(page)})


def summary(chip: xr.Dataset) -> dict[str, Any]:
    """The figures that matter, from a chip record; None where it does not know one.

    ``rmse_over_noise`` is that of repeated held-out sequences; ``held_out`` and ``misfit`` are of
    held-out blocks of the trains, relative to the range and to the forecast's own noise.
    """
    attrs, usable = chip.attrs, chip["usable"].to_numpy().astype(bool)
    pick = {n: chip[n].to_numpy()[usable] for n in ("dg_min", "g_min", "g_max", "dg_std")}
    median = {n: float(np.median(v)) for n, v in pick.items() if v.size}
    step = median.get("dg_min")
    scores = json.loads(str(attrs.get("choice_scores", "[]")))
    chosen: dict[str, Any] = next((s for s in scores if s["chosen"]), {})
    return {
        "cells": int(usable.size),
        "usable": int(usable.sum()),
        "response_function": str(attrs["response_family"]),
        "noise_of_steps": chosen.get("steps"),
        "dg_min_S": step,
        "states": (median["g_max"] - median["g_min"]) / step if step else None,
        "dg_std": median.get("dg_std"),
        "held_out": chosen.get("rmse"),
        "held_out_up": chosen.get("rmse_up"),
        "held_out_down": chosen.get("rmse_down"),
        "misfit": attrs.get("misfit"),
        "adequate": bool(attrs["adequate"]) if "adequate" in attrs else None,
        "rmse_over_noise": attrs.get("rmse_over_noise"),
        "notes": str(attrs.get("notes", "")),
        "conditions_unknown": str(attrs.get("conditions_unknown", "")).split(),
    }


def _say(chip: xr.Dataset, figures: Mapping[str, Any], screen: Screen) -> None:
    def of(name: str, form: str, factor: float = 1.0) -> str:
        return "" if figures[name] is None else format(factor * figures[name], form)

    head = (
        "usable cells", "response function", "granularity", "states", "cycle-to-cycle",
        "held-out error up / down", "rmse / noise",
    )  # fmt: skip
    row = (
        f"{figures['usable']} of {figures['cells']}",
        str(figures["response_function"]),
        f"{of('dg_min_S', '.3g', 1e6)} uS",
        of("states", ".0f"),
        f"{of('dg_std', '.0f', 100)} %",
        f"{of('held_out_up', '.2%')} / {of('held_out_down', '.2%')} of the range",
        of("rmse_over_noise", ".3f"),
    )
    columns = [k for k, cell in enumerate(row) if cell]
    screen.table("fit", [head[k] for k in columns], [[row[k] for k in columns]])
    for key in ("choice", "misfit_verdict", "notes"):
        if text := str(chip.attrs.get(key, "")).rstrip("."):
            screen.say(f"{text}.")
    if figures["conditions_unknown"]:
        screen.say(
            f"not known, nominal figures stand in: {' '.join(figures['conditions_unknown'])}"
        )
