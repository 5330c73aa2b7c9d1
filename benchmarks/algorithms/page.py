"""The page of the papers' settings: every table from the file of results, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from . import least_squares
from .mnist import ALL, EPOCHS, NETWORKS
from .published import LEAST_SQUARES, MNIST, NO_TARGETS, UNREPRODUCIBLE
from .results import Run

Found = dict[tuple[str, float], list[Run]]
"""Runs of all seeds, by algorithm and tau or c."""

FAILS, EXACT = 10.0, 1e-4  # targets: how much worse without the shift; near enough
_OURS = (
    "products are exact here, of 7 and 9 bits and with noise there; cells are drawn anew for every"
    " seed here, once there"
)


def page(runs: Iterable[Run]) -> str:
    """All that the file holds, in Markdown."""
    found = list(runs)
    parts = [_HEAD, _least_squares(found)]
    for part in NETWORKS:
        settings = {
            (r.setting["images"], r.setting["rate_factor"]) for r in found if r.part == part
        }
        parts += [_mnist(found, part, *setting) for setting in sorted(settings, reverse=True)]
        if not settings:
            parts.append(f"## MNIST, {NETWORKS[part].title}\n\nNot run.")
    parts.append("## What is no target\n\n" + _table(("figure", "why"), NO_TARGETS))
    return "\n\n".join(parts) + "\n"


_HEAD = """# The papers' settings

