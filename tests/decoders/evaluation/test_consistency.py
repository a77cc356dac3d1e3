from __future__ import annotations

import pytest

from decoders.evaluation.consistency import embedding_consistency
from decoders.evaluation.evaluate import EvaluateOptions, run_evaluation
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from decoders.report.page import html_page
from stream.errors import ShapeMismatch
from stream.session import Session
from tests.decoders.conftest import places_session, watched_session


@pytest.mark.slow
def test_models_of_one_recording_agree_and_those_of_others_are_matched_by_frame(
    model: Model, watched: Session
) -> None:
    options = EvaluateOptions(repeats=(5, 6), draws=0)
    scored = run_evaluation(model, watched, options)
    again = fit_model(watched, FitOptions(train_repeats=(0, 1, 2, 3), seed=1))
    other = watched_session(8)
    beside = fit_model(other, FitOptions(train_repeats=(0, 1, 2, 3)))
    found = embedding_consistency(scored, [(again, watched), (beside, other)], options)
    assert found["models"] == [model.hash, again.hash, beside.hash]
    assert found["r2"][0][0] == 1.0
    assert found["r2"][0][1] > 0.8
    assert found["r2"][0][1] > found["r2"][0][2]
    assert found["chance"] < found["mean"]
    scored.report["agreement"] = found
    assert "R2 of a linear map" in html_page(scored, title="t", seed=0)


def test_other_frames_cannot_be_compared(model: Model, watched: Session) -> None:
    options = EvaluateOptions(repeats=(5, 6), draws=0)
    places = places_session()
    with pytest.raises(ShapeMismatch, match="60, 8 frames"):
        embedding_consistency(run_evaluation(model, watched, options), [(fit_model(places), places)], options)
