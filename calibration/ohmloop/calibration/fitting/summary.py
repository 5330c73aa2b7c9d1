"""A fitted chip in a few numbers: medians, spreads, correlations, and the cells that stand out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from ohmloop.calibration.health import Health
from ohmloop.calibration.spread import robust_std
from ohmloop.sim_backend import PopulationSpec
from ohmloop.sim_backend.responses import response_class

from .cell_fit import CellFit
from .trajectories import Array

FAR = 6.0
"""Spreads of the chip, the cell's own error included, beyond which a cell stands out."""
_NAMED = 50
_DERIVED = ("symmetric_point", "dg_min")


@dataclass(frozen=True, slots=True)
class PopulationSummary:
    """What usable cells are like.

    Attributes:
        model: the response function.
        cells: how many are usable.
        medians: of parameters and what follows of them, SI.
        spreads: from cell to cell, robust, the fits' own errors taken off; same units.
        correlations: rank correlations of pairs of parameters, ``"a, b"``, of 0.3 and above.
        outliers: cells that stand out, ``[row, column]`` each with the reason; 50 at most.
        outlier_count: how many there are.
    """

    model: str
    cells: int
    medians: dict[str, float]
    spreads: dict[str, float]
    correlations: dict[str, float]
    outliers: list[dict[str, Any]]
    outlier_count: int

    def to_json(self) -> str:
        """For a file's attributes."""
        return json.dumps(asdict(self))

    def spec(self) -> PopulationSpec:
        """A specification from which a chip like this one can be drawn; correlations are lost.

        Raises:
            ValidationError: the medians do not make a cell.
        """
        keys: dict[str, Any] = {"model": self.model}
        units = response_class(self.model).units | {"dg_add": "S"}
        for name, value in self.medians.items():
            table, _, node = name.partition("[")
            if name in _DERIVED or name == "read_add":
                continue
            text = f"{value:.9g} S" if units.get(table, "1") == "S" else value
            if node:
                keys.setdefault(table, []).append(text)
                continue
            keys[name] = text
            spread = self.spreads.get(name, 0.0)
            if value and spread:
                keys[f"{name}_dtod"] = float(min(abs(spread / value), 1.0))
        return PopulationSpec.model_validate(keys)


def summary_of(fit: CellFit, shape: tuple[int, ...]) -> PopulationSummary:
    """Summarise.

    Args:
        fit: the cells.
        shape: rows and columns.
    """
    usable = fit.usable
    errors = fit.stderr()
    names = [*fit.names, *(n for n in _DERIVED if n in errors)]
    extra = [n for n in type(fit.response).units if n not in names and not n.startswith("table_")]
    names = [*type(fit.response).units, *fit.names, *_DERIVED] if extra else names
    names = [n for n in dict.fromkeys(names) if "[" in n or not n.startswith("table_")]
    values = {n: fit.value(n)[usable] for n in names}
    medians = {
        n: float(np.nanmedian(v)) if np.isfinite(v).any() else float("nan")
        for n, v in values.items()
    }
    own = {n: np.nan_to_num(errors[n][usable]) if n in errors else 0 * v for n, v in values.items()}
    total = {n: _robust(values[n]) for n in names}
    spreads = {
        n: float(np.sqrt(max(total[n] ** 2 - float(np.median(own[n] ** 2)), 0.0))) for n in names
    }
    found = _outliers(fit, values, own, medians, spreads, shape)
    return PopulationSummary(
        type(fit.response).name, int(usable.sum()), medians, spreads,
        _correlations(values), found[:_NAMED], len(found),
    )  # fmt: skip


def _robust(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(robust_std(known)) if known.size else 0.0


def _correlations(values: dict[str, Array]) -> dict[str, float]:
    ranks = {
        n: rankdata(v)
        for n, v in values.items()
        if v.size > 10 and np.isfinite(v).all() and np.ptp(v)
    }
    names, found = list(ranks), {}
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            r = float(np.corrcoef(ranks[a], ranks[b])[0, 1])
            if abs(r) >= 0.3:
                found[f"{a}, {b}"] = round(r, 2)
    return found


def _outliers(
    fit: CellFit,
    values: dict[str, Array],
    own: dict[str, Array],
    medians: dict[str, float],
    spreads: dict[str, float],
    shape: tuple[int, ...],
) -> list[dict[str, Any]]:
    where = np.flatnonzero(fit.usable)
    reasons: dict[int, list[str]] = {}
    for name, v in values.items():
        scale = np.hypot(spreads[name], own[name])
        with np.errstate(all="ignore"):
            away = (v - medians[name]) / scale
        for i in np.flatnonzero(np.isfinite(away) & (np.abs(away) > FAR)):
            reasons.setdefault(int(where[i]), []).append(
                f"{name} is {v[i]:.3g}, {abs(away[i]):.0f} spreads"
                f" {'above' if away[i] > 0 else 'below'} the median {medians[name]:.3g}"
            )
    for cell in np.flatnonzero(~fit.usable):
        reasons[int(cell)] = [Health(fit.health[cell]).meaning]
    columns = shape[-1]
    return [
        {"row": cell // columns, "column": cell % columns, "reason": "; ".join(reasons[cell])}
        for cell in sorted(reasons)
    ]
