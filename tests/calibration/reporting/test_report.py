from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import pytest

from ohmloop.calibration import chip_report, page, paragraph, table, verdict

VOID = {"meta", "img", "br", "link"}


class Tags(HTMLParser):
    """Every tag is closed, in order; collects attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.names = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def report(record):
    evil = record.assign_attrs(raw_provenance_smu="<script>alert(1)</script>")
    return chip_report(evil)


def test_is_self_contained(report):
    tags = Tags(report)
    assert not {"script", "link", "iframe", "object"} & set(tags.names)
    links = [value for _, name, value in tags.attributes if name in ("src", "href")]
    assert links
    assert all(value.startswith("data:image/png;base64,") for value in links)
    assert not re.search(r"url\(|@import|https?://", report.split("</style>")[0])


def test_holds_figures(report):
    images = re.findall(r'base64,([^"]+)"', report)
    assert len(images) == 8
    assert all(base64.b64decode(i).startswith(b"\x89PNG") for i in images)
    assert len(report) < 4e6


def test_says_the_figures_in_words(report, record):
    text = re.sub(r"<[^>]+>", " ", report)
    assert f"{record.attrs['rmse_over_noise']:.3f}" in text
    assert "576 of 576" in text
    assert "as well as the chip repeats itself" in text
    assert "test chip" in text


def test_text_is_escaped(report):
    assert "<script>" not in report
    assert "&lt;script&gt;" in report


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(1.05, "about as well"), (1.4, "with care"), (2.5, "does not describe")],
)
def test_verdict_follows_the_figure(record, ratio, words):
    assert words in verdict(record.assign_attrs(rmse_over_noise=ratio))


@pytest.mark.usefixtures("unrendered")
def test_dead_cells_are_named(dead_record):
    text = re.sub(r"(<[^>]+>)+", "|", chip_report(dead_record))
    assert "141 of 144" in text
    assert "open|1|0|hardly conducts" in text
    assert "stuck high|1|0|does not respond, and conducts as much as sound cells" in text


def test_page_escapes_and_closes():
    text = page("a <b>", [("<i>", paragraph("1 < 2 & 3")), ("", table([("<x>", "&")], ("<h>",)))])
    Tags(text)
    assert "<i>" not in text
    assert "1 &lt; 2 &amp; 3" in text
    assert "&lt;h&gt;" in text
