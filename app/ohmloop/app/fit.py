"""``ohmloop fit``: a chip file from a table of readings, or anew from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohmloop.drivers import BadInputError
from ohmloop.drivers.validation import validate

from .calibrate import check_writable
from .console import Screen

if TYPE_CHECKING:
    import xarray as xr

    from ohmloop.calibration.importing import FittedTable


def fit(
    source: Path, output: Path, screen: Screen, family: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Fit a table (CSV, TSV, gzipped) or raw data (``.nc``); write chip file and report.

    Args:
        source: the data.
        output: chip file to write.
        screen: for people and machines.
        family: response function, or ``auto``.
        options: of ``ImportOptions``, as text; those of None were not given.

    Raises:
        BadInputError: one line that says what is wrong with the file or the options.
    """
    from ohmloop.calibration.importing import fit_table, table_report
    from ohmloop.sim_backend import save_chip

    check_writable(output)
    raw = _raw(source, {k: v for k, v in options.items() if v})
    fitted = fit_table(raw, family)
    save_chip(fitted.chip, output)
    page = output.with_suffix(".html")
    page.write_text(table_report(fitted.chip), encoding="utf-8")
    _say(fitted, screen)
    screen.say(f"calibration file: {output}\nreport: {page}")
    return {"fit": _summary(fitted), "file": str(output), "report": str(page)}


def parse_columns(given: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=THEIRS [UNIT]``, one column each.

    Raises:
        BadInputError: says which is not of that form.
    """
    columns = {}
    for text in given:
        name, equals, theirs = text.partition("=")
        if not (equals and name.strip() and theirs.strip()):
            raise BadInputError(
                f"--column {text!r}: write --column 'conductance=G_meas [uS]', our name first"
            )
        columns[name.strip()] = theirs.strip()
    return columns


def _raw(source: Path, options: Mapping[str, Any]) -> xr.Dataset:
    from ohmloop.calibration import load_raw
    from ohmloop.calibration.importing import ImportOptions, import_table
    from ohmloop.calibration.importing.fitted_table import raw_of_table
    from ohmloop.sim_backend import load_chip

    if source.suffix != ".nc":
        return import_table(source, validate(ImportOptions, options, "options of fit"))
    if options:
        name = next(iter(options)).replace("_", "-")
        raise BadInputError(f"{source}: a measurement says all of itself; --{name} is for tables")
    try:
        return load_raw(source)
    except BadInputError as raw_problem:
        if not source.is_file():
            raise
        try:
            return raw_of_table(load_chip(source))
        except BadInputError:
            raise raw_problem from None


def _say(fitted: FittedTable, screen: Screen) -> None:
    figures = _summary(fitted)
    screen.table(
        "fit",
        ("usable cells", "response function", "held-out error up / down", "error / noise"),
        [
            (
                f"{figures['usable']} of {figures['cells']}",
                figures["name"],
                f"{figures['held_out_up']:.2%} / {figures['held_out_down']:.2%} of the range",
                f"{figures['rmse_over_noise']:.3f}",
            )
        ],
    )
    screen.say(f"{fitted.choice.why}.")
    for key in ("notes", "conditions_unknown"):
        if text := fitted.chip.attrs.get(key):
            screen.say(f"{key.replace('_', ' ')}: {text}")


def _summary(fitted: FittedTable) -> dict[str, Any]:
    score = fitted.choice.score
    return {
        "cells": int(fitted.fit.usable.size),
        "usable": int(fitted.fit.usable.sum()),
        "family": fitted.choice.family,
        "name": score.name,
        "response_function": fitted.fit.response.name,
        "held_out": score.rmse,
        "held_out_up": score.rmse_up,
        "held_out_down": score.rmse_down,
        "rmse_over_noise": fitted.choice.misfit,
        "adequate": fitted.choice.adequate,
        "notes": str(fitted.chip.attrs.get("notes", "")),
        "conditions_unknown": str(fitted.chip.attrs.get("conditions_unknown", "")).split(),
    }
