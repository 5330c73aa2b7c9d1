"""What a report says of a pipeline: clocks, stages, staleness, and a Gantt chart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohmloop.drivers import SqliteJournal
from ohmloop.drivers.units import with_unit

from .run_folder import RunFolder

if TYPE_CHECKING:
    from ohmloop.training.pipeline.account import PipelineAccount

ACCOUNTS = "pipeline.json"
"""In the run folder: an account of every epoch."""


def pipeline_sections(folder: Path) -> list[tuple[str, str]]:
    """Headings and bodies; none where the run had no pipeline."""
    from ohmloop.calibration.reporting import table
    from ohmloop.training.pipeline.account import PipelineAccount
    from ohmloop.training.pipeline.chart import svg
    from ohmloop.training.pipeline.timeline import timeline_of

    file = folder / ACCOUNTS
    if not file.is_file():
        return []
    found = [PipelineAccount.from_json(one) for one in json.loads(file.read_text("utf-8"))]
    if not found:
        return []
    last = found[-1]
    chart = svg(timeline_of(len(last.stages), last.spans))
    caption = f"The first micro-batches of epoch {last.epoch}, as measured"
    return [
        ("Pipeline", table(_whole(found)) + table(_stages(last), _HEAD)),
        ("Who worked when", f"<figure>{chart}<figcaption>{caption}</figcaption></figure>"),
    ]


def totals(folder: Path, run: RunFolder) -> dict[str, int]:
    """Of the run's journal and those of its stages on this machine."""
    sums = run.journal.totals()
    for path in sorted(folder.glob("**/stage-*/journal.sqlite")):
        journal = SqliteJournal(path)
        try:
            for key, value in journal.totals().items():
                sums[key] += value
        finally:
            journal.close()
    return sums


def stage_usage(folder: Path, run: RunFolder) -> Any:
    """``usage.json`` of the run, with what other processes on this machine kept of their stages."""
    found = _everywhere(folder, run, "usage.json")
    if not found:
        return None
    return {
        "tiles": {name: tile for one in found for name, tile in one["tiles"].items()},
        "clipped": [line for one in found for line in one["clipped"]],
    }


def stage_shifts(folder: Path, run: RunFolder) -> Any:
    """``zero_shift.json``, likewise."""
    found = _everywhere(folder, run, "zero_shift.json")
    return {name: shift for one in found for name, shift in one.items()} or None


def _everywhere(folder: Path, run: RunFolder, name: str) -> list[Any]:
    others: list[Any] = []
    for path in sorted(folder.glob("rank-*/experiment.yaml")):
        other = RunFolder(path.parent)
        try:
            others.append(other.read_json(name))
        finally:
            other.close()
    return [one for one in (run.read_json(name), *others) if one]


_HEAD = (
    "stage",
    "layers",
    "at work",
    "weights up to (updates old)",
    "keeps at most (micro-batches)",
    "forward",
    "backward",
    "update",
    "updates",
    "pulses",
    "vectors read forward, backward",
    "energy of cells: on a chip, on this bench",
)


def _whole(found: Sequence[PipelineAccount]) -> list[tuple[str, str]]:
    from ohmloop.training.pipeline.chart import duration

    last = found[-1]
    clocks = sum(one.clocks for one in found)
    formula = sum(one.predicted_clocks for one in found)
    gain = sum(one.serial_seconds for one in found) / sum(one.seconds for one in found)
    return [
        ("schedule", last.schedule),
        ("clocks", f"{clocks}; formula: {formula}"),
        ("busy clocks", f"{100 * last.density:.1f} % of all stages'"),
        ("last epoch", f"{duration(last.seconds)}; predicted: {duration(last.predicted_seconds)}"),
        ("waiting", f"{100 * last.bubble:.1f} % of all stages' time"),
        ("against one stage at a time", f"{gain:.2f} times as fast, from the same passes"),
        ("pulses, last epoch", str(sum(stage.pulses for stage in last.stages))),
        ("energy of all cells, on a chip", _energy(found, "chip_joules")),
        ("energy of all cells, on this bench", _energy(found, "bench_joules")),
    ]


def _energy(found: Sequence[PipelineAccount], kind: str) -> str:
    epochs = [sum(getattr(stage, kind) for stage in one.stages) for one in found]
    return f"{with_unit(sum(epochs), 'J')}; last epoch: {with_unit(epochs[-1], 'J')}"


def _stages(last: PipelineAccount) -> list[tuple[str, ...]]:
    from ohmloop.training.pipeline.chart import duration

    return [
        (
            stage.name,
            ", ".join(stage.layers),
            f"{100 * stage.utilisation:.0f} %",
            f"{stage.staleness}; schedule: {stage.predicted_staleness}",
            str(stage.in_flight),
            duration(stage.forward),
            duration(stage.backward),
            duration(stage.update),
            str(stage.updates),
            str(stage.pulses),
            f"{stage.forward_vectors}, {stage.backward_vectors}",
            f"{with_unit(stage.chip_joules, 'J')}, {with_unit(stage.bench_joules, 'J')}",
        )
        for stage in last.stages
    ]
