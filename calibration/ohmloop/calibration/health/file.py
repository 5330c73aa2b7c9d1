"""Health in a chip file: the map of codes, the mask, and what was found in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from .assessment import HealthReport
from .codes import Health

if TYPE_CHECKING:
    import xarray as xr

_DIMS = ("row", "column")


def keep_health(data: xr.Dataset, report: HealthReport) -> None:
    """Put ``health`` and ``usable`` into a chip's dataset, and what was found into attributes.

    ``health_summary`` is one line; ``health_defects``, ``health_clusters`` and ``health_notes`` are
    JSON lists.
    """
    codes: dict[str, Any] = {
        "units": "1",
        "long_name": "0 where nothing is wrong, else what is",
        "flag_values": np.array([int(h) for h in Health], np.int8),
        "flag_meanings": " ".join(h.name.lower() for h in Health),
    }
    data["health"] = (_DIMS, report.health, codes)
    mask = {"units": "1", "long_name": "1 where the cell can be used"}
    data["usable"] = (_DIMS, report.usable.astype(np.int8), mask)
    found = [
        {"health": one.health.name.lower(), "where": one.where, "evidence": one.evidence}
        for one in report.defects
    ]
    data.attrs |= {
        "health_summary": report.summary,
        "health_defects": json.dumps(found),
        "health_clusters": json.dumps([one.evidence for one in report.clusters]),
        "health_notes": json.dumps(list(report.notes)),
    }
