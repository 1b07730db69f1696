"""The page of a report: one file that loads nothing, whatever strings the database has."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.report.page import PipelineReport, html
from anomaly.report.read import ReportedSeries
from tests.unit.anomaly.report.made import overview, period, pipeline, report

NASTY = [
    "<script>alert(1)</script>",
    "</style></title><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)' '",
    "&amp;&#60;&lt;",
    "]]><!--",
    "a\x00b\x1b[2J\x7f\u202e\ud800\ufffe",
    "=cmd|' /C calc'!A0",
    "x" * 5_000,
    "日本語 🙂",
]
# What a page of ours is made of; a string that broke out would add others.
ELEMENTS = set(
    "html head meta title style body main section h1 h2 h3 h4 p span div figure figcaption table caption tr th td svg "
    "line polyline polygon rect text code footer".split()
)
ATTRIBUTES = set(
    "lang charset name content class id tabindex scope viewBox role aria-label x y x1 x2 y1 y2 width height points "
    "text-anchor".split()
)


def parsed(page: str) -> ElementTree.Element:
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))  # noqa: S314 - the page is ours


def nasty_report(text: str) -> PipelineReport:
    # What a specification takes as a name.
    name = "".join(each for each in text if " " <= each <= "~")[:60]
    fields = [{"name": f"f{name}f", "unit": "°C<b>'"}]
    of = overview(
        period((text,), reason=text, text=f"anomalous; at {text}"),
        of=pipeline(fields=fields),
        worst_series=(ReportedSeries((text,), 97.5),),
    )
    return report(of, steps=4)


@pytest.mark.parametrize("text", NASTY)
def test_no_string_of_the_database_breaks_out(text: str) -> None:
    root = parsed(html([nasty_report(text)], ["report.png"]))

    assert {element.tag for element in root.iter()} <= ELEMENTS
    assert {name for element in root.iter() for name in element.attrib} <= ATTRIBUTES


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_a_page_is_well_formed_whatever_a_tag_is(text: str) -> None:
    root = parsed(html([nasty_report(text)], []))

    assert {element.tag for element in root.iter()} <= ELEMENTS
    assert {name for element in root.iter() for name in element.attrib} <= ATTRIBUTES


def test_a_page_loads_nothing() -> None:
    page = html([report(overview(period()))], ["report.png"])

    assert not re.search(r"https?://|url\(|@import|<script|<link|<img|\bsrc=|\bhref=", page)


def test_a_page_can_be_read_without_eyes_and_at_night() -> None:
    page = html([report(overview(period()))], [])
    root = parsed(page)

    assert root.get("lang") == "en"
    assert (len(root.findall("head/title")), len(root.findall("body/h1")), len(root.findall("body/main"))) == (1, 1, 1)
    assert all(picture.get("role") == "img" and picture.get("aria-label") for picture in root.iter("svg"))
    assert all(table.find("caption") is not None for table in root.iter("table"))
    assert all(cell.get("scope") == "col" for cell in root.iter("th"))
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_the_picture_of_a_series_says_what_it_shows() -> None:
    page = html([report(overview(period()))], [])

    said = [picture.get("aria-label", "") for picture in parsed(page).iter("svg")]
    assert any("printer=p1" in text and "bed, air" in text and "1 anomalous period" in text for text in said)


def test_rows_that_are_left_out_are_counted() -> None:
    periods = [period(at_s=60 * number) for number in range(230)]
    page = html([report(overview(*periods))], [])

    assert page.count("<td>2026-01-01T") == 2 * 200
    assert "30 more periods: the CSV has them." in page


def test_several_pipelines_have_a_table_and_a_heading_each() -> None:
    second = overview(of=pipeline(name="second"), worst=12.0)
    root = parsed(html([report(overview(period())), report(second)], []))

    assert [heading.text for heading in root.iter("h2")] == ["printer", "second"]
    table = next(root.iter("table"))
    assert [row[0].text for row in table.findall("tr")[1:]] == ["printer", "second"]
