"""A report as one HTML page that needs nothing else: figures inside, and every figure's numbers beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from decoders.evaluation.evaluate import Evaluation
from decoders.report import plots
from decoders.report.accuracy_curves import Curve
from decoders.report.html import STYLE, json_ready, number, section, table
from decoders.report.plot_values import PageData, page_data
from decoders.report.plots import decoder_blocks, display_name

PROVENANCE = (
    "A decoded picture is <b>retrieved, not generated</b>: the decoder chooses a frame number, and the picture shown "
    "for it is that frame of the training movie. What was never in the training movie cannot be shown. Correlations of "
    "pictures (pixcorr) compare the chosen frame with the true one."
)
WITHIN, EXACTLY = "within 1 s", "exactly right"
"""What a right answer is called: of a movie, and of frames that are not one."""

SCORES = {
    "accuracy_within_1s": WITHIN,
    "accuracy_exact": "exact",
    "median_frame_error": "median error, frames",
    "mean_frame_error": "mean error",
    "log_score_bits": "log score, bits",
    "ece": "calibration error",
}


def html_page(evaluation: Evaluation, *, title: str, budget_s: float = 20.0, seed: int = 0) -> str:
    """The page.

    Parameters
    ----------
    evaluation
        From `decoders.evaluation.evaluate.evaluation` or `cross_validation`.
    title
        What was evaluated.
    budget_s
        Seconds for each of the two curves of refits.
    seed
        Of the units that refits leave out.
    """
    report = evaluation.report
    data = page_data(evaluation, budget_s=budget_s, seed=seed)
    rate = evaluation.model.movie_rate_hz
    near = WITHIN if evaluation.model.tolerance_frames > 0 else EXACTLY
    sections = [
        _verdict(report, near),
        _scores(report, near),
        _repeats(report, near),
        _confusion(data, rate, near),
        _calibration(report, data, near),
        _forecast(report),
        _labels(report),
        _refits(report, data, near),
        _embedding(report, data, rate),
        _card(evaluation),
        f"<section><h2>What a picture is</h2><p>{PROVENANCE}</p></section>",
    ]
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


def _verdict(report: Mapping[str, Any], near: str) -> str:
    alone, with_playback = report["without_playback"], report["with_playback"]
    null = report["controls"].get("labels_shifted")
    kind = {"above chance": "", "at chance": " chance"}.get(report["verdict"], " untested")
    if null is None:
        against = "No refits on shifted labels were asked for, so chance was not measured."
    else:
        null = null["without_playback"]
        against = (
            f"Without the playback model {_share(alone['accuracy_within_1s'])} of moments are decoded {near}; "
            f"{null['draws']} refits on shifted labels reach {_share(null['p95'])} (95th percentile)."
        )
    return (
        f'<p class="verdict{kind}"><b>Verdict: {escape(report["verdict"])}.</b> {against} With the playback model: '
        f"{_share(with_playback['accuracy_within_1s'])}. {report['n_moments']:,} moments.</p>"
    )


def _scores(report: Mapping[str, Any], near: str) -> str:
    rows: list[list[Any]] = []
    controls: list[list[Any]] = []
    for name, block in {**decoder_blocks(report), **report["controls"]}.items():
        for part, label in (("with_playback", "with"), ("without_playback", "without")):
            scores = block[part]
            line = [display_name(name), label, *(scores.get(score) for score in SCORES)]
            line.append(scores.get("null_p95", scores.get("p95")))
            (controls if name in report["controls"] else rows).append(line)
            if "mean" in scores:
                line[2] = scores["mean"]
    meaning = {
        WITHIN: "Within one second of movie time, and in the same clip.",
        EXACTLY: "Frames here are not a movie, so that only the very frame counts as right.",
    }
    same = " The model is linear itself." if "linear" not in decoder_blocks(report) else ""
    headings = ("", "playback", near, *list(SCORES.values())[1:], "null, 95th percentile")
    return section(
        "Scores, baselines and controls",
        f"{meaning[near]} The playback model knows how frames followed each other in training; without it each moment "
        "is decoded from its own window alone. Controls cannot know what is shown: what they reach is chance here. "
        "Upright strokes are the 95th percentile of a control's null; of labels shifted, the line runs from mean to "
        "95th percentile.",
        plots.headline(report, near),
        "Accuracy of the model, its baselines and the controls, with and without the playback model",
        table(headings, [*rows, *controls], f"The same numbers; of labels shifted, the mean.{same}"),
    )


def _repeats(report: Mapping[str, Any], near: str) -> str:
    blocks = decoder_blocks(report)
    what = "repeat"
    series = {
        name: {part: block[part].get("per_repeat", {}) for part in ("with_playback", "without_playback")}
        for name, block in blocks.items()
    }
    if not series["model"]["with_playback"] and report.get("folds"):
        what, folds = "fold", report["folds"]
        series = {
            name: {
                part: {str(f["fold"]): (f if name == "model" else f["baselines"][name])[part] for f in folds}
                for part in ("with_playback", "without_playback")
            }
            for name in blocks
        }
    refits = ""
    if "rolling" in report:
        refits = (
            f" The model refitted was trained anew before each showing, on the last {report['rolling']['n']}."
        )
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
        f"By {what}: drift at a glance",
        "A brain that drifts away from the training data shows as a slope from left to right." + refits,
        plots.by_repeat(series, _null(report), what, near),
        f"Accuracy by {what}, for the model and its baselines",
        table(("", "playback", *numbers), rows, f"{near.capitalize()}, by {what}"),
    )


def _confusion(data: PageData, rate: float, near: str) -> str:
    rows = [
        [f"{low[0]}-{low[1]}", low[2], low[3], low[4], alone[3], alone[4]]
        for low, alone in zip(
            data.confusion["with_playback"].by_part, data.confusion["without_playback"].by_part, strict=True
        )
    ]
    unanswered = ", ".join(
        f"{_share(part.unanswered)} {name.removesuffix('_playback')}" for name, part in data.confusion.items()
    )
    headings = (
        "true frames",
        "moments",
        f"{near}, with",
        "median error, with",
        f"{near}, without",
        "median error, without",
    )
    return section(
        "Decoded against true, over movie time" if rate else "Decoded against true frame",
        "Each column is what the moments of one part of the frames were taken for. Answered with no stimulus: "
        f"{unanswered} the playback model.",
        plots.confusions(data.confusion, rate),
        "Two-dimensional histograms of decoded against true frame; a good decoder stays on the diagonal",
        table(headings, rows, "By tenth of the frames"),
    )


def _calibration(report: Mapping[str, Any], data: PageData, near: str) -> str:
    parts = list(data.reliability.values())
    n_bins = len(parts[0].moments)
    rows = [
        [f"{i / n_bins:.1f}-{(i + 1) / n_bins:.1f}"]
        + [x for part in parts for x in (int(part.moments[i]), part.confidence[i], part.accuracy[i])]
        for i in range(n_bins)
    ]
    headings = (
        "bin",
        *(f"{x}, {p}" for p in ("with", "without") for x in ("moments", "confidence", near)),
    )
    return section(
        "Calibration: is it as sure as it is right?",
        f"Expected calibration error {number(report['with_playback']['ece'])} with the playback model, "
        f"{number(report['without_playback']['ece'])} without.",
        plots.reliabilities(data.reliability, near),
        "Accuracy against confidence, and how often each confidence was given",
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
        "Persistence holds the present answer, advance moves it along the movie by the horizon; both are mixed with the "
        "share of a uniform guess that served them best in training. Moments followed by a blank are left out.",
        plots.forecasts(report),
        "Scores of the forecast by horizon, beside persistence and advance",
        table(("horizon", "", "log score, bits", "median error, frames", "pixcorr"), rows, "By horizon"),
    )


def _labels(report: Mapping[str, Any]) -> str:
    if not report["continuous"]:
        return ""
    rows = [
        [label, display_name(name), block["median_error"], block["r2"]]
        for label, scores in report["continuous"].items()
        for name, block in {"model": scores, **scores["baselines"]}.items()
    ]
    return section(
        "Continuous labels",
        "Median distance from the truth, in the label's own unit, beside what simpler decoders and the label's median "
        "reach.",
        plots.labels(report),
        "Median error of every continuous label, for the model and its baselines",
        table(("label", "", "median error", "r2"), rows, "By label"),
    )


def _refits(report: Mapping[str, Any], data: PageData, near: str) -> str:
    drawn = [curve for curve in data.accuracy_curves if curve.scores]
    if not drawn:
        return ""
    tables = "".join(_curve_table(curve, near) for curve in drawn)
    cut = (
        ""
        if all(curve.complete for curve in data.accuracy_curves)
        else " The time ran out before all of it was done."
    )
    return section(
        "By number of units and by window",
        "Read-outs refitted on some of the units, chosen at random, or with another causal window, without the playback "
        f"model; shrinkage stays as chosen for all units. Bands run from the worst to the best draw.{cut}",
        plots.refits(drawn, _null(report), near),
        "Accuracy by number of units, and by length of the window",
        tables,
    )


def _curve_table(curve: Curve, near: str) -> str:
    values = list(next(iter(curve.scores.values())))
    rows: list[list[Any]] = []
    for name, scores in curve.scores.items():
        rows.append([display_name(name), *(float(np.mean(scores[value])) for value in values)])
        if max(len(draws) for draws in scores.values()) > 1:
            spans = (f"{min(scores[v]):.3f} to {max(scores[v]):.3f}" for v in values)
            rows.append(["worst to best draw", *spans])
    headings = (curve.what, *(f"{value:.3g}" for value in values))
    return table(headings, rows, f"{near.capitalize()}, by {curve.what}")


def _embedding(report: Mapping[str, Any], data: PageData, rate: float) -> str:
    if data.points is None:
        return ""
    rows = [[f"axis {number + 1}", value] for number, value in enumerate(data.points.typicality)]
    agreement = report.get("agreement")
    return section(
        "The embedding",
        "Test moments along the three axes in which the embedding moves slowest, as a running mean of half a second. "
        "Its dimensions have no units.",
        plots.embedding(data.points, rate),
        "Points of the embedding, coloured by movie time",
        table(("", "correlation"), rows, "With itself half a second later")
        + (_agreement(agreement) if agreement else ""),
    )


def _agreement(found: Mapping[str, Any]) -> str:
    """How well embeddings of several models are linear functions of each other."""
    rows = [[name, *values] for name, values in zip(found["models"], found["r2"], strict=True)]
    caption = f"R2 of a linear map from the row's model to the column's; chance {number(found['chance'])}"
    return table(("", *found["models"]), rows, caption)


def _card(evaluation: Evaluation) -> str:
    card, report, model = evaluation.model.card, evaluation.report, evaluation.model
    trained, unused = card["trained_on"], card["unused_channels"]
    repeats = ", ".join(map(str, trained["repeats"])) if trained["repeats"] else "all"
    part = "" if not trained["time"] else f", part {trained['time'][0]:g} to {trained['time'][1]:g}"
    n_channels = len(card["channel_names"])
    rows = {
        "model": f"{model.hash} (format {card['format_version']}, seed {card['seed']})",
        "recording": f"{card['recording']}: {card['kind']}, {card['rate_hz']:g} Hz",
        "channels": f"{n_channels - len(unused)} used of {n_channels}"
        + (f"; left out: {', '.join(unused)}" if unused else ""),
        "trained on": f"repeats {repeats}{part}; {trained['n_samples']:,} samples, sha256 {trained['sha256']}",
        "tested on": f"{evaluation.predictions.test.n_samples:,} samples, sha256 {evaluation.predictions.test.sha256()}",
        "frames": f"{card['n_frames']:,}"
        + (f" at {card['movie_rate_hz']:g} per second" if card["movie_rate_hz"] else ", not a movie"),
        **{f"clip {c['name']}": f"{c['n_frames']} frames, sha256 {c['sha256']}" for c in card["clips"]},
        "embedding, decoder": f"{card['mode']}, {card['decoder']}, shrinkage {card['shrinkage']:g}",
        **_contrastive(card),
        "context, lookahead, lag": f"{card['context_ms']:g} ms, {card['lookahead_ms']:g} ms, {card['lag_ms']:g} ms",
        "fitted in": f"{report['train_seconds']:.1f} s",
        "one step": ", ".join(f"{q} {us} us" for q, us in report["step_us"].items() if us is not None),
    }
    if "cv" in report:
        rows["cross-validation"] = f"{report['cv']}; what is said of the model here is the last fold's"
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(str(value))}</td></tr>'
        for name, value in rows.items()
    )
    return (
        "<section><h2>What the model says about itself</h2>"
        f'<table class="card"><tbody>{lines}</tbody></table></section>'
    )


def _contrastive(card: Mapping[str, Any]) -> dict[str, str]:
    """How good the contrastive embedding is, when the model has one."""
    trained = card.get("contrastive")
    if not trained:
        return {}
    scores = ", ".join(
        f"{way} {number(trained[key])}"
        for way, key in (
            ("contrastive", "log_score_nats"),
            ("linear", "linear_log_score_nats"),
            ("both", "both_log_score_nats"),
        )
    )
    return {
        "contrastive training": f"{trained['steps']} steps, positives {trained['positives']}, temperature "
        f"{trained['temperature']:g}, context {number(trained.get('context_ms', card['context_ms']))} ms",
        "InfoNCE, held out": f"{number(trained['infonce_nats'])} nats; "
        f"{number(trained['infonce_chance_nats'])} is chance",
        "log score, held out": f"{scores} nats; frames are read from: {card['decoder_embedding']}",
    }


def _share(value: float) -> str:
    return f"{value:.1%}"


def _null(report: Mapping[str, Any]) -> float | None:
    null = report["controls"].get("labels_shifted")
    return None if null is None else float(null["without_playback"]["p95"])
