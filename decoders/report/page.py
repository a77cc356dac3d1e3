"""The report as one self-contained HTML page: every figure with its numbers as a table."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from decoders.data.label_places import LabelPlaces
from decoders.evaluation.evaluate import Evaluation
from decoders.report import plots
from decoders.report.accuracy_curves import Curve
from decoders.report.html import STYLE, format_number, json_ready, section, table
from decoders.report.model_section import model_section
from decoders.report.plot_values import PageData, page_data
from decoders.report.plots import decoder_blocks, display_name, label_blocks

PROVENANCE = (
    "Decoded pictures are <b>retrieved, not generated</b>: the decoder selects a frame number, and the picture shown is "
    "that frame of the training movie. A picture that is not in the training movie can never be shown. Picture "
    "correlations (pixcorr) compare the selected frame with the true one."
)
WITHIN, EXACT = "within 1 s", "exactly"
"""How a sample must be decoded to count as correct: for a movie, and for frames that are not a movie."""

SCORES = {
    "accuracy_within_1s": WITHIN,
    "accuracy_exact": "exact",
    "median_frame_error": "median error, frames",
    "mean_frame_error": "mean error",
    "log_score_bits": "log score, bits",
    "ece": "calibration error",
}


def html_page(evaluation: Evaluation, *, title: str, budget_s: float = 20.0, seed: int = 0) -> str:
    """Return the report of an evaluation as an HTML page.

    Parameters
    ----------
    evaluation
        From `decoders.evaluation.evaluate.run_evaluation` or `run_cross_validation`.
    title
        Title of the page, such as the names of model and recording.
    budget_s
        Time budget in seconds for each of the two accuracy curves.
    seed
        Random seed of the draws of units.
    """
    report = evaluation.report
    data = page_data(evaluation, budget_s=budget_s, seed=seed)
    rate = evaluation.model.movie_rate_hz
    criterion = WITHIN if evaluation.model.tolerance_frames > 0 else EXACT
    sections = [
        _verdict(report, criterion),
        _scores(report, criterion),
        _by_repeat(report, criterion),
        _confusion(data, rate, criterion),
        _calibration(report, data, criterion),
        _forecast(report),
        _labels(report),
        _accuracy_curves(report, data, criterion),
        _embedding(report, data, rate),
        model_section(evaluation),
        f"<section><h2>What the pictures are</h2><p>{PROVENANCE}</p></section>",
    ]
    places = evaluation.model.states.places
    if places is not None:
        sections = _with_places(sections[:-1], places)
    numbers = json.dumps(json_ready(report)).replace("<", "\\u003c")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - NeuroReel report</title><style>{STYLE}</style></head><body><main>\n"
        f"<h1>{escape(title)}</h1>\n" + "\n".join(part for part in sections if part) + "\n</main>"
        f'<script type="application/json" id="report">{numbers}</script></body></html>'
    )


def _with_places(sections: list[str], places: LabelPlaces) -> list[str]:
    """Return the sections in terms of places instead of frames, with what the places are."""
    kind = "values" if places.discrete else "clusters of the values"
    what = (
        f"The recording has no stimulus. The model decodes {len(places.centres)} places: {kind} of the label "
        f"{escape(places.label)} in the training data. A sample is at the place that is nearest to its label."
    )
    worded = [re.sub(r"\b(?:movie )?frame(s?)\b", r"place\1", section) for section in sections]
    return [worded[0], f"<p>{what}</p>", *worded[1:]]


def _verdict(report: Mapping[str, Any], criterion: str) -> str:
    without, with_playback = report["without_playback"], report["with_playback"]
    null = report["controls"].get("labels_shifted")
    css_class = {"above chance": "", "at chance": " chance"}.get(report["verdict"], " untested")
    if null is None:
        comparison = "Chance was not measured, because refits on shifted labels were disabled."
    else:
        null = null["without_playback"]
        comparison = (
            f"Without the playback model, {_percent(without['accuracy_within_1s'])} of the samples are decoded "
            f"{criterion}; {null['draws']} refits on shifted labels reach {_percent(null['p95'])} (95th percentile)."
        )
    return (
        f'<p class="verdict{css_class}"><b>Verdict: {escape(report["verdict"])}.</b> {comparison} With the playback '
        f"model: {_percent(with_playback['accuracy_within_1s'])}. {report['n_moments']:,} samples.</p>"
    )


def _scores(report: Mapping[str, Any], criterion: str) -> str:
    decoders: list[list[Any]] = []
    controls: list[list[Any]] = []
    for name, block in {**decoder_blocks(report), **report["controls"]}.items():
        for part, label in (("with_playback", "with"), ("without_playback", "without")):
            scores = block[part]
            row = [display_name(name), label, *(scores.get(score) for score in SCORES)]
            row.append(scores.get("null_p95", scores.get("p95")))
            (controls if name in report["controls"] else decoders).append(row)
            if "mean" in scores:
                row[2] = scores["mean"]
    order = ""
    if report["order"]:
        shuffled, added = report["order"]["alone_shuffled"], report["order"]["added"]
        order = (
            f" With the scenes shuffled, {_percent(shuffled['accuracy_within_1s'])} are decoded {criterion} without the "
            f"playback model: the order of play adds {100 * added['accuracy_within_1s']:+.1f} percentage points and "
            f"{added['log_score_bits']:+.2f} bits."
        )
    definition = {
        WITHIN: "A prediction counts as correct within one second of movie time in the same clip.",
        EXACT: "The frames are not a movie, so only the exact frame counts as correct.",
    }
    linear = " The model itself is linear." if "linear" not in decoder_blocks(report) else ""
    headings = ("", "playback", criterion, *list(SCORES.values())[1:], "null, 95th percentile")
    return section(
        "Scores, baselines and controls",
        f"{definition[criterion]} The playback model uses the order of frames learned in training; without it, each "
        f"sample is decoded from its own window alone.{order} Controls cannot know which frame is shown: their accuracy "
        "is chance. Vertical strokes mark the 95th percentile of a control's null distribution; for shifted labels, "
        "the line runs from the mean to the 95th percentile.",
        plots.headline(report, criterion),
        "Accuracy of the model, its baselines and the controls, with and without the playback model",
        table(headings, [*decoders, *controls], f"The same numbers; for shifted labels, the mean.{linear}"),
    )


def _by_repeat(report: Mapping[str, Any], criterion: str) -> str:
    blocks = decoder_blocks(report)
    unit = "repeat"
    series = {
        name: {part: block[part].get("per_repeat", {}) for part in ("with_playback", "without_playback")}
        for name, block in blocks.items()
    }
    if not series["model"]["with_playback"] and report.get("folds"):
        unit, folds = "fold", report["folds"]
        series = {
            name: {
                part: {str(f["fold"]): (f if name == "model" else f["baselines"][name])[part] for f in folds}
                for part in ("with_playback", "without_playback")
            }
            for name in blocks
        }
    refits = ""
    if "rolling" in report:
        refits = f" Refits were trained before each repeat on the last {report['rolling']['n']} repeats."
    numbers = list(series["model"]["with_playback"])
    if not numbers:
        return ""
    rows = [
        [
            display_name(name),
            part.removesuffix("_playback"),
            *(parts[part][number]["accuracy_within_1s"] for number in numbers),
        ]
        for name, parts in series.items()
        for part in parts
    ]
    return section(
        f"By {unit}: representational drift",
        "Activity that drifts away from the training data appears as a slope from left to right." + refits,
        plots.by_repeat(series, _null(report), unit, criterion),
        f"Accuracy by {unit}, for the model and its baselines",
        table(("", "playback", *numbers), rows, f"Share decoded {criterion}, by {unit}"),
    )


def _confusion(data: PageData, rate: float, criterion: str) -> str:
    rows = [
        [f"{part[0]}-{part[1]}", part[2], part[3], part[4], without[3], without[4]]
        for part, without in zip(
            data.confusion["with_playback"].by_part, data.confusion["without_playback"].by_part, strict=True
        )
    ]
    no_stimulus = ", ".join(
        f"{_percent(part.no_stimulus)} {name.removesuffix('_playback')}"
        for name, part in data.confusion.items()
    )
    headings = (
        "true frames",
        "samples",
        f"{criterion}, with",
        "median error, with",
        f"{criterion}, without",
        "median error, without",
    )
    return section(
        "Decoded against true, over movie time" if rate else "Decoded against true frame",
        "Each column is the distribution of decoded frames for one range of true frames. Decoded as no stimulus: "
        f"{no_stimulus} the playback model.",
        plots.confusions(data.confusion, rate),
        "Two-dimensional histograms of decoded against true frame; an accurate decoder stays on the diagonal",
        table(headings, rows, "By tenth of the frames"),
    )


def _calibration(report: Mapping[str, Any], data: PageData, criterion: str) -> str:
    parts = list(data.reliability.values())
    n_bins = len(parts[0].moments)
    rows = [
        [f"{i / n_bins:.1f}-{(i + 1) / n_bins:.1f}"]
        + [x for part in parts for x in (int(part.moments[i]), part.confidence[i], part.accuracy[i])]
        for i in range(n_bins)
    ]
    headings = (
        "bin",
        *(f"{x}, {p}" for p in ("with", "without") for x in ("samples", "confidence", criterion)),
    )
    return section(
        "Calibration: confidence against accuracy",
        f"Expected calibration error {format_number(report['with_playback']['ece'])} with the playback model, "
        f"{format_number(report['without_playback']['ece'])} without.",
        plots.reliabilities(data.reliability, criterion),
        "Accuracy against confidence, and how often each confidence occurs",
        table(headings, rows, "By confidence"),
    )


def _forecast(report: Mapping[str, Any]) -> str:
    if not report["forecast"]:
        return ""
    scores = ("log_score_bits", "median_frame_error", "pixcorr")
    rows = [
        [f"+{horizon} s", name, *(block.get(score) for score in scores)]
        for horizon, forecast in report["forecast"].items()
        for name, block in (
            ("forecast", forecast),
            ("advance", forecast["advance"]),
            ("persistence", forecast["persistence"]),
        )
    ]
    return section(
        "Forecast",
        "Persistence holds the present prediction; advance shifts it along the movie by the horizon. Both are mixed "
        "with a uniform distribution, weighted as was best in training. Samples followed by a blank are left out.",
        plots.forecasts(report),
        "Scores of the forecast by horizon, compared with persistence and advance",
        table(("horizon", "", "log score, bits", "median error, frames", "pixcorr"), rows, "By horizon"),
    )


def _labels(report: Mapping[str, Any]) -> str:
    if not report["continuous"]:
        return ""
    rows = [
        [label, display_name(name), *(block[score] for score in ("median_error", "mean_error", "r2"))]
        for label, scores in report["continuous"].items()
        for name, block in label_blocks(scores).items()
    ]
    nulls = [s["controls"]["null_p05"] for s in report["continuous"].values() if "controls" in s]
    chance = ", ".join(map(format_number, nulls))
    if nulls:
        chance = (
            f" Estimates shifted against the truth have a median error of {chance} or more (5th percentile)."
        )
    return section(
        "Continuous labels",
        "Distance from the truth in the label's own unit, compared with simpler decoders and with the label's median. "
        f"Ridge and nearest-neighbour regression choose their own window on held-out training data.{chance}",
        plots.labels(report),
        "Median error of every continuous label, for the model and its baselines",
        table(("label", "", "median error", "mean error", "r2"), rows, "By label"),
    )


def _accuracy_curves(report: Mapping[str, Any], data: PageData, criterion: str) -> str:
    curves = [curve for curve in data.accuracy_curves if curve.scores]
    if not curves:
        return ""
    tables = "".join(_curve_table(curve, criterion) for curve in curves)
    cut = ""
    if not all(curve.complete for curve in data.accuracy_curves):
        cut = " The time budget ended before all refits were done."
    return section(
        "By number of units and by window",
        "Decoders refitted on randomly drawn units, or with another causal window, without the playback model; "
        f"shrinkage stays as selected for all units. Bands span the worst to the best draw.{cut}",
        plots.accuracy_curves(curves, _null(report), criterion),
        "Accuracy by number of units, and by length of the window",
        tables,
    )


def _curve_table(curve: Curve, criterion: str) -> str:
    values = list(next(iter(curve.scores.values())))
    rows: list[list[Any]] = []
    for name, scores in curve.scores.items():
        rows.append([display_name(name), *(float(np.mean(scores[value])) for value in values)])
        if max(len(draws) for draws in scores.values()) > 1:
            ranges = (f"{min(scores[v]):.3f} to {max(scores[v]):.3f}" for v in values)
            rows.append(["worst to best draw", *ranges])
    headings = (curve.variable, *(f"{value:.3g}" for value in values))
    return table(headings, rows, f"Share decoded {criterion}, by {curve.variable}")


def _embedding(report: Mapping[str, Any], data: PageData, rate: float) -> str:
    if data.points is None:
        return ""
    rows = [[f"axis {axis}", value] for axis, value in enumerate(data.points.autocorrelation, 1)]
    consistency = report.get("agreement")
    return section(
        "The embedding",
        "Test samples along the three slowest axes of the embedding, as a running mean over half a second. Its "
        "dimensions have no units.",
        plots.embedding(data.points, rate),
        "Points of the embedding, coloured by movie time",
        table(("", "correlation"), rows, "Autocorrelation after half a second")
        + (_consistency(consistency) if consistency else ""),
    )


def _consistency(consistency: Mapping[str, Any]) -> str:
    """Return a table of how well the embeddings of several models predict each other linearly."""
    rows = [[name, *values] for name, values in zip(consistency["models"], consistency["r2"], strict=True)]
    chance = format_number(consistency["chance"])
    caption = f"R2 of a linear map from the row's model to the column's; chance {chance}"
    return table(("", *consistency["models"]), rows, caption)


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _null(report: Mapping[str, Any]) -> float | None:
    null = report["controls"].get("labels_shifted")
    return None if null is None else float(null["without_playback"]["p95"])
