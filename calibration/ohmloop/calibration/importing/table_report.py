"""The report of a fit from raw data alone: what was chosen and why, and how well it describes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.drawing import BLUE, ORANGE
from ohmloop.calibration.fitting import Trajectories
from ohmloop.calibration.reporting.html import figure, page, paragraph, table
from ohmloop.sim_backend.chip_file import maps_of, population_of

from .fitted_table import SCORES, raw_of_table

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_MICRO = 1e6
_SHOWN = ("format", "raw_bench", "limits", "raw_plan", SCORES, "fit_verdict", "cell_labels")


def table_report(chip: xr.Dataset) -> str:
    """One self-contained HTML page on a chip file of ``fit_table``.

    Raises:
        ChipFileError: it holds no raw data.
    """
    notes = [str(chip.attrs.get("notes", "")), _unknown(chip)]
    head = str(chip.attrs["fit_verdict"]) + "."
    sections = [
        ("", paragraph(head) + "".join(paragraph(f"{note}.") for note in notes if note)),
        ("Response to pulses", figure(responses(chip), "Dots: measured. Lines: mean of the twin.")),
        ("Fitted parameters", table(_parameters(chip), ("parameter", "median", "standard error"))),
        ("Held-out forecasts", table(_scores(chip), ("response function", *_COLUMNS))),
        ("Provenance", table(_provenance(chip))),
    ]
    return page(f"Fit of {chip.attrs['raw_crossbar']}", sections)


def responses(chip: xr.Dataset, count: int = 3) -> Figure:
    """Readings of some cells against pulses given, the mean of the twin, and what is left."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    traj = Trajectories.of_raw(raw_of_table(chip))
    usable = np.flatnonzero(chip["usable"].to_numpy().ravel())
    cells = usable[np.unique(np.linspace(0, usable.size - 1, min(count, usable.size)).astype(int))]
    with rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        fig = Canvas(figsize=(6.5, 3.6), layout="constrained")
        axes = fig.subplots(
            2, cells.size, squeeze=False, sharex="col", sharey="row", height_ratios=(3, 1)
        )
        for ax, below, cell in zip(axes[0], axes[1], cells, strict=True):
            path, readings = _path(chip, traj, int(cell)), traj.readings[:, cell]
            x = np.abs(traj.pulses[:, cell]).cumsum()
            ax.plot(x, readings * _MICRO, ".", ms=2.5, color=BLUE)
            ax.plot(x, path * _MICRO, color=ORANGE, lw=1)
            below.plot(x, (readings - path) * _MICRO, ".", ms=2, color=BLUE)
            below.axhline(0, color=ORANGE, lw=0.8)
            ax.set_title(_label(chip, int(cell)), fontsize=8)
            below.set_xlabel("pulses given")
        axes[0, 0].set_ylabel("conductance (uS)")
        axes[1, 0].set_ylabel("residual (uS)")
    return fig


def _path(chip: xr.Dataset, traj: Trajectories, cell: int) -> NDArray[np.float64]:
    """Mean of the twin's cell from the first readings of every trajectory, S."""
    kind = type(population_of(chip).response)
    values = (chip[name].to_numpy() for name in kind.units)
    response = kind(*(v.reshape(-1, *v.shape[2:])[cell : cell + 1] for v in values))
    path, counts = np.full(traj.steps, np.nan), traj.pulses[:, cell]
    state: Any = np.array([np.nan])
    for t, reading in enumerate(traj.readings[:, cell]):
        if traj.starts[t] or np.isnan(state[0]):
            state = np.array([reading])
        else:
            n = counts[t]
            state = response.after(state, np.array([max(n, 0)]), np.array([max(-n, 0)]))
        path[t] = state[0]
    return path


def _label(chip: xr.Dataset, cell: int) -> str:
    if "cell_labels" in chip.attrs:
        return f"cell {json.loads(chip.attrs['cell_labels'])[cell]}"
    row, column = divmod(cell, chip.sizes["column"])
    return f"row {row}, column {column}"


_COLUMNS = (
    "parameters", "error (% of range)", "up", "down", "error over noise", "behind the best"
)  # fmt: skip


def _scores(chip: xr.Dataset) -> list[tuple[str, ...]]:
    scores = json.loads(chip.attrs[SCORES])
    return [
        (
            s["family"] if s["steps"] else f"{s['family']} (no noise of steps)",
            str(s["parameters"]),
            *(f"{100 * s[key]:.2f}" for key in ("rmse", "rmse_up", "rmse_down")),
            f"{s['over_noise']:.2f}",
            f"{s['behind']:.1%} ({s['behind_stderr']:.1%})",
        )
        for s in scores
    ]


def _parameters(chip: xr.Dataset) -> list[tuple[str, str, str]]:
    usable = chip["usable"].to_numpy().astype(bool)
    rows = []
    for name, (unit, meaning) in maps_of(type(population_of(chip).response)).items():
        if name in ("usable", "conductance") or chip[name].ndim > 2:
            continue
        error = chip.get(f"{name}_stderr")
        known = "" if error is None else f"{np.nanmedian(error.to_numpy()[usable]):.2g}"
        value = f"{np.nanmedian(chip[name].to_numpy()[usable]):.4g}"
        rows.append(
            (f"{name}, {unit}: {meaning}" if unit != "1" else f"{name}: {meaning}", value, known)
        )
    return rows


def _unknown(chip: xr.Dataset) -> str:
    names = str(chip.attrs.get("conditions_unknown", "")).split()
    return f"Not known, nominal figures stand in: {', '.join(names)}" if names else ""


def _provenance(chip: xr.Dataset) -> list[tuple[str, str]]:
    return [
        (name.removeprefix("raw_").removeprefix("provenance_").replace("_", " "), str(value))
        for name, value in chip.attrs.items()
        if name not in _SHOWN
    ]
