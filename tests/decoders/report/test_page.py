from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from decoders.evaluation.evaluate import EvaluateOptions, Evaluation, run_cross_validation, run_evaluation
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from decoders.report.accuracy_curves import accuracy_curves
from decoders.report.page import html_page
from decoders.report.plot_values import confusion, reliability, slow_axes
from stream.session import Session
from tests.decoders.conftest import places_session


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
def scored(model: Model, watched: Session) -> Evaluation:
    return run_evaluation(model, watched, EvaluateOptions(repeats=(5, 6)))


@pytest.fixture(scope="module")
def html(scored: Evaluation) -> str:
    return html_page(scored, title="model on <recording>", budget_s=5)


def test_every_section_is_there(html: str) -> None:
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


def test_the_page_needs_nothing_else(html: str) -> None:
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


def test_the_numbers_are_those_of_the_report(html: str, scored: Evaluation, model: Model) -> None:
    report = scored.report
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
    assert "unit-3" in html  # left out, being flat


def test_what_is_drawn_agrees_with_the_scores(scored: Evaluation, model: Model) -> None:
    posterior = scored.predictions.decoders["model"][1]
    report = scored.report["without_playback"]
    part = reliability(posterior, scored.predictions, model.axis)
    full = part.moments > 0
    gap = np.abs(part.confidence - part.accuracy)[full]
    assert np.average(gap, weights=part.moments[full]) == pytest.approx(report["ece"])
    drawn = confusion(posterior, scored.predictions, model.axis)
    moments = np.array([row[2] for row in drawn.by_part])
    within = np.array([row[3] for row in drawn.by_part])
    assert moments.sum() == scored.report["n_moments"]
    assert np.average(within, weights=moments) == pytest.approx(report["accuracy_within_1s"])
    assert np.nanmax(drawn.share) <= 1


def test_refits_with_all_units_are_the_model(scored: Evaluation, model: Model) -> None:
    by_units, by_window = accuracy_curves(model, scored.predictions.test, budget_s=20, seed=0)
    assert by_units.complete
    n_used = model.parts.preprocessor.n_used
    own = round(model.card["context_ms"] / 1000, 4)
    alone = scored.report["without_playback"]["accuracy_within_1s"]
    assert by_units.scores["model"][n_used] == pytest.approx([alone], abs=0.02)
    assert by_window.scores["model"][own] == pytest.approx([alone], abs=0.02)
    again, _ = accuracy_curves(model, scored.predictions.test, budget_s=20, seed=0)
    assert again.scores == by_units.scores
    assert by_units.scores["model"][1][0] < alone
    cut, _ = accuracy_curves(model, scored.predictions.test, budget_s=0, seed=0)
    assert not cut.complete


def test_refits_stand_beside_the_model(scored: Evaluation) -> None:
    fixed = scored.report
    rolling = {
        "n": 3,
        **{part: fixed["baselines"]["knn"][part] for part in ("with_playback", "without_playback")},
    }
    with_refits = replace(scored, report={**fixed, "rolling": rolling})
    html = html_page(with_refits, title="rolling", budget_s=0)
    assert html.count("refitted model") == 4
    assert "on the last 3" in html


@pytest.mark.slow
def test_what_a_contrastive_model_says_of_itself(scored: Evaluation, model: Model) -> None:
    trained = {
        "steps": 120,
        "positives": "frames",
        "temperature": 0.1,
        "log_score_nats": -1.25,
        "linear_log_score_nats": -1.5,
        "both_log_score_nats": -1.125,
        "infonce_nats": 2.5,
        "infonce_chance_nats": 6.25,
    }
    contrastive = Model(model.parts, {**model.card, "contrastive": trained})
    html = html_page(replace(scored, model=contrastive), title="contrastive", budget_s=0)
    for words in (
        "120 steps",
        "2.500 nats; chance 6.250",
        "both -1.125 nats; frames are decoded from: linear",
    ):
        assert words in html
    assert "InfoNCE" not in html_page(scored, title="linear", budget_s=0)


@pytest.mark.slow
def test_places_and_folds() -> None:
    scored = run_cross_validation(places_session(), "blocks:3", FitOptions(context_s=0.25), draws=0)
    html = html_page(scored, title="places")
    assert "By fold" in html
    assert "Chance was not measured" in html
    assert "By number of units" not in html  # each fold has a model of its own
    assert "Share decoded exactly" in html
    assert "within 1 s" not in html.partition("<script")[0]


def test_an_embedding_that_cannot_be_drawn(scored: Evaluation) -> None:
    assert slow_axes(replace(scored.predictions, embedding=scored.predictions.embedding[:5])) is None
