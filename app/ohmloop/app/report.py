"""``ohmloop report``: one self-contained page on a run or on a chip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohmloop.drivers import BadInputError

from .bookkeeper import COST_HEADER, cost_rows, percent
from .console import Screen
from .experiments import Experiment, load_experiment
from .run_folder import RunFolder
from .symmetric_point import SHIFT_HEADER, shift_rows
from .theory.study_file import is_study, write_study_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

History = Sequence[Mapping[str, float]]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#777777")
"""Okabe and Ito's, safe for all eyes; grey for the yardstick."""


def report(subject: Path, output: Path | None, screen: Screen) -> dict[str, Any]:
    """Write the report of a run folder, or of a calibration file.

    Raises:
        BadInputError: it is neither.
    """
    if subject.is_dir() and is_study(subject / "experiment.yaml"):
        page = write_study_report(subject, output)
    elif subject.is_dir():
        page = write_run_report(subject, output)
    elif subject.suffix == ".nc" and subject.exists():
        page = _write_chip_report(subject, output)
    else:
        raise BadInputError(f"{subject}: neither a run folder nor a calibration file (.nc)")
    screen.say(f"report: {page}")
    return {"report": str(page)}


def write_run_report(folder: Path, output: Path | None = None) -> Path:
    """Write ``report.html`` of a run; returns where.

    Raises:
        BadInputError: not a run folder, or no epoch was finished.
    """
    from ohmloop.calibration.reporting import figure, page, table

    from .pipeline_report import pipeline_sections, stage_shifts, stage_usage, totals

    run = RunFolder(folder)
    try:
        experiment, history = load_experiment(folder / "experiment.yaml"), run.history()
        journal = totals(folder, run)
        usage, confusion = stage_usage(folder, run), run.read_json("confusion.json")
        shifts = stage_shifts(folder, run)
    finally:
        run.close()
    if not history:
        raise BadInputError(f"{folder}: no epoch was finished, there is nothing to report")
    sections = [
        ("", table(_headline(experiment, history, journal))),
        ("Learning", figure(curves({experiment.name: history}), "Loss and held-out accuracy")),
        *pipeline_sections(folder),
        ("Epochs", table(_rows(history), ("epoch", "loss", "accuracy", "pulses", "seconds"))),
        *_cost_sections(usage),
        *_confusion_sections(confusion),
        *_shift_sections(shifts),
        ("Configuration", table(_flat(experiment.model_dump()))),
    ]
    where = output or folder / "report.html"
    where.write_text(page(f"Run: {experiment.name}", sections), encoding="utf-8")
    return where


def curves(runs: Mapping[str, History]) -> Figure:
    """Loss and held-out accuracy against epochs, a line a run."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    with mpl.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        fig = Canvas(figsize=(6.5, 2.6), layout="constrained")
        loss, accuracy = fig.subplots(1, 2)
        for colour, (name, history) in zip(_cycle(len(runs)), runs.items(), strict=True):
            loss.xaxis.get_major_locator().set_params(integer=True)
            accuracy.xaxis.get_major_locator().set_params(integer=True)
            epochs = [row["epoch"] for row in history]
            judged = [row for row in history if not isnan(row["accuracy"])]
            style = {"color": colour, "marker": "o", "markersize": 2.5, "linewidth": 1.0}
            loss.plot(epochs, [row["loss"] for row in history], **style)
            shares = [100 * row["accuracy"] for row in judged]
            accuracy.plot([row["epoch"] for row in judged], shares, label=name, **style)
        loss.set(xlabel="epoch", ylabel="training loss", yscale="log")
        accuracy.set(xlabel="epoch", ylabel="held-out accuracy (%)")
        accuracy.legend(frameon=False, fontsize=7, loc="lower right")
    return fig


def _write_chip_report(file: Path, output: Path | None) -> Path:
    from ohmloop.calibration import file_report

    where = output or file.with_suffix(".html")
    where.write_text(file_report(file), encoding="utf-8")
    return where


def _headline(
    experiment: Experiment, history: History, journal: Mapping[str, int]
) -> list[tuple[str, str]]:
    judged = [row for row in history if not isnan(row["accuracy"])]
    found = [("held-out accuracy", "not evaluated")]
    if judged:
        last, best = judged[-1], max(judged, key=lambda row: row["accuracy"])
        found = [
            ("held-out accuracy", f"{percent(last['accuracy'])} after {last['epoch']:.0f} epochs"),
            ("best", f"{percent(best['accuracy'])} after {best['epoch']:.0f}"),
        ]
    return [
        *found,
        ("algorithm", experiment.algorithm.name),
        ("crossbar", _where(experiment)),
        ("pulses while training", f"{sum(row['pulses'] for row in history):.0f}"),
        ("pulse programs", f"{journal['done']} done, {journal['in_doubt']} in doubt"),
        ("bytes on the wire", f"{sum(row.get('wire_bytes', 0) for row in history):.0f}"),
        ("time", f"{sum(row['seconds'] for row in history):.1f} s"),
    ]


def _where(experiment: Experiment) -> str:
    if experiment.pipeline is not None and experiment.pipeline.benches is not None:
        return ", ".join(experiment.pipeline.benches)
    return ", ".join(experiment.crossbars) or "none: digital"


def _cost_sections(usage: Any) -> list[tuple[str, str]]:
    """What it cost, tile by tile, and which updates were clipped."""
    from ohmloop.calibration.reporting import paragraph, table

    if not usage or not usage["tiles"]:
        return []
    sections = [
        (
            "Estimated cost",
            table(cost_rows(usage["tiles"]), COST_HEADER)
            + paragraph(
                "On a chip a product takes 40 ns and a slot of a train 5 ns; on this bench pulses"
                " and readings take what the bench file says. Energy is that of the cells alone."
            ),
        )
    ]
    if usage["clipped"]:
        sections.append(("Clipped updates", "".join(map(paragraph, usage["clipped"]))))
    return sections


def _confusion_sections(confusion: Any) -> list[tuple[str, str]]:
    from ohmloop.calibration.reporting import table

    if not confusion:
        return []
    header = ("class", *(str(k) for k in range(len(confusion))))
    rows = [(str(k), *map(str, row)) for k, row in enumerate(confusion)]
    return [("Held-out samples of each class (row), taken for (column)", table(rows, header))]


def _shift_sections(shifts: Any) -> list[tuple[str, str]]:
    from ohmloop.calibration.reporting import table

    if not shifts:
        return []
    return [("Symmetric points before training", table(shift_rows(shifts), SHIFT_HEADER))]


def _rows(history: History) -> list[tuple[str, ...]]:
    return [
        (
            f"{row['epoch']:.0f}",
            f"{row['loss']:.4f}",
            "" if isnan(row["accuracy"]) else percent(row["accuracy"]),
            f"{row['pulses']:.0f}",
            f"{row['seconds']:.1f}",
        )
        for row in history
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        rows += _flat(value, f"{name}.") if isinstance(value, Mapping) else [(name, str(value))]
    return rows


def _cycle(count: int) -> list[str]:
    """One colour a run; of several, the first is the yardstick."""
    order = COLOURS if count == 1 else (COLOURS[3], *COLOURS[1:3], COLOURS[0])
    return [order[k % len(order)] for k in range(count)]
