"""What every routine found: its verdict in words, and its figure."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from ohmloop.calibration.measuring import routine_class, routine_names
from ohmloop.calibration.measuring.routine import Routine
from ohmloop.drivers import BadInputError

from .html import figure, heading, items, paragraph
from .source import Source

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger(__name__)

HEAD = "routines"
"""Path of their groups in a chip file."""


def section(source: Source) -> str:
    """Routines in the order of the registry, then those whose package is not installed here."""
    found, order = source.under(HEAD), routine_names()
    names = [name for name in order if name in found]
    names += [name for name in found if name not in order]
    return "".join(_one(name, found[name]) for name in names)


def _one(name: str, data: xr.Dataset) -> str:
    attrs, body = data.attrs, heading(name.replace("_", " "))
    known, trouble = _class_of(name)
    if known is not None:
        body += paragraph(f"{known.summary()}.")
    if "problem" in attrs:
        return body + paragraph(f"Its data do not allow an analysis: {attrs['problem']}")
    body += paragraph(f"Found: {attrs['verdict']}.") if attrs.get("verdict") else ""
    for key in ("findings", "notes"):
        lines = [line for line in str(attrs.get(key, "")).splitlines() if line]
        body += items(lines) if lines else ""
    if attrs.get("programs_in_doubt"):
        body += paragraph(f"Programs that may not have been applied: {attrs['programs_in_doubt']}.")
    if parameters := _parameters(attrs.get("parameters")):
        body += paragraph(f"Parameters: {parameters}.")
    return body + (paragraph(trouble) if trouble else "") + _drawn(known or Routine, name, data)


def _class_of(name: str) -> tuple[type[Routine] | None, str]:
    try:
        return routine_class(name), ""
    except BadInputError as error:
        return None, f"Its maps are shown as they are: {error}."


def _drawn(known: type[Routine], name: str, data: xr.Dataset) -> str:
    try:
        drawn = known.figure(data)
    except Exception as error:  # of any package; the page is not lost for it
        log.warning("%s: its figure could not be drawn: %s", name, error)
        return paragraph(f"Its figure could not be drawn: {type(error).__name__}: {error}")
    caption = (known.figure.__doc__ or name).strip().splitlines()[0]
    return figure(drawn, caption) if drawn else ""


def _parameters(text: Any) -> str:
    """Those that were set."""
    values = json.loads(str(text)) if text else {}
    shown = {k: v for k, v in values.items() if v is not None}
    return ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in shown.items())
