"""Health: the map by class, counts, and what is wrong in words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ohmloop.calibration.health import Health
from ohmloop.calibration.health.figures import figure as draw

from .html import figure, items, paragraph, table
from .source import Source

_MOST = 40
"""Defects that are listed."""


def section(source: Source) -> str:
    """Nothing where the file has no map of health."""
    chip = source.chip
    if "health" not in chip:
        return ""
    health = chip["health"].to_numpy()
    summary = str(chip.attrs.get("health_summary", ""))
    caption = (
        "Cells by what they suffer from, and cells that cannot be used on each line; lines with"
        " more of them than chance puts there are orange."
    )
    return (
        (paragraph(f"{summary}.") if summary else "")
        + figure(draw(health, source.usable), caption)
        + table(_counts(health, source.usable), ("class", "cells", "usable", "meaning"))
        + _defects(_listed(chip.attrs.get("health_defects")))
        + _lines("Lines on which bad cells gather:", _listed(chip.attrs.get("health_clusters")))
        + _lines("Not told:", _listed(chip.attrs.get("health_notes")))
    )


def _counts(health: Any, usable: Any) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for code in np.unique(health):
        here = health == code
        known = code in list(Health)
        word, meaning = (Health(code).word, Health(code).meaning) if known else (str(code), "")
        rows.append((word, str(here.sum()), str((here & usable).sum()), meaning))
    return rows


def _defects(found: list[Any]) -> str:
    if not found:
        return ""
    rows = [(d["where"], str(d["health"]).replace("_", " "), d["evidence"]) for d in found[:_MOST]]
    left = len(found) - len(rows)
    more = paragraph(f"and {left} more, in the attribute health_defects") if left else ""
    return table(rows, ("where", "what", "how one knows")) + more


def _lines(head: str, found: list[Any]) -> str:
    return paragraph(head) + items(found) if found else ""


def _listed(text: Any) -> list[Any]:
    return list(json.loads(str(text))) if text is not None else []
