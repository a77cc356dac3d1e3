"""Two real recordings: LDA reaches its published accuracy, ours is better, and live decoding equals offline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.rats.__main__ import REFERENCE, against_lda, collect, distance, posterior_errors, run
from benchmarks.rats.lda import lda, track_lda_through_holes, window_counts
from benchmarks.rats.prepare import Fold, buddy_folds, load_track, track_folds
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions

pytestmark = pytest.mark.data


def test_windows_restart_at_segment_boundaries() -> None:
    counts = np.arange(6, dtype=np.float32)[:, None]
    segment = np.array([0, 0, 0, 1, 1, 1], np.int32)
    assert window_counts(counts, segment, 2)[:, 0].tolist() == [0, 1, 3, 3, 7, 9]


@pytest.mark.parametrize(("window_s", "mean_m", "likeliest_m"), [(0.25, 0.117, 0.119), (0.5, 0.115, 0.119)])
def test_lda_reaches_its_published_error_on_buddy(
    shared_data: Path, window_s: float, mean_m: float, likeliest_m: float
) -> None:
    folds = list(buddy_folds(shared_data))
    assert sum(len(np.unique(fold.test.segment)) for fold in folds) == 63
    errors = collect(posterior_errors(fold, lda(fold, window_s), "LDA") for fold in folds)
    assert np.median(np.concatenate(errors["LDA, mean"])) == pytest.approx(mean_m, abs=0.001)
    assert np.median(np.concatenate(errors["LDA, likeliest"])) == pytest.approx(likeliest_m, abs=0.001)


@pytest.mark.parametrize(("window_s", "likeliest_px", "mean_px"), [(1.0, 34, 46), (0.5, 39, 66)])
def test_lda_reaches_its_published_error_on_the_track(
    shared_data: Path, window_s: float, likeliest_px: float, mean_px: float
) -> None:
    decoded = track_lda_through_holes(load_track(shared_data), window_s)
    errors = collect(posterior_errors(fold, posterior, "LDA") for fold, posterior in decoded)
    assert np.median(np.concatenate(errors["LDA, likeliest"])) == pytest.approx(likeliest_px, abs=1.5)
    assert np.median(np.concatenate(errors["LDA, mean"])) == pytest.approx(mean_px, abs=1.5)


def folds_of(recording: str, data: Path) -> list[Fold]:
    return list(buddy_folds(data) if recording == "buddy" else track_folds(load_track(data)))


@pytest.mark.slow
@pytest.mark.parametrize(("recording", "window_s"), [("buddy", 1.0), ("track", 1.0)])
def test_the_default_decoder_beats_lda(
    shared_data: Path, tmp_path: Path, recording: str, window_s: float
) -> None:
    errors, decoded, _ = run(folds_of(recording, shared_data), window_s, tmp_path, live=False)
    ratios = against_lda(errors, REFERENCE[recording])
    assert ratios["ours, no playback, likeliest"] <= 0.95
    assert ratios["ours, continuous label"] <= 0.9
    assert 0.7 < np.concatenate([fold.inside for fold in decoded]).mean() < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("recording", ["buddy", "track"])
def test_positions_alone_are_decoded_as_with_frames(shared_data: Path, recording: str) -> None:
    """Median over all folds: that of one fold differs by more than two decoders do."""
    errors: dict[str, list[NDArray[np.float64]]] = {"frames": [], "alone": [], "LDA": []}
    for fold in folds_of(recording, shared_data):
        nothing = replace(fold.train, frame=np.full_like(fold.train.frame, -1))
        for name, train in {"frames": fold.train, "alone": nothing}.items():
            model = fit_model(train, FitOptions(context_s=1.0), baselines=False)
            errors[name].append(distance(fold, model.predict(fold.test).continuous))
        errors["LDA"] += collect([posterior_errors(fold, lda(fold, 1.0), "LDA")])["LDA, likeliest"]
    median = {name: np.median(np.concatenate(of_folds)) for name, of_folds in errors.items()}
    assert median["alone"] < 1.6 * median["frames"]  # the frames also say the direction
    assert median["alone"] < median["LDA"]


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize(("recording", "window_s"), [("buddy", 0.25), ("track", 0.5)])
def test_live_decoding_equals_offline(
    shared_data: Path, tmp_path: Path, recording: str, window_s: float
) -> None:
    fold = folds_of(recording, shared_data)[2]
    _, _, (comparison,) = run([fold], window_s, tmp_path, live=True)
    assert comparison["in_order"]
    assert comparison["received"] == fold.test.n_samples
    differences = comparison["differences"]
    assert isinstance(differences, dict)
    assert max(differences.values()) < 1e-5
