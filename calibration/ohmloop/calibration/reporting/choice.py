"""Why this response function, and whether it describes the cells."""

from __future__ import annotations

import json
from typing import Any

from .html import paragraph, table
from .source import Source

_HEAD = (
    "response function", "parameters a cell", "error (% of range)", "up", "down",
    "error over noise", "log score", "behind the best", "",
)  # fmt: skip


def section(source: Source) -> str:
    """Reason, misfit, and the scores of all that were tried; each where the file has it."""
    attrs, body = source.chip.attrs, ""
    if "choice" in attrs:
        body += paragraph(f"Held-out blocks: {str(attrs['choice']).rstrip('.')}.")
    if "misfit_verdict" in attrs:
        body += paragraph(f"Verdict: {str(attrs['misfit_verdict']).rstrip('.')}.")
    if "fit_verdict" in attrs:  # of a table
        body += paragraph(f"{str(attrs['fit_verdict']).rstrip('.')}.")
    if kept := attrs.get("choice_scores", attrs.get("fit_scores")):
        scores = [_row(s) for s in json.loads(str(kept))]
        body += table(scores, _HEAD) + paragraph(
            "Errors are of readings that were held out, forecast from those before; the simplest"
            " of all within one standard error (in brackets) of the best is chosen. Where sequences"
            " were repeated, the verdict is of those, against how well the chip repeats itself; it"
            " counts where it and the held-out blocks say different things."
        )
    return body


def _row(score: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(score.get("name", score["family"])),
        str(score["parameters"]),
        *(f"{100 * score[key]:.2f}" for key in ("rmse", "rmse_up", "rmse_down")),
        f"{score['over_noise']:.2f}",
        f"{score['log_score']:.2f}",
        f"{score['behind']:.2g} ({score['behind_stderr']:.2g})",
        "chosen" if score.get("chosen") else "",
    )
