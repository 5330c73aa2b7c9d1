"""Validations that were kept in the file: the latest in full, a line on earlier ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ohmloop.calibration.validation import Validation, examine
from ohmloop.calibration.validation.figures import overview
from ohmloop.calibration.validation.keeping import GROUP
from ohmloop.drivers import ChipFileError

from .html import figure, paragraph, table
from .source import Source

if TYPE_CHECKING:
    import xarray as xr


def section(source: Source) -> str:
    """Nothing where the twin was not validated."""
    found = source.under(GROUP)
    if not found:
        return ""
    *earlier, latest = sorted(found)
    body = _latest(latest, found[latest], source.chip)
    rows = [(_date(name), str(found[name].attrs.get("verdict_text", ""))) for name in earlier[::-1]]
    return body + (table(rows, ("earlier", "verdict")) if rows else "")


def _latest(name: str, data: xr.Dataset, chip: xr.Dataset) -> str:
    try:
        outcome = examine(data, chip)
    except ChipFileError as error:
        return paragraph(f"{_date(name)}: {error}.")
    levels = " / ".join(f"{100 * p:.0f}" for p in outcome.scores.coverage)
    head = ("sequences", "error over noise", "error over expected spread", f"within {levels} %")
    return (
        paragraph(f"{_date(name)}. {outcome.verdict.text}")
        + figure(
            overview(outcome.scores),
            "Fresh sequences of pulses, predicted by the twin before they were measured. Error over"
            " the chip's own noise by kind of sequence (bars: two standard errors) and along it;"
            " shares of readings within the twin's intervals; where readings fall among what it"
            " expects (flat is right); and cells by their error over the spread that it expects.",
        )
        + table(_rows(outcome), head)
    )


def _rows(outcome: Validation) -> list[tuple[str, ...]]:
    return [
        (
            f"{k.kind}: {k.kind.meaning}",
            f"{k.ratio.value:.2f} +- {k.ratio.stderr:.2f}",
            f"{k.spread.value:.2f}",
            " / ".join(f"{100 * c.value:.0f}" for c in k.coverage.values()) + " %",
        )
        for k in outcome.scores.kinds
    ]


def _date(group: str) -> str:
    """``2026-11-24T23-14-17Z`` for people."""
    day, _, time = group.partition("T")
    return f"{day} {time.removesuffix('Z').replace('-', ':')} UTC" if time else group
