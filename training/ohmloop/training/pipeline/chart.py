"""A schedule or a timeline as a chart: in letters, or as an SVG drawing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .schedule import Kind, Schedule
from .timeline import Timeline

COLOURS: dict[Kind, str] = {"forward": "#0072B2", "backward": "#E69F00", "update": "#D55E00"}
"""Okabe and Ito's, safe for all eyes."""

_ROW, _LEFT, _TOP, _FOOT = 24, 64, 8, 40  # pixels


def text(schedule: Schedule, clocks: int = 40) -> str:
    """A line a stage, a column a clock: ``F3`` is the forward pass of micro-batch 3.

    A star is an update. Micro-batches are counted from 1.

    Args:
        schedule: what to draw.
        clocks: at most so many.
    """
    shown = min(clocks, schedule.clocks)
    width = len(str(schedule.micro_batches)) + 2
    cells = [["." for _ in range(shown)] for _ in range(schedule.stages)]
    for clock, stage, kind, micro_batch in schedule.actions:
        if clock >= shown:
            continue
        if kind == "update":
            cells[stage][clock] = cells[stage][clock].removeprefix(".") + "*"
        else:
            cells[stage][clock] = f"{kind[0].upper()}{micro_batch + 1}"
    lines = [
        f"stage {m + 1} |" + " ".join(cell.ljust(width) for cell in row).rstrip()
        for m, row in enumerate(cells)
    ]
    if shown < schedule.clocks:
        lines.append(f"... {schedule.clocks - shown} clocks more")
    return "\n".join(lines)


def svg(timeline: Timeline, names: Sequence[str] | None = None, until: float | None = None) -> str:
    """A Gantt chart: a row a stage, time to the right.

    Args:
        timeline: measured or predicted.
        names: of the stages.
        until: draw what starts before this, s; all if None.
    """
    end = min(timeline.duration, until or timeline.duration) or 1.0
    spans = [span for span in timeline.spans if span.start < end]
    width, height = 860, _TOP + _ROW * timeline.stages + _FOOT
    scale = (width - _LEFT - 8) / end
    shapes = [
        f'<rect x="{_LEFT + s.start * scale:.2f}" y="{_TOP + s.stage * _ROW + 3}"'
        f' width="{max((min(s.end, end) - s.start) * scale, 0.4):.2f}" height="{_ROW - 6}"'
        f' fill="{COLOURS[s.kind]}"><title>{s.kind} {s.micro_batch + 1}:'
        f" {duration(s.end - s.start)}</title></rect>"
        for s in spans
    ]
    labels = [
        f'<text x="{_LEFT - 6}" y="{_TOP + m * _ROW + 16}" text-anchor="end">'
        f"{escape(names[m] if names else f'stage {m + 1}')}</text>"
        for m in range(timeline.stages)
    ]
    foot = _TOP + _ROW * timeline.stages
    ticks = [
        f'<text x="{_LEFT + t * end / 4 * scale:.1f}" y="{foot + 14}"'
        f' text-anchor="middle">{duration(t * end / 4)}</text>'
        for t in range(5)
    ]
    keys = [
        f'<rect x="{_LEFT + 90 * n}" y="{foot + 22}" width="12" height="12" fill="{colour}"/>'
        f'<text x="{_LEFT + 90 * n + 16}" y="{foot + 32}">{kind}</text>'
        for n, (kind, colour) in enumerate(COLOURS.items())
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="11" role="img">'
        + "".join(shapes + labels + ticks + keys)
        + "</svg>"
    )


def duration(seconds: float) -> str:
    """Seconds in a handy unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
