"""Values plotted on a report page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.evaluation.evaluate import Evaluation
from decoders.model.model import Model
from decoders.report.plot_values import confusion, reliability, slow_axes


def test_plotted_values_agree_with_the_scores(evaluation: Evaluation, model: Model) -> None:
    decoded = evaluation.predictions.decoders["model"][1]
    report = evaluation.report["without_playback"]
    part = reliability(decoded, evaluation.predictions, model.axis)
    full = part.moments > 0
    gap = np.abs(part.confidence - part.accuracy)[full]
    assert np.average(gap, weights=part.moments[full]) == pytest.approx(report["ece"])
    drawn = confusion(decoded, evaluation.predictions, model.axis, model.states)
    moments = np.array([row[2] for row in drawn.by_part])
    within = np.array([row[3] for row in drawn.by_part])
    assert moments.sum() == evaluation.report["n_moments"]
    assert np.average(within, weights=moments) == pytest.approx(report["accuracy_within_1s"])
    assert np.nanmax(drawn.share) <= 1


def test_an_embedding_of_few_points_is_not_plotted(evaluation: Evaluation) -> None:
    assert (
        slow_axes(
            replace(evaluation.predictions, embedding=evaluation.predictions.embedding[:5]),
            evaluation.model.states,
        )
        is None
    )