Written by `python -m benchmarks.algorithms` from its file of results: settings of Wu et al.,
arXiv:2406.12774 and arXiv:2502.06309, run here, beside the figures that they print. What they are
about is in [Theory and papers](theory-and-papers.md)."""


def missed(runs: Iterable[Run]) -> list[str]:
    """Targets that least squares misses; the other parts have none."""
    groups = _groups(run for run in runs if run.part == least_squares.PART)
    found = []
    for (algorithm, c), plain in groups.items():
        if algorithm != "residual-learning":
            continue
        shifted = groups.get((least_squares.SHIFTED + algorithm, c), [] if c else plain)
        if not shifted:
            continue
        worst, ratio = (
            max(_losses(shifted)),
            np.median(_losses(plain)) / np.median(_losses(shifted)),
        )
        if worst > EXACT:
            found.append(f"c = {c:g}: zero-shifted residual learning ends at {worst:.2g}")
        if c and ratio < FAILS:
            found.append(f"c = {c:g}: without the shift it is but {ratio:.1f} times worse")
    return found


def _least_squares(runs: Sequence[Run]) -> str:
    title = "## Least squares of 50 weights on generic linear cells"
    longest = max((r.progress for r in runs if r.part == least_squares.PART), default=0)
    groups = _groups(
        r for r in runs if r.part == least_squares.PART and r.setting["iterations"] == longest
    )
    if not groups:
        return f"{title}\n\nNot run."
    seeds = {len(group) for group in groups.values()}
    values = sorted({c for _, c in groups})
    rows = [
        (
            algorithm,
            *(_loss(groups, algorithm, c) for c in values),
            "; ".join(
                f"c = {c:g}: {LEAST_SQUARES[algorithm, c]}"
                for c in values
                if (algorithm, c) in LEAST_SQUARES
            )
            or "not shown",
        )
        for algorithm in dict.fromkeys(name for name, _ in groups)
    ]
    text = (
        "Fig. 2 of arXiv:2502.06309: tau 3.5, dw_min 1e-4, BL at most 8 (transfers 31), learning"
        f" rates 0.8, gamma 0.4; {longest:g} passes over 100 samples, one pulsed rank-one update"
        " each; no noise. Tiki-Taka has gamma 0; what the paper calls so has gamma 0.4, residual"
        " learning in our words, and is not zero-shifted. Final loss: geometric mean over"
        f" {_range(seeds)} (least to largest)."
    )
    head = ("algorithm", *(f"c = {c:g}" for c in values), "paper")
    return f"{title}\n\n{text}\n\n{_table(head, rows)}"


def _loss(groups: Found, algorithm: str, c: float) -> str:
    # At c = 0 the symmetric point is 0: shifted there is.
    name = algorithm if c else algorithm.removeprefix(least_squares.SHIFTED)
    if not (values := _losses(groups.get((name, c), []))):
        return "-"
    mean = f"{np.exp(np.log(values).mean()):.2g}"
    return mean + (f" ({min(values):.2g} to {max(values):.2g})" if values[1:] else "")


def _losses(runs: Iterable[Run]) -> list[float]:
    return [run.figures["loss"] for run in runs]


def _mnist(runs: Sequence[Run], part: str, images: int, factor: float) -> str:
    setting = {"images": images, "rate_factor": factor}
    groups = _groups(run for run in runs if run.part == part and run.setting == setting)
    rows = [_mnist_row(part, *key, group) for key, group in sorted(groups.items(), key=_order)]
    rates = "the paper's learning rates" if factor == 1 else f"{factor:g} times its learning rates"
    text = (
        f"Fig. 5 of arXiv:2406.12774: {images:,} training images, all 10,000 test images; {rates}"
        " (0.1 digital, 0.05, and 0.01 of the fast array), a tenth of them from epoch 35 on;"
        " soft-bounds cells, dw_min 1e-3, spreads of 30 %, noise of 30 % a step; weights as they"
        " are, one learned scale a layer, as in the published code. Accuracy in %, mean ± spread"
        f" over seeds; the paper trains for {EPOCHS} epochs of {ALL:,} images."
    )
    head = ("algorithm", "tau", "accuracy", "paper", "seeds", "epochs", "s an epoch", "where worse")
    return f"## MNIST, {NETWORKS[part].title}: {images:,} images\n\n{text}\n\n{_table(head, rows)}"


def _mnist_row(part: str, algorithm: str, tau: float, runs: Sequence[Run]) -> tuple[str, ...]:
    values = np.array([run.figures["accuracy"] for run in runs])
    epochs = np.array([run.figures["epochs"] for run in runs])
    seconds = np.array([run.figures["seconds"] for run in runs]).sum() / epochs.sum()
    known = epochs.min() >= 0.1  # before, compiling and judging take most of the time
    spread = float(values.std(ddof=1)) if values.size > 1 else 0.0
    printed = MNIST.get((part, algorithm, tau))
    return (
        algorithm,
        f"{tau:g}" if tau else "-",
        f"{values.mean():.2f}" + (f" ± {spread:.2f}" if values.size > 1 else ""),
        f"{printed[0]:.2f} ± {printed[1]:.2f}" if printed else "-",
        f"{values.size}",
        f"{epochs.min():.3g}" + (f" to {epochs.max():.3g}" if np.ptp(epochs) > 0 else ""),
        f"{seconds:.0f}" if known else "-",
        _why(part, algorithm, tau, runs, float(values.mean()) + spread),
    )


def _why(part: str, algorithm: str, tau: float, runs: Sequence[Run], reached: float) -> str:
    """Why a figure is below the paper's by more than both spreads."""
    if reason := UNREPRODUCIBLE.get((part, algorithm, tau)):
        return reason
    printed = MNIST.get((part, algorithm, tau))
    if printed is None or reached >= printed[0] - printed[1]:
        return ""
    seen = min(run.progress for run in runs) / (EPOCHS * ALL)
    if seen < 0.99:
        return f"has seen {100 * seen:.2g} % of the samples that the paper trains on"
    return "digital: other first weights" if algorithm == "digital" else _OURS


def _groups(runs: Iterable[Run]) -> Found:
    groups: Found = {}
    for run in runs:
        groups.setdefault((run.algorithm, run.at), []).append(run)
    return groups


def _order(item: tuple[tuple[str, float], list[Run]]) -> tuple[int, float]:
    (algorithm, tau), _ = item
    return ("digital", "analog-sgd", "tiki-taka").index(algorithm), tau


def _range(numbers: set[int]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{most} seed{'s' * (most > 1)}" if least == most else f"{least} to {most} seeds"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
