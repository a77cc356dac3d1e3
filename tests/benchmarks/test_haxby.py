"""A real fMRI scan: eight categories of pictures, decoded with each run left out in turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.haxby.prepare import by_design, load
from benchmarks.haxby.run import block_accuracy, logistic, response, score_runs, volume_accuracy
from stream.session import Session

pytestmark = pytest.mark.data


def test_blocks_have_the_times_of_the_paper() -> None:
    frame = np.full(121, -1, np.int32)
    frame[10:19], frame[25:34] = 3, 5
    up = by_design(frame)
    # 12 to 36 s and 48 to 72 s, in volumes of 2.5 s by their middles.
    assert np.flatnonzero(up == 3).tolist() == list(range(5, 14))
    assert np.flatnonzero(up == 5).tolist() == list(range(19, 29))
    assert (up[29:] == -1).all()


def test_runs_and_categories_of_the_recording(shared_data: Path) -> None:
    session = load(shared_data)
    assert session.n_samples == 12 * 121
    assert session.n_frames == 8
    assert len(np.unique(session.segment)) == 12
    for run in range(12):
        shown = session.frame[session.repeat == run]
        assert np.bincount(shown[shown >= 0]).tolist() == [9] * 8  # every category once a run


def test_logistic_regression_reaches_its_known_accuracy(shared_data: Path) -> None:
    """With other regularisation, 0.461 of the volumes are known to be decoded."""
    assert logistic(load(shared_data), [0] * 12)["volume"] == pytest.approx(0.47, abs=0.02)


def test_the_response_precedes_the_labels_of_the_file(shared_data: Path) -> None:
    late, design = response(load(shared_data)), response(load(shared_data, "design"))
    up = [(curve - curve.min()) / (1 - curve.min()) for curve in (late, design)]
    assert up[0][2] > 0.5  # more than half its peak, one volume before the labelled onset
    assert up[1][3] < 0.5 < up[1][4]  # half its peak between one and two volumes after the onset


def perfect(session: Session) -> np.ndarray:
    return np.eye(9, dtype=np.float32)[np.where(session.frame >= 0, session.frame, 8)]


def test_perfect_predictions_score_one(shared_data: Path) -> None:
    session = load(shared_data)
    posterior = perfect(session)
    assert volume_accuracy(posterior.argmax(1), session) == 1.0
    assert block_accuracy(posterior[:, :-1], session) == 1.0


@pytest.mark.slow
def test_categories_are_decoded_causally(shared_data: Path) -> None:
    session = load(shared_data)
    some = session.take(session.repeat < 4)  # a third of it, which is harder: three runs to train on
    result = score_runs(some, 0, draws=0)["decoders"]
    assert result["model, without playback, 8-way"]["volume"] > 0.4
    assert result["model, with playback, 8-way"]["volume"] > 0.45
