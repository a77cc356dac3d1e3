"""Plots of a report page."""

from __future__ import annotations

import pytest

from decoders.evaluation.evaluate import Evaluation
from decoders.report.accuracy_curves import Curve
from decoders.report.plots import accuracy_curves, decoder_blocks, display_name


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("knn", "k nearest neighbours"),
        ("lda_mean", "shrinkage LDA, mean"),
        ("labels_shifted", "shifted labels"),
        ("some_other", "some other"),
    ],
)
def test_decoders_and_controls_have_display_names(key: str, name: str) -> None:
    assert display_name(key) == name


def test_a_linear_baseline_equal_to_the_model_is_left_out(evaluation: Evaluation) -> None:
    report = evaluation.report
    assert set(decoder_blocks(report)) == {"model", "linear", "lda", "naive_bayes", "knn"}
    own = {part: report[part] for part in ("with_playback", "without_playback")}
    linear = {**report, "baselines": {**report["baselines"], "linear": own}}
    assert "linear" not in decoder_blocks(linear)


def test_the_same_data_give_the_same_svg() -> None:
    curve = Curve("units", {"model": {1: [0.2, 0.3], 10: [0.9]}})
    first, second = (accuracy_curves([curve], 0.5, "within 1 s") for _ in range(2))
    assert first == second
    assert "<svg" in first
