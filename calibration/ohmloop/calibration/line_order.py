"""Lines that are wired in another order than when the chip was calibrated.

Only a map that is known can tell: measured lines are assigned to the known ones so that they
correlate best (Kuhn, Naval Res. Logist. Q. 2:83, 1955, as in SciPy), rows and columns in turn. A
line counts as placed where its correlation is significant among all that were compared, and as
swapped where it fits its new place significantly better than its own (Fisher's transformation). If
fewer than half of the lines can be placed, the cells have moved since, or it is another chip, and
nothing is said about the order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import linear_sum_assignment

from .conduction import FALSE_ALARMS, Mask
from .finding import Finding, Wrong
from .survey import Array

_FEWEST = 8
"""A line with fewer cells than that correlates with any other by chance."""
_ROUNDS = 3


@dataclass(frozen=True)
class Order:
    """What is known of the order of lines.

    Attributes:
        findings: lines that are swapped.
        rows: in words, what is known of the rows.
        columns: in words, of the columns.
    """

    findings: tuple[Finding, ...]
    rows: str
    columns: str


def unknown_order(why: str) -> Order:
    """Nothing can be told."""
    return Order((), f"cannot be told: {why}", f"cannot be told: {why}")


def line_order(conductance: Array, good: Mask, known: Array) -> Order:
    """Compare with a known map of the same shape.

    Args:
        conductance: measured, ``(rows, columns)``, S.
        good: cells that conduct and are not shorted.
        known: what they should be, S.
    """
    measured = np.where(good, conductance, np.nan)
    starts = (np.arange(known.shape[0]), _by_spectrum(measured, known))
    fits = [_align(measured, known, rows) for rows in starts]
    rows, columns, _ = max(fits, key=lambda fit: fit[2])
    row_match = _judge(measured, known[:, columns], Wrong.SWAPPED_ROWS)
    column_match = _judge(measured.T, known[rows].T, Wrong.SWAPPED_COLUMNS)
    return Order((*row_match[0], *column_match[0]), row_match[1], column_match[1])


Lines = NDArray[np.intp]


def _by_spectrum(measured: Array, known: Array) -> Lines:
    """Rows by their cells' values, whatever the order of the columns: both may be turned round."""
    levels = np.linspace(0.05, 0.95, min(measured.shape[1], 15))
    rows = _usable(measured)[0]
    spectra = np.zeros((len(measured), levels.size))
    spectra[rows] = np.nanquantile(measured[rows], levels, axis=1).T
    wanted = np.quantile(np.nan_to_num(known), levels, axis=1).T
    apart = np.abs(spectra[:, None] - wanted).sum(axis=2) * rows[:, None]
    places: Lines = linear_sum_assignment(apart)[1]
    return places


def _align(measured: Array, known: Array, rows: Lines) -> tuple[Lines, Lines, float]:
    """Columns and rows in turn, from an order of rows; how well lines fit in the end."""
    columns = np.arange(known.shape[1])
    for _ in range(_ROUNDS):
        columns = _settle(measured.T, known[rows].T)
        rows = _settle(measured, known[:, columns])
    r = _correlations(measured, known[:, columns])
    return rows, columns, float(r[np.arange(len(r)), rows].mean())


def _settle(measured: Array, known: Array) -> Lines:
    """The order of lines: another than it was only for lines that fit significantly better."""
    places, r = _assign(measured, known)
    moved, kept = _better(r, places, _cells(measured)), np.arange(len(r))
    for cycle in _cycles(places, np.ones(len(r), bool)):
        if moved[cycle].all():
            kept[cycle] = places[cycle]
    return kept


def _cells(measured: Array) -> int:
    """Usable cells of a typical line."""
    counts = np.isfinite(measured).sum(axis=1)
    return int(np.median(counts[counts > 0])) if counts.any() else 0


def _better(r: Array, places: Lines, cells: int) -> Mask:
    """Lines that fit their new place significantly better than their own."""
    new, own = _fisher(r[np.arange(len(r)), places]), _fisher(np.diagonal(r))
    least = stats.norm.isf(FALSE_ALARMS / len(r)) * np.sqrt(2 / max(cells - 3, 1))
    better: Mask = new - own > least
    return better


def _fisher(r: Array) -> Array:
    z: Array = np.arctanh(np.clip(r, -0.999999, 0.999999))
    return z


