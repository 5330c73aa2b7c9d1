from __future__ import annotations

import zipfile

import numpy as np
import pytest
from benchmarks.devices.spreadsheet import read_column

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINK = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def cells(*values):
    return "".join(f'<c r="{at}"{kind}><v>{value}</v></c>' for at, kind, value in values)


@pytest.fixture
def book(tmp_path):
    """Two sheets, of which the second is stored under the first one's usual name."""
    path = tmp_path / "book.xlsx"
    sheets = {
        "sheet1": cells(("A1", "", 7), ("AB1", "", 8)),
        "sheet2": cells(
            ("A1", ' t="s"', 0), ("A2", "", -1.5), ("B2", "", 9), ("A3", ' t="n"', "2e-6")
        )
        + '<c r="A4"/>',
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, inside in sheets.items():
            text = f'<worksheet xmlns="{MAIN}"><sheetData>{inside}</sheetData></worksheet>'
            archive.writestr(f"xl/worksheets/{name}.xml", text)
        order = "".join(f'<sheet name="s{i}" r:id="r{i}"/>' for i in (2, 1))
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{MAIN}" xmlns:r="{LINK}"><sheets>{order}</sheets></workbook>',
        )
        links = (
            '<Relationship Id="r1" Target="worksheets/sheet1.xml"/>'
            '<Relationship Id="r2" Target="/xl/worksheets/sheet2.xml"/>'
        )
        archive.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{links}</Relationships>")
    return path


def test_numbers_of_a_column_are_read_and_text_is_left_out(book):
    np.testing.assert_array_equal(read_column(book, 0, "A"), [-1.5, 2e-6])
    np.testing.assert_array_equal(read_column(book, 0, "B"), [9])


def test_sheets_count_as_the_book_orders_them(book):
    np.testing.assert_array_equal(read_column(book, 1, "A"), [7])
    np.testing.assert_array_equal(read_column(book, 1, "AB"), [8])
    with pytest.raises(IndexError):
        read_column(book, 2, "A")
