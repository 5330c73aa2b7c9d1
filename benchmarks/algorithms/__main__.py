"""Algorithms in the settings of the papers, beside the papers' own figures.

    python -m benchmarks.algorithms --suite paper [--part least-squares mnist cnn] [--seeds 1 2 3]
        [--minutes 30] [--data FOLDER] [--results FILE.json] [--page FILE.md]

Least squares of 50 weights at four asymmetries; MNIST by a network of linear layers, on all 60,000
images and on 10,000 for more epochs; MNIST by a LeNet. Each of these four gets so many minutes, of
which every run has an equal share: training stops in the middle of an epoch where time is up, and
what was reached is what counts. The first seed of everything comes first.

Runs go into ``--results`` one by one, those of MNIST on their way, too, so one that is killed
loses two minutes; a longer run replaces a shorter one, never the other way round. ``--missing``
leaves out what is finished there. The page is made from that file alone; ``--part none`` makes it
anew.

``--data`` is the folder of MNIST's IDX files, by default ``mnist`` in that of ``OHMLOOP_DATA``.
The exit status is 1 where a target is missed: least squares by zero-shifted residual learning end
below 1e-4 at every asymmetry, and without the shift at 10 times that where the symmetric point is
off zero.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from ohmloop.app.theory.symmetric_point import Algorithm
from ohmloop.drivers import OhmloopError

from . import least_squares, mnist, timed
from .page import missed, page
from .results import Results

PARTS = ["least-squares", "mnist", "cnn"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, keep, write the page; 1 where a target was missed, 2 for bad input."""
    given = _options().parse_args(arguments)
    try:
        results = Results(given.results)
        for part in given.part:
            if part == "least-squares":
                _run_least_squares(given, results)
            elif part in mnist.NETWORKS:
                _run_mnist(part, given, results)
    except OhmloopError as error:
        print(error, file=sys.stderr)
        return 2
    text = page(results)
    print(text)
    if given.page:
        given.page.write_text(text, encoding="utf-8")
    short = missed(results)
    for line in short:
        print(f"MISSED {line}")
    return 1 if short else 0


def _run_least_squares(given: argparse.Namespace, results: Results) -> None:
    cases = least_squares.cases(given.algorithms, given.c, given.seeds, given.iterations)
    cases = [c for c in cases if not (given.missing and results.finished(c))]
    least_squares.run(cases, results, given.minutes)


def _run_mnist(part: str, given: argparse.Namespace, results: Results) -> None:
    if given.data is None:
        print(f"{part} is left out: name the folder of MNIST's files by --data or OHMLOOP_DATA")
        return
    taus = given.taus or mnist.NETWORKS[part].taus
    for images in given.images or ([mnist.ALL, 10_000] if part == "mnist" else [mnist.ALL]):
        cases = mnist.cases(part, taus, given.seeds, images, given.rate_factor)
        cases = [c for c in cases if not (given.missing and results.finished(c))]
        timed.run(cases, given.data, results, given.epochs, given.minutes)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--suite", choices=["paper"], default="paper")
    parser.add_argument("--part", nargs="+", choices=[*PARTS, "none"], default=PARTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--minutes", type=float, default=30, help="for each of the four")
    parser.add_argument("--missing", action="store_true", help="leave out what is finished")
    parser.add_argument("--results", type=Path, default=Path("algorithms-paper.json"))
    parser.add_argument("--page", type=Path, help="where the page goes")
    parser.add_argument("--iterations", type=int, default=1000, help="of least squares")
    parser.add_argument("--c", type=float, nargs="+", default=[0.0, 0.1, 0.2, 0.3])
    parser.add_argument(
        "--algorithms", nargs="+", choices=get_args(Algorithm), default=get_args(Algorithm)
    )
    parser.add_argument("--data", type=Path, default=_mnist_folder())
    parser.add_argument("--images", type=int, nargs="+", help="to learn from")
    parser.add_argument("--taus", type=float, nargs="+", help="by default those of the paper")
    parser.add_argument("--epochs", type=int, default=mnist.EPOCHS, help="at most")
    parser.add_argument("--rate-factor", type=float, default=1.0, help="of MNIST's learning rates")
    return parser


def _mnist_folder() -> Path | None:
    root = os.environ.get("OHMLOOP_DATA")
    return Path(root) / "mnist" if root else None


if __name__ == "__main__":
    sys.exit(main())
