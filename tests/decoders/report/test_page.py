"""The HTML page of a report."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from decoders.evaluation.evaluate import Evaluation
from decoders.model.model import Model
from decoders.report.page import html_page


class Page(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data.strip())

    def images(self) -> list[str]:
        sources = [attributes["src"] or "" for tag, attributes in self.tags if tag == "img"]
        return [
            base64.b64decode(source.removeprefix("data:image/svg+xml;base64,")).decode() for source in sources
        ]


@pytest.fixture(scope="module")
def html(evaluation: Evaluation) -> str:
    return html_page(evaluation, title="model on <recording>", budget_s=5)


def test_the_page_has_every_section(html: str) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", html)
    for words in (
        "Scores, baselines and controls",
        "By repeat",
        "Decoded against true",
        "Calibration",
        "Forecast",
        "Continuous labels",
        "By number of units and by window",
        "The embedding",
        "The model and its training",
        "What the pictures are",
    ):
        assert any(heading.startswith(words) for heading in headings), words
    assert "retrieved, not generated" in html
    assert "Verdict: above chance" in html
    assert "model on &lt;recording&gt;" in html


def test_the_page_is_self_contained(html: str) -> None:
    page = Page(html)
    assert not re.search(
        r"https?://|//[a-z]|@import|url\(", html.partition("<body>")[2].partition("<script")[0]
    )
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed"}
        assert "href" not in attributes
        if "src" in attributes:
            assert str(attributes["src"]).startswith("data:image/svg+xml;base64,")
            assert "in the table below" in str(attributes["alt"])
    assert len(page.images()) == 8
    for svg in page.images():
        assert "<svg" in svg
        references = re.findall(r'(?:href|src)="([^"]*)"', svg)
        assert all(reference.startswith(("#", "data:image/png;base64,")) for reference in references)
        outside = set(re.findall(r"https?://[^\"'\s]*", svg))
        assert outside <= {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
            "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd",
        }


def test_the_tables_hold_the_numbers_of_the_report(html: str, evaluation: Evaluation, model: Model) -> None:
    report = evaluation.report
    inside = re.search(r'<script type="application/json" id="report">(.*?)</script>', html)
    assert inside is not None
    assert json.loads(inside[1])["with_playback"] == json.loads(json.dumps(report["with_playback"]))
    cells = set(Page(html).text)
    for block in (report, *report["baselines"].values(), report["controls"]["counter"]):
        for part in ("with_playback", "without_playback"):
            for score in ("accuracy_within_1s", "accuracy_exact", "ece"):
                assert f"{block[part][score]:.3f}" in cells
    assert f"{report['forecast']['1.0']['advance']['log_score_bits']:.3f}" in cells
    assert f"{report['continuous']['position']['median_error']:.3f}" in cells
    assert model.hash in html
    assert model.card["trained_on"]["sha256"] in html
    assert "unit-3" in html  # a flat channel, left out


@pytest.mark.slow
def test_refits_and_the_consistency_of_models_are_shown(evaluation: Evaluation, model: Model) -> None:
    report = evaluation.report
    rolling = {
        "n": 3,
        **{part: report["baselines"]["knn"][part] for part in ("with_playback", "without_playback")},
    }
    consistency = {
        "models": [model.hash, "other"],
        "r2": [[1.0, 0.5], [0.25, 1.0]],
        "mean": 0.375,
        "chance": 0.125,
    }
    extended = replace(evaluation, report={**report, "rolling": rolling, "agreement": consistency})
    html = html_page(extended, title="rolling", budget_s=0)
    assert html.count("refitted model") == 4
    assert "on the last 3 repeats" in html
    assert "R2 of a linear map" in html
    assert "chance 0.125" in html


@pytest.mark.slow
def test_a_cross_validation_of_places_is_shown_by_fold(places_evaluation: Evaluation) -> None:
    report = {**places_evaluation.report, "controls": {}, "verdict": "not tested"}
    html = html_page(replace(places_evaluation, report=report), title="places")
    assert "By fold" in html
    assert "Chance was not measured" in html
    assert "By number of units" not in html  # each fold has another model
    assert "Share decoded exactly" in html
    assert "within 1 s" not in html.partition("<script")[0]
