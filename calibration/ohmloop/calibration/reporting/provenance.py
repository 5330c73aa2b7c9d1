"""Where a chip file comes from: who measured what, when, by which recipe, within which limits."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ohmloop.drivers.units import with_unit

from .html import heading, preformatted, table
from .source import Source

_LIMIT_UNITS = {"voltage": "V", "read_voltage": "V", "current": "A", "width": "s"}
_FIRST = ("raw_crossbar", "raw_date", "raw_seed", "ohmloop_version")
_ELSEWHERE = {
    "format", "format_version", "raw_bench", "raw_provenance_crossbar", "response_family",
    "raw_recipe", "limits", "rmse_S", "repeatability_S",
    "rmse_over_noise", "cells", "cells_usable", "symmetric_point_agreement", "choice",
    "choice_scores", "misfit", "misfit_stderr", "misfit_verdict", "adequate", "population_summary",
    "fit_verdict", "fit_scores", "health_summary", "health_defects", "health_clusters",
    "health_notes",
}  # fmt: skip
"""Attributes that the page shows elsewhere, or in other words."""
_CONDITIONS = {
    "pulse_up_amplitude_V": "V", "pulse_up_width_s": "s", "pulse_down_amplitude_V": "V",
    "pulse_down_width_s": "s", "pulse_rest_s": "s", "read_voltage_V": "V", "read_settle_s": "s",
    "read_nplc": "",
}  # fmt: skip
_LONG = 400


def section(source: Source) -> str:
    """Origin, conditions, limits, recipe."""
    attrs = source.chip.attrs
    body = table(_origin(attrs))
    body += heading("Conditions and limits") + table(_conditions(attrs))
    if recipe := attrs.get("raw_recipe"):
        body += heading("Recipe") + preformatted(str(recipe))
    return body


def _origin(attrs: Mapping[str, Any]) -> list[tuple[str, str]]:
    rest = sorted(
        name
        for name in set(attrs) - {*_FIRST} - _ELSEWHERE
        if name not in _CONDITIONS and len(str(attrs[name])) <= _LONG
    )
    return [
        (name.removeprefix("raw_").removeprefix("provenance_").replace("_", " "), str(value))
        for name in (*_FIRST, *rest)
        if (value := attrs.get(name)) is not None and str(value)
    ]


def _conditions(attrs: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, unit in _CONDITIONS.items():
        if name in attrs:
            value = float(attrs[name])
            label = name.removesuffix(f"_{unit}").replace("_", " ")
            rows.append((label, with_unit(value, unit) if unit else f"{value:g}"))
    limits = json.loads(str(attrs.get("limits", "{}")))
    for name, value in limits.items():
        if isinstance(value, int | float) and not math.isfinite(value):
            text = "none"
        elif name in _LIMIT_UNITS:
            text = with_unit(float(value), _LIMIT_UNITS[name])
        else:
            text = str(value)
        rows.append((f"limit: {name.replace('_', ' ')}", text))
    return rows