def _assign(measured: Array, known: Array) -> tuple[Lines, Array]:
    """The known line that each measured one is, and all correlations."""
    r = _correlations(measured, known)
    _, places = linear_sum_assignment(-r)
    return places, r


def _correlations(measured: Array, known: Array) -> Array:
    """``r[i, j]`` of measured line i with known line j, over the cells that line i has."""
    lines, cells = _usable(measured)
    m = _apart(measured[:, cells], lines)
    k = _apart(np.where(np.isfinite(known), known, np.nan)[:, cells], lines)
    length = np.sqrt((m**2).sum(axis=1, keepdims=True) * ((m != 0) @ (k**2).T))
    r: Array = (m @ k.T) / np.where(length > 0, length, 1.0)
    return r


def _usable(measured: Array) -> tuple[Mask, Mask]:
    """Lines that have a usable cell, and places in a line that have one."""
    usable = np.isfinite(measured)
    return np.logical_or.reduce(usable, axis=1), np.logical_or.reduce(usable, axis=0)


def _apart(values: Array, lines: Mask) -> Array:
    """What a line has apart from the others and from its own mean; 0 for what is missing."""
    usable = np.isfinite(values)
    filled = np.where(usable, values, 0.0)
    among = usable & lines[:, None]
    common = (filled * among).sum(axis=0) / np.maximum(among.sum(axis=0), 1)
    own = np.where(usable, filled - common, 0.0)
    mean = own.sum(axis=1, keepdims=True) / np.maximum(usable.sum(axis=1, keepdims=True), 1)
    rest: Array = np.where(usable, own - mean, 0.0)
    return rest


def _judge(measured: Array, known: Array, wrong: Wrong) -> tuple[list[Finding], str]:
    what = "rows" if wrong is Wrong.SWAPPED_ROWS else "columns"
    usable, cells = np.isfinite(measured).any(axis=1), _cells(measured)
    if cells < _FEWEST:
        return [], f"cannot be told: {cells} usable cells a line are too few to know it by"
    places, r = _assign(measured, known)
    own, best = np.diagonal(r), r[np.arange(len(r)), places]
    placed = usable & (_fisher(best) > stats.norm.isf(FALSE_ALARMS / r.size) / np.sqrt(cells - 3))
    better = _better(r, places, cells)
    if placed.sum() < usable.sum() / 2:
        return [], (
            f"cannot be told: only {placed.sum()} of {usable.sum()} {what} resemble any of the"
            " calibration; the cells were pulsed since, or it is of another chip"
        )
    moved = placed & better & (places != np.arange(len(r)))
    found = [_finding(cycle, places, own, best, wrong) for cycle in _cycles(places, moved)]
    least = f"correlation at least {best[placed].min():.2f}"
    doubtful = int((usable & ~placed).sum() + (placed & ~moved & (places != _range(r))).sum())
    rest = f"; {doubtful} cannot be told" if doubtful else ""
    verb = f"{moved.sum()} of {len(r)} {what} are not where the calibration has them"
    said = verb if moved.any() else f"as in the calibration, {placed.sum()} {what}"
    return found, f"{said} ({least}){rest}"


def _range(r: Array) -> Lines:
    return np.arange(len(r))


def _cycles(places: Lines, moved: Mask) -> list[list[int]]:
    """Moved lines, those that changed places with each other together."""
    left, cycles = set(np.flatnonzero(moved).tolist()), []
    while left:
        cycle = [min(left)]
        left.remove(cycle[0])
        while (following := int(places[cycle[-1]])) in left:
            left.remove(following)
            cycle.append(following)
        cycles.append(cycle)
    return cycles


def _finding(cycle: list[int], places: Lines, own: Array, best: Array, wrong: Wrong) -> Finding:
    line = wrong.value.removeprefix("swapped ").removesuffix("s")
    parts = [
        f"{line} {i} is {line} {places[i]} of the calibration (correlation {best[i]:.2f},"
        f" with its own {own[i]:.2f})"
        for i in cycle
    ]
    lines = tuple(sorted(cycle))
    is_rows = wrong is Wrong.SWAPPED_ROWS
    return Finding(wrong, lines if is_rows else (), () if is_rows else lines, "; ".join(parts))
