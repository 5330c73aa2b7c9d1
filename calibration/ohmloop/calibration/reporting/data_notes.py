"""What a person should know of the data before believing the fit: what was dropped or not said."""

from __future__ import annotations

from .html import items
from .source import Source


def section(source: Source) -> str:
    """Notes of the import or the measurement; nothing where there are none."""
    attrs, lines = source.chip.attrs, []
    lines += [note for note in str(attrs.get("notes", "")).split("; ") if note]
    if unknown := str(attrs.get("conditions_unknown", "")).split():
        lines.append(f"not known, nominal figures stand in: {', '.join(unknown)}")
    if "scale_factor_S" in attrs:
        lines.append(
            f"the table's values are (conductance - {attrs['scale_offset_S']:.6g} S) /"
            f" {attrs['scale_factor_S']:.6g} S; {attrs.get('raw_provenance_column', 'they')}"
            " had no unit"
        )
    return items(lines) if lines else ""
