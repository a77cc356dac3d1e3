from __future__ import annotations

import numpy as np
import pytest

from decoders.live.label_score import LabelScore
from stream.acquisition.label_track import Labels

WANTED = [("position", 2), ("speed", 1)]


def test_estimates_are_scored_where_labels_are_known() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=(100, 3)).astype(np.float32)
    estimate = truth + random.normal(scale=0.5, size=truth.shape).astype(np.float32)
    stamps = 50 + np.arange(100) / 30
    labels = Labels()
    labels.add("position", stamps[20:], truth[20:, :2])
    score = LabelScore(labels, WANTED, 30.0)
    assert score.summary() is None
    for stamp, row in zip(stamps, estimate, strict=True):
        score.add(1.0, float(stamp), row)
    assert score.settle(1.2) == []
    settled = np.stack(score.settle(2.0))
    np.testing.assert_array_equal(settled[20:, :2], truth[20:, :2])
    assert np.isnan(settled[:20]).all()
    assert np.isnan(settled[:, 2]).all()
    summary = score.summary()
    assert summary is not None
    assert list(summary) == ["position"]
    error, known = estimate[20:, :2] - truth[20:, :2], truth[20:, :2]
    assert summary["position"]["moments"] == 80
    assert summary["position"]["median_error"] == pytest.approx(
        np.median(np.linalg.norm(error, axis=1)), rel=1e-4
    )
    explained = 1 - (error**2).sum() / ((known - known.mean(0)) ** 2).sum()
    assert summary["position"]["r2"] == pytest.approx(explained, rel=1e-4)


def test_delayed_estimates_are_compared_with_the_labels_of_their_moment() -> None:
    labels = Labels()
    stamps = np.arange(10) / 10
    labels.add("speed", stamps, np.arange(10)[:, None])
    score = LabelScore(labels, [("speed", 1)], 10.0, n_delay=2)
    for index, stamp in enumerate(stamps):
        score.add(0.0, float(stamp), np.array([index - 2], np.float32) if index >= 2 else None)
    score.settle(1.0)
    summary = score.summary()
    assert summary is not None
    assert summary["speed"] == {"moments": 8, "median_error": 0.0, "r2": 1.0}
