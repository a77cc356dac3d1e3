"""Computes the scores of a report from predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.evaluation.controls import null_error, null_p95
from decoders.evaluation.forecast import score_forecast
from decoders.evaluation.predictions import SHUFFLED, DecodedPair, TestPredictions
from decoders.metrics import FrameAxis, accuracy, score
from decoders.model.model import Model

VERDICT_DEVIATIONS = 3.0
"""Standard deviations above the mean of the null distribution that count as above chance."""


def build_report(predictions: TestPredictions, model: Model, seed: int) -> dict[str, Any]:
    """Score all predictions.

    Parameters
    ----------
    predictions
        From `decoders.evaluation.predictions.collect_predictions`.
    model
        Model whose card, pictures and frame axis are used.
    seed
        Random seed of the controls' null distributions.

    Returns
    -------
    report
        JSON-ready scores.
    """
    axis = model.axis
    own, baselines = score_decoders(predictions, axis)
    nulls = _nulls(predictions, axis, seed)
    card = model.card
    return {
        **own,
        "baselines": baselines,
        "controls": nulls,
        "order": _order(own, predictions, axis),
        "forecast": score_forecast(predictions, model),
        "continuous": _continuous(predictions, seed),
        "lookahead_ms": card["lookahead_ms"],
        "context_ms": card["context_ms"],
        "lag_ms": card["lag_ms"],
        "train_seconds": card["train_seconds"],
        "step_us": {
            name: round(float(np.percentile(predictions.step_us, q)), 1) if predictions.step_us else None
            for name, q in (("p50", 50), ("p99", 99))
        },
        "n_moments": int(np.sum(predictions.test.frame >= 0)),
        "verdict": _verdict(own, nulls),
    }


def score_decoders(
    predictions: TestPredictions, axis: FrameAxis
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the scores of the model and of each baseline, with and without the playback model.

    Parameters
    ----------
    predictions
        From `decoders.evaluation.predictions.collect_predictions`.
    axis
        The model's frames.
    """
    blocks = {
        name: _scores(both, predictions, axis, predictions.evidence)
        for name, both in predictions.decoders.items()
    }
    return blocks.pop("model"), blocks


def _scores(
    both: DecodedPair,
    predictions: TestPredictions,
    axis: FrameAxis,
    evidence: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    test = predictions.test
    repeat = test.repeat if test.repeats else None
    return {
        "with_playback": score(both[0], test.frame, axis, repeat, evidence),
        "without_playback": score(both[1], test.frame, axis, repeat, evidence),
    }


def _order(own: dict[str, Any], predictions: TestPredictions, axis: FrameAxis) -> dict[str, Any]:
    """Return what the order of play adds: the score with the playback model over that alone with shuffled scenes."""
    shuffled = predictions.shuffled_order
    if shuffled is None:
        return {}
    alone = score(shuffled.decoded, shuffled.frame, axis, evidence=shuffled.evidence)
    names = ("accuracy_within_1s", "accuracy_exact", "log_score_bits")
    return {
        "alone_shuffled": alone,
        "added": {name: own["with_playback"][name] - alone[name] for name in names},
    }


def _nulls(predictions: TestPredictions, axis: FrameAxis, seed: int) -> dict[str, Any]:
    """Return the scores of each control, with the accuracy of its predictions when shifted against the truth."""
    out: dict[str, Any] = {}
    for name, both in predictions.controls.items():
        out[name] = _scores(both, predictions, axis)
        for block, decoded in zip(out[name].values(), both, strict=True):
            block["null_p95"] = null_p95(decoded.frame, predictions.test, axis, seed)
            block["within_null"] = bool(block["accuracy_within_1s"] <= block["null_p95"])
    if predictions.shifted:
        with_playback, without = (
            [accuracy(frames[column], predictions.test.frame, axis) for frames in predictions.shifted]
            for column in (0, 1)
        )
        out["labels_shifted"] = {
            **_spread(without),
            "with_playback": _spread(with_playback),
            "without_playback": _spread(without),
        }
    return out


def _spread(draws: list[float]) -> dict[str, float]:
    return {
        "mean": float(np.mean(draws)),
        "sd": float(np.std(draws, ddof=1)) if len(draws) > 1 else 0.0,
        "p95": float(np.quantile(draws, 0.95)),
        "draws": len(draws),
    }


def _verdict(own: dict[str, Any], nulls: dict[str, Any]) -> str:
    """Compare the accuracy without playback model to the null distribution of refits on shifted labels.

    The accuracy must exceed both the 95th percentile and `VERDICT_DEVIATIONS`: with 20 draws, the percentile alone would
    call one noise recording in twenty above chance.

    The playback model is not used: once locked to an alignment it stays there, so that its accuracy is all or nothing,
    in the null distribution too.
    """
    null = nulls.get("labels_shifted")
    if null is None:
        return "not tested"
    alone = own["without_playback"]["accuracy_within_1s"]
    shifted = null["without_playback"]
    threshold = max(shifted["p95"], shifted["mean"] + VERDICT_DEVIATIONS * shifted["sd"])
    return "above chance" if alone > threshold else "at chance"


def _continuous(predictions: TestPredictions, seed: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, truth in predictions.test.labels.items():
        estimate = predictions.continuous["model"].get(name)
        if estimate is None or estimate.shape != truth.shape:
            continue  # the model has no such label, or one of another shape
        out[name] = {
            **_continuous_scores(estimate, truth),
            "interval_80": _interval(estimate, predictions.half_width[name], truth),
            "baselines": {},
        }
        for other, labels in predictions.continuous.items():
            if other == SHUFFLED:
                null_p05 = null_error(estimate, truth, seed)
                out[name]["controls"] = {other: _continuous_scores(labels[name], truth), "null_p05": null_p05}
            elif other != "model":
                out[name]["baselines"][other] = _continuous_scores(labels[name], truth)
        known = truth[np.isfinite(truth).all(1)]
        median = np.median(known, axis=0) if len(known) else np.full(truth.shape[1], np.nan, np.float32)
        out[name]["baselines"]["median"] = _continuous_scores(np.broadcast_to(median, truth.shape), truth)
    return out


def _interval(
    estimate: NDArray[np.float32], half_width: NDArray[np.float32], truth: NDArray[np.float32]
) -> dict[str, float]:
    """Return the coverage of the model's 80 % intervals and their median half-width."""
    known = np.isfinite(truth) & np.isfinite(half_width)
    if not known.any():
        return {"coverage": float("nan"), "median_half_width": float("nan")}
    inside = np.abs(estimate - truth)[known] <= half_width[known]
    return {"coverage": float(inside.mean()), "median_half_width": float(np.median(half_width[known]))}


def _continuous_scores(estimate: NDArray[np.float32], truth: NDArray[np.float32]) -> dict[str, float]:
    """Return ``r2`` over all columns, and median and mean of the Euclidean error in the label's unit."""
    known = np.isfinite(truth).all(1)
    if not known.any():
        return dict.fromkeys(("r2", "median_error", "mean_error"), float("nan"))
    estimate, truth = estimate[known].astype(np.float64), truth[known].astype(np.float64)
    spread = float(((truth - truth.mean(0)) ** 2).sum())
    r2 = 1 - float(((estimate - truth) ** 2).sum()) / spread if spread > 0 else float("nan")
    distance = np.sqrt(((estimate - truth) ** 2).sum(1))
    return {"r2": r2, "median_error": float(np.median(distance)), "mean_error": float(distance.mean())}
