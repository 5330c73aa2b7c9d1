"""What published arrays show of cells besides steps: noise, relaxation, cells that do not work.

Of a time series: spread in all and from sample to sample, slope of its spectrum, largest jump; of
written cells: how far they spread from what was written, by time; of an array: how many failures
there are and how they gather in columns.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch

Array = NDArray[np.float64]

_NOISE = "rram_1t1r_64k_array/radway/ret1.csv.gz"
_SERIES, _RATE = "rram_relaxation_techABC/techA_tsdata.min.tsv.gz", 400.0
_RELAXED = "rram_relaxation_techABC/techB_relaxdata_10k.min.tsv.gz"
_DEAD = "rram_1t1r_64k_array/anjiang/dead_test.csv.gz"
_LINE = 256
_STUCK_BELOW = 8e3
"""Cells that end below this were meant to be at 10 to 11 kohm: stuck at low resistance, ohm."""


def cell_figures(data: Path) -> Iterator[str]:
    """Tables, one a kind of data that is there."""
    noise = _noise(data)
    if noise:
        head = "| read noise of | total | sample to sample | largest jump | slope of spectrum |"
        yield "\n".join((head, "|---|---|---|---|---|", *noise))
    if (data / _RELAXED).is_file():
        yield _relaxation(data / _RELAXED)
    if (data / _DEAD).is_file():
        yield _failures(data / _DEAD)


def _noise(data: Path) -> list[str]:
    rows = []
    if (data / _NOISE).is_file():
        table = np.loadtxt(_open(data / _NOISE), delimiter=",", usecols=(1, 3))
        rate = 1 / float(np.median(np.diff(table[:, 0])))
        rows.append(_noise_row("one 1T1R cell, 467 s", table[:, 1], rate))
    if (data / _SERIES).is_file():
        for series in np.loadtxt(_open(data / _SERIES), delimiter="\t"):
            rows.append(_noise_row(f"technology A, level {series[0]:.0f}", series[2:], _RATE))
    return rows


def _noise_row(name: str, g: Array, rate: float) -> str:
    mean = float(g.mean())
    total, step = 100 * g.std() / mean, 100 * np.diff(g).std() / np.sqrt(2) / mean
    # a jump shows as two levels, each held for 50 samples
    running = np.convolve(g, np.ones(50) / 50, "valid")
    jump = 100 * float(np.abs(running[50:] - running[:-50]).max()) / mean
    frequency, power = welch(g, rate, nperseg=min(g.size // 4, 32768))
    band = (frequency > 4 * frequency[1]) & (frequency < 0.1 * rate)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    return f"| {name} | {total:.2f} % | {step:.2f} % | {jump:.1f} % | {slope:.2f} |"


def _relaxation(path: Path) -> str:
    table = np.loadtxt(_open(path), delimiter="\t", usecols=(3, 4, 6))
    g, written, time = 1e6 * table[:, 0], 1e6 * table[:, 1], table[:, 2]
    lines = [
        "| relaxation, technology B, after | cells | mean change | spread |",
        "|---|---|---|---|",
    ]
    for moment in np.unique(time):
        change = (g - written)[time == moment]
        lines.append(
            f"| {moment:g} s | {change.size} | {change.mean():+.2f} uS | {change.std():.2f} uS |"
        )
    return "\n".join(lines)


def _failures(path: Path) -> str:
    rows = list(csv.reader(_open(path)))
    address = np.array([int(float(row[0])) for row in rows])
    resistance = np.array([float(row[5]) for row in rows])
    failed = np.array([row[-1].strip().lower() not in ("true", "1", "1.0") for row in rows])
    stuck = failed & (resistance < _STUCK_BELOW)
    by_column = np.sort(np.bincount(address[stuck] % _LINE, minlength=_LINE))[::-1]
    share = by_column[:26].sum() / max(stuck.sum(), 1)
    return (
        f"Of {failed.size} cells of one 1T1R array {1 - failed.mean():.2%} could be written;"
        f" {failed.sum()} failed, {stuck.sum()} of them at low resistance, and {share:.0%} of these"
        " lie in 26 of 256 columns."
    )


def _open(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as file:
        yield from file
