"""Fig. 2 of arXiv:2502.06309: 50 weights, four asymmetries, pulses sample after sample."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ohmloop.app.theory.symmetric_point import SymmetricPoint, final_loss

from .budget import Budget
from .results import Results, Run

PART = "least-squares"
SHIFTED = "zero-shifted "


def cases(
    algorithms: Iterable[str], c: Iterable[float], seeds: Iterable[int], iterations: int
) -> list[Run]:
    """Runs to make, all of the first seed first. At c = 0 there is nothing to shift."""
    return [
        Run(PART, algorithm, value, seed, {"iterations": iterations})
        for seed in seeds
        for value in c
        for algorithm in algorithms
        if value or not algorithm.startswith(SHIFTED)
    ]


def run(cases: list[Run], results: Results, minutes: float) -> None:
    """Make them, one after the other, until the time is spent; none is broken off."""
    budget = Budget(minutes, len(cases))
    for number, case in enumerate(cases):
        if budget.spent:
            print(f"{PART}: time is up, {len(cases) - number} runs are left out")
            return
        started = time.monotonic()
        loss = _loss(case)
        seconds = time.monotonic() - started
        results.put(case.got(case.setting["iterations"], True, loss=loss, seconds=seconds))
        print(
            f"{PART}: {case.algorithm}, c = {case.at:g}, seed {case.seed}: {loss:.3g}", flush=True
        )


def _loss(case: Run) -> float:
    only: list[Any] = [case.algorithm]
    study = SymmetricPoint(
        type="symmetric-point",
        iterations=case.setting["iterations"],
        c=[case.at],
        algorithms=only,
    )
    table = study.run(case.seed, lambda *_: None)
    return final_loss(table.of(algorithm=case.algorithm, c=case.at))
