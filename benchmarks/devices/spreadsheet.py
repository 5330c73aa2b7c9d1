"""Numbers of an xlsx file: a zip archive of XML (ECMA-376), of which only values are needed."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def read_column(path: Path, sheet: int, column: str) -> NDArray[np.float64]:
    """Numbers in one column of a sheet, from the top; text is left out.

    Args:
        path: xlsx file.
        sheet: which, counted from 0.
        column: its letters.
    """
    with zipfile.ZipFile(path) as archive:
        root = ElementTree.fromstring(archive.read(_sheet(archive, sheet)))
    found = []
    for cell in root.iter(f"{_MAIN}c"):
        value = cell.find(f"{_MAIN}v")
        where = re.match("[A-Z]+", cell.get("r", ""))
        if where and where[0] == column and value is not None and cell.get("t", "n") == "n":
            found.append(float(value.text or "nan"))
    return np.array(found)


def _sheet(archive: zipfile.ZipFile, number: int) -> str:
    book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    entry = list(book.iter(f"{_MAIN}sheet"))[number]
    return "xl/" + targets[entry.get(_LINK)].removeprefix("/xl/")
