"""The section of a report page that describes the model: data, settings and training."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from textwrap import shorten
from typing import Any

from decoders.evaluation.evaluate import Evaluation
from decoders.report.html import format_number


def model_section(evaluation: Evaluation) -> str:
    """Return the section as HTML.

    Parameters
    ----------
    evaluation
        With model, report and test data.
    """
    card, report, model = evaluation.model.card, evaluation.report, evaluation.model
    test = evaluation.predictions.test
    trained, unused = card["trained_on"], card["unused_channels"]
    repeats = ", ".join(map(str, trained["repeats"])) if trained["repeats"] else "all"
    part = "" if not trained["time"] else f", part {trained['time'][0]:g} to {trained['time'][1]:g}"
    n_channels = len(card["channel_names"])
    rows = {
        "model": f"{model.hash} (format {card['format_version']}, seed {card['seed']})",
        "recording": f"{card['recording']}: {card['kind']}, {card['rate_hz']:g} Hz",
        "channels": f"{n_channels - len(unused)} used of {n_channels}"
        + (f"; left out: {', '.join(unused)}" if unused else ""),
        "trained on": f"{'simulated data; ' if evaluation.model.simulated else ''}repeats {repeats}{part}; "
        f"{trained['n_samples']:,} samples, sha256 {trained['sha256']}",
        "tested on": f"{test.n_samples:,} samples, sha256 {test.sha256()}",
        "frames": f"{card['n_frames']:,} ({shorten(str(model.states), 80, placeholder=' ...')})"
        + (f" at {card['movie_rate_hz']:g} per second" if card["movie_rate_hz"] else ", not a movie"),
        **{f"clip {c['name']}": f"{c['n_frames']} frames, sha256 {c['sha256']}" for c in card["clips"]},
        "embedding, decoder": f"{card['mode']}, {card['decoder']}, shrinkage {card['shrinkage']:g}",
        **_contrastive_rows(card),
        "context, lookahead, lag": f"{card['context_ms']:g} ms, {card['lookahead_ms']:g} ms, {card['lag_ms']:g} ms",
        "fitting time": f"{report['train_seconds']:.1f} s",
        "time per step": ", ".join(f"{q} {us} us" for q, us in report["step_us"].items() if us is not None),
    }
    if "cv" in report:
        rows["cross-validation"] = f"{report['cv']}; this table describes the model of the last fold"
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(str(value))}</td></tr>'
        for name, value in rows.items()
    )
    return (
        "<section><h2>The model and its training</h2>"
        f'<table class="card"><tbody>{lines}</tbody></table></section>'
    )


def _contrastive_rows(card: Mapping[str, Any]) -> dict[str, str]:
    """Return the rows on the contrastive embedding, if the model has one."""
    trained = card.get("contrastive")
    if not trained:
        return {}
    scores = ", ".join(
        f"{embedding} {format_number(trained[key])}"
        for embedding, key in (
            ("contrastive", "log_score_nats"),
            ("linear", "linear_log_score_nats"),
            ("both", "both_log_score_nats"),
        )
    )
    context_ms = format_number(trained.get("context_ms", card["context_ms"]))
    return {
        "contrastive training": f"{trained['steps']} steps, positives {trained['positives']}, temperature "
        f"{trained['temperature']:g}, context {context_ms} ms",
        "held-out InfoNCE": f"{format_number(trained['infonce_nats'])} nats; chance "
        f"{format_number(trained['infonce_chance_nats'])}",
        "held-out log score": f"{scores} nats; frames are decoded from: {card['decoder_embedding']}",
    }
