"""The report of a chip: a section a file, each left out where the chip file has no data for it."""

from .headline import verdict
from .html import figure, page, paragraph, table
from .report import chip_report, file_report, routines_report

__all__ = [
    "chip_report",
    "figure",
    "file_report",
    "page",
    "paragraph",
    "routines_report",
    "table",
    "verdict",
]
