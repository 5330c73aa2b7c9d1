"""The demo's report: one page that puts chip and twin side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .report import curves
from .run_folder import RunFolder


def write_demo_report(folder: Path, runs: Mapping[str, Path], figures: Mapping[str, Any]) -> Path:
    """Write ``report.html``.

    Args:
        folder: of the demo; holds ``chip.nc``.
        runs: run folders by title.
        figures: what ``ohmloop demo --json`` prints.

    Returns:
        The page's path.
    """
    from ohmloop.calibration.reporting import figure, page, paragraph, table

    histories = {title: _history(path) for title, path in runs.items()}
    sections = [
        ("", paragraph(_summary(figures))),
        ("Accuracy", table(_accuracies(histories), ("run", "held-out accuracy", "pulses", "time"))),
        ("Learning", figure(curves(histories), "Training loss and held-out accuracy of all runs")),
        ("Over the wire", table(_wire(figures))),
        ("The chip", table(_chip(figures))),
        *_links(folder, runs),
    ]
    where = folder / "report.html"
    where.write_text(page("First light: a network on a crossbar chip", sections), encoding="utf-8")
    return where


def _summary(figures: Mapping[str, Any]) -> str:
    accuracy = figures["accuracy"]
    twin, chip = accuracy["twin_analog_sgd"], accuracy["chip_analog_sgd"]
    return (
        f"The same experiment reached {100 * twin:.1f} % on the twin and {100 * chip:.1f} % on the"
        f" chip behind the instruments, {100 * abs(twin - chip):.1f} points apart. Tiki-Taka on the"
        f" twin reached {100 * accuracy['twin_tiki_taka']:.1f} %, a digital network of the same"
        f" shape {100 * accuracy['digital']:.1f} %. The twin's prediction of pulses it was not"
        f" fitted on errs by {figures['calibration']['rmse_over_noise']:.2f} times the chip's own"
        " repeatability; 1 is the best that any model can do."
    )


def _history(path: Path) -> list[dict[str, float]]:
    run = RunFolder(path)
    try:
        return run.history()
    finally:
        run.close()


def _accuracies(histories: Mapping[str, list[dict[str, float]]]) -> list[tuple[str, ...]]:
    return [
        (
            title,
            f"{100 * history[-1]['accuracy']:.1f} %",
            f"{sum(row['pulses'] for row in history):.0f}",
            f"{sum(row['seconds'] for row in history):.1f} s",
        )
        for title, history in histories.items()
    ]


def _wire(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("messages sent", str(figures["messages"])),
        ("pulses sent", str(figures["pulses_sent"])),
        ("pulses that the chip counted", str(figures["pulses_applied"])),
        ("relays moved under voltage", str(figures["hot_switches"])),
        ("time on a real bench would be about", f"{figures['chip_seconds'] / 3600:.1f} h"),
    ]


def _chip(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    c = figures["calibration"]
    return [
        ("usable cells", f"{c['usable']} of {c['cells']}"),
        ("granularity, median", f"{1e6 * c['dg_min_S']:.3g} uS"),
        ("states, median", f"{c['states']:.0f}"),
        ("cycle-to-cycle noise, median", f"{100 * c['dg_std']:.0f} % of a step"),
        ("prediction error over repeatability", f"{c['rmse_over_noise']:.3f}"),
    ]


def _links(folder: Path, runs: Mapping[str, Path]) -> list[tuple[str, str]]:
    from html import escape

    targets = {"calibration of the chip": folder / "chip.html"}
    targets |= {title: path / "report.html" for title, path in runs.items()}
    items = "".join(
        f'<li><a href="{escape(path.relative_to(folder).as_posix())}">{escape(name)}</a></li>'
        for name, path in targets.items()
    )
    return [("More", f"<ul>{items}</ul>")]
