"""The report of a chip: one HTML page for people who will decide whether to trust the twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ohmloop.sim_backend.chip_file import load_chip, load_groups, only_routines

from . import (
    choice,
    headline,
    health,
    held_out,
    maps,
    parameters,
    provenance,
    responses,
    routines,
    symmetric_point,
    validations,
)
from .html import page, paragraph
from .source import Source

if TYPE_CHECKING:
    import xarray as xr

SECTIONS: Mapping[str, Callable[[Source], str]] = {
    "": headline.section,
    "Maps": maps.section,
    "Health": health.section,
    "Choice of the response function": choice.section,
    "Response to pulses": responses.section,
    "Fitted parameters": parameters.section,
    "Symmetric point": symmetric_point.section,
    "Prediction of pulses that the fit never saw": held_out.section,
    "Validation": validations.section,
    "Routines": routines.section,
    "Provenance": provenance.section,
}
"""Heading -> body; an empty body leaves the section out."""


def chip_report(chip: xr.Dataset, groups: Mapping[str, xr.Dataset] | None = None) -> str:
    """One self-contained HTML page; sections for which the file has no data are left out.

    Args:
        chip: a chip record, as made or as loaded.
        groups: other datasets of its file by path, as ``load_groups`` gives them: ``routines/NAME``
            and ``validation/DATE``.
    """
    source = Source(chip, groups or {})
    bodies = ((head, make(source)) for head, make in SECTIONS.items())
    name = chip.attrs.get("raw_crossbar", "chip")
    return page(f"Calibration of {name}", [(head, body) for head, body in bodies if body])


def file_report(path: Path) -> str:
    """The report of a file: of a calibration, of a fitted table, or of routines without a fit.

    Raises:
        ChipFileError: it is none of them.
    """
    from ohmloop.calibration.importing import table_report
    from ohmloop.calibration.importing.fitted_table import SCORES

    if only_routines(path):
        return routines_report(load_groups(path), path.name)
    chip, groups = load_chip(path), load_groups(path)
    return table_report(chip) if SCORES in chip.attrs and not groups else chip_report(chip, groups)


def routines_report(groups: Mapping[str, xr.Dataset], name: str) -> str:
    """One page on what routines found where no twin was fitted.

    Args:
        groups: as ``chip_report`` takes them.
        name: of the file.
    """
    import xarray as xr

    body = routines.section(Source(xr.Dataset(), groups))
    told = paragraph("No twin was fitted: these are routines alone.")
    return page(f"Measurements in {name}", [("", told), ("Routines", body)])
