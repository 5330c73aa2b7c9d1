"""Algorithms in the settings of the papers, beside the papers' own figures.

    python -m benchmarks.algorithms --suite paper [--data FOLDER] [--minutes 60] [--out FILE.md]

Least squares always (about a minute a seed); MNIST where ``--data`` names the folder of its IDX
files: with ``--images 60000`` on all of them, by default on 10,000 for more epochs, each case for
an equal share of ``--minutes``. Prints a table in Markdown, and writes it to ``--out``. The exit
status is 1 where a target is missed: least squares by zero-shifted residual learning end below 1e-4
at every asymmetry, and without the shift at 10 times that where the symmetric point is off zero.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

from ohmloop.app.theory.symmetric_point import Algorithm

from . import least_squares, mnist
from .published import MNIST, NO_TARGETS


def main() -> int:
    """Run, print, write; 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--suite", choices=["paper"], default="paper")
    parser.add_argument("--parts", nargs="+", choices=["least-squares", "mnist", "cnn"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--iterations", type=int, default=1000, help="of least squares")
    parser.add_argument("--c", type=float, nargs="+", default=[0.0, 0.1, 0.2, 0.3])
    parser.add_argument("--algorithms", nargs="+", default=get_args(Algorithm), metavar="NAME")
    parser.add_argument("--data", type=Path, help="folder of MNIST's IDX files")
    parser.add_argument("--taus", type=float, nargs="+", default=[0.7, 0.78, 0.8])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--rate-factor", type=float, default=1.0, help="of MNIST's learning rates")
    parser.add_argument("--minutes", type=float, default=60, help="for all of MNIST")
    parser.add_argument("--out", type=Path, help="where the table goes")
    given = parser.parse_args()
    parts = given.parts or ["least-squares", "mnist", "cnn"]
    lines: list[str] = []
    missed: list[str] = []
    if "least-squares" in parts:
        settings = given.seeds, given.iterations, given.c, list(given.algorithms)
        _gather(lines, missed, least_squares.run(*settings))
    if "mnist" in parts and given.data:
        settings_of = [("digital", 0.0)]
        settings_of += [(n, t) for n in ("analog-sgd", "tiki-taka") for t in given.taus]
        cases = [
            mnist.Case(name, tau, seed, given.rate_factor)
            for name, tau in settings_of
            for seed in given.seeds
        ]
        found = mnist.run(given.data, cases, given.images, given.epochs, given.minutes)
        _gather(lines, missed, found)
    elif "mnist" in parts:
        print("MNIST is left out: name the folder of its IDX files by --data")
    if "cnn" in parts:
        _gather(lines, missed, (_cnn(), []))
    lines += ["## What is no target", "", "| figure | why |", "|---|---|"]
    lines += [f"| {figure} | {why} |" for figure, why in NO_TARGETS]
    print("\n".join(lines))
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for text in missed:
        print(f"MISSED {text}")
    return 1 if missed else 0


def _cnn() -> list[str]:
    """The papers' figures alone: there is no run of it yet."""
    rows = [
        f"| {algorithm} | {f'{tau:g}' if tau else '-'} | not run | {figure} |"
        for (network, algorithm, tau), figure in MNIST.items()
        if network == "cnn"
    ]
    return [
        "## MNIST, LeNet-style network",
        "",
        "| algorithm | tau | accuracy, % | paper, % |",
        "|---|---|---|---|",
        *rows,
    ]


def _gather(lines: list[str], missed: list[str], found: tuple[list[str], list[str]]) -> None:
    lines += [*found[0], ""]
    missed += found[1]


if __name__ == "__main__":
    sys.exit(main())
