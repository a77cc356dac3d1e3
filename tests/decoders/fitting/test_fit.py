"""Fits of whole models."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from decoders.errors import TrainingUnavailable
from decoders.evaluation.evaluate import evaluate
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.fitting.select_forecast import DEFAULT_FLOOR
from stream.errors import BadRecording, BadUsage, ShapeMismatch
from stream.movie import Clip, Movie
from stream.session import Session, segments_from_stamps
from tests.decoders.conftest import watched_session

QUICK = FitOptions(decoder="cosine", context_s=0.2)


def test_a_single_repeat_is_enough_to_fit(watched: Session) -> None:
    model = fit_model(watched, FitOptions(train_repeats=(0,)))
    assert np.isfinite(model.predict(watched.select_repeats([1])).posterior).all()


def test_repeats_shorter_than_the_longest_forecast_horizon() -> None:
    session = replace(watched_session(), movie=None)
    short = session.take(np.arange(session.n_samples) % 72 < 55)  # 1.8 s
    floors = fit_model(short, QUICK, baselines=False).card["forecast_floors"]
    assert floors["persistence"][-1] == floors["advance"][-1] == DEFAULT_FLOOR


@pytest.mark.parametrize("rate_hz", [30.0, 0.0])
def test_segments_shorter_than_the_longest_forecast_horizon(rate_hz: float) -> None:
    whole = watched_session(n_repeats=4)
    clip = whole.take((whole.frame >= 0) & (whole.frame < 40))
    stamps = 5 + np.arange(clip.n_samples) / 30 + 2.0 * (np.arange(clip.n_samples) // 20)
    movie = Movie((Clip("short", 0, 40, rate_hz),)) if rate_hz else None
    session = replace(clip, stamps=stamps, segment=segments_from_stamps(stamps, 30.0), movie=movie)
    model = fit_model(session, QUICK, baselines=False)
    assert np.isfinite(model.predict(session).posterior).all()
    assert np.isfinite(model.card["forecast_floors"]["advance"]).all()


def test_several_recordings(watched: Session) -> None:
    both = fit_model(
        [watched.select_repeats([0, 1, 2]), watched.select_repeats([3, 4])], QUICK, baselines=False
    )
    assert both.card["trained_on"]["n_samples"] == watched.select_repeats([0, 1, 2, 3, 4]).n_samples
    other = replace(watched, channel_names=tuple(f"x{i}" for i in range(20)))
    with pytest.raises(ShapeMismatch, match="same channels"):
        fit_model([watched, other])


def test_recordings_without_usable_data_are_refused(watched: Session) -> None:
    with pytest.raises(BadUsage, match="no repeat"):
        fit_model(watched, FitOptions(train_repeats=(77,)))
    blank = replace(watched, frame=np.full_like(watched.frame, -1), labels={})
    with pytest.raises(BadRecording, match="no frame"):
        fit_model(blank)
    silent = replace(watched, neural=np.zeros_like(watched.neural))
    with pytest.raises(BadRecording, match="none of the 20 channels"):
        fit_model(silent)


def test_negative_counts_are_refused_and_fractions_are_not(watched: Session) -> None:
    neural = np.asarray(watched.neural, np.float32) * np.float32(0.3)
    model = fit_model(replace(watched, neural=neural), FitOptions(train_repeats=(0,)), baselines=False)
    neural = neural.copy()
    neural[7, 2] = -0.5
    wrong = replace(watched, neural=neural)
    message = rf"'{watched.channel_names[2]}' is -0.5 at sample 7, .*kind to 'fluorescence'"
    with pytest.raises(BadRecording, match=message):
        fit_model(wrong)
    with pytest.raises(BadRecording, match=message):
        evaluate(model, wrong)


def test_dead_channels_are_named(watched: Session) -> None:
    assert fit_model(watched, QUICK, baselines=False).card["unused_channels"] == ["unit-3"]


def test_a_given_context_is_used() -> None:
    model = fit_model(
        watched_session(3, n_repeats=3), FitOptions(context_s=0.1, decoder="cosine"), baselines=False
    )
    assert model.card["context_ms"] == 100
    assert model.parts.scaling.n_window == 3


def test_without_torch_contrastive_modes_name_the_extra_to_install(
    watched: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(TrainingUnavailable, match=r"pip install neuroreel\[train\]"):
        fit_model(watched, FitOptions(mode="label"))


def test_what_no_model_file_can_hold_is_refused_before_fitting(watched: Session) -> None:
    wide = np.zeros((watched.n_samples, 1200), np.float32)
    with pytest.raises(BadRecording, match="at most 1000 label columns, got 120"):
        fit_model(replace(watched, labels={"latent": wide}))
    fast = replace(watched, rate_hz=2e5, stamps=watched.stamps / 1e4)
    with pytest.raises(BadRecording, match="at most 100000 rate_hz, got 200000"):
        fit_model(fast)
