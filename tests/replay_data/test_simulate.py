"""Simulated recordings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from replay_data.movie import make_movie
from replay_data.simulate import PRESETS, Preset, find_preset, simulate
from stream.errors import BadUsage
from stream.movie import Movie
from stream.session import Kind, Session
from tests.replay_data.conftest import SEED


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(movie: Movie) -> None:
    small = Preset(n_units=20, n_train=2, episode=(0, 1))
    first, again, other = (simulate(small, seed, movie) for seed in (SEED, SEED, SEED + 1))
    for name in ("neural", "stamps", "frame", "repeat"):
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes()
    assert first.labels["running"].tobytes() == again.labels["running"].tobytes()
    assert first.sha256() != other.sha256()


def test_shape_and_kind_of_the_demo(demo: Session) -> None:
    assert (demo.n_channels, demo.n_frames, demo.kind, demo.rate_hz) == (120, 900, Kind.SPIKES, 30.0)
    assert demo.repeats == tuple(range(12))
    assert np.allclose(np.diff(demo.stamps), 1 / 30)
    assert demo.stamps[0] == pytest.approx(1 / 30)
    assert np.all(demo.neural == np.rint(demo.neural))
    assert demo.labels["running"].shape == (demo.n_samples, 1)
    assert demo.labels["running"].dtype == np.float32
    assert demo.movie is not None
    assert demo.movie.frames is not None
    assert demo.movie.frames.shape == (900, 72, 128)


def test_repeats_show_the_frames_in_order(demo: Session) -> None:
    for repeat in range(11):
        assert np.array_equal(demo.frame[demo.repeat == repeat], np.arange(900))


def test_gray_separates_the_repeats(demo: Session) -> None:
    gray = demo.frame < 0
    assert np.array_equal(gray, demo.repeat < 0)
    edges = np.flatnonzero(np.diff(np.r_[0, gray.astype(int), 0]))
    lengths = np.diff(edges)[::2]
    assert gray[0]
    assert gray[-1]
    assert len(lengths) == 13
    assert lengths.min() >= 30
    assert lengths.max() <= 90
    assert len(set(lengths.tolist())) > 5


def test_rates_are_spread_around_their_mean(demo: Session) -> None:
    rate = demo.neural.mean(0) * 30
    assert 4.5 < rate.mean() < 8
    working = rate[(rate > 0) & (rate < 25)]
    assert np.median(working) < 0.75 * rate.mean()
    assert np.percentile(working, 90) / np.percentile(working, 10) > 8


def test_two_channels_are_dead_and_two_noisy(demo: Session) -> None:
    assert np.sum(demo.neural.sum(0) == 0) == 2
    shown = demo.neural[(demo.repeat >= 0) & (demo.repeat < 11)].reshape(11, 900, 120).astype(np.float64)
    mean = shown.mean(0)
    spread = shown.var(0, ddof=1).mean(0)
    signal = mean.var(0) / np.maximum(spread / 11, 1e-9)
    loud = mean.mean(0) * 30 > 15
    assert np.sum(loud & (signal < 1.3)) == 2


def test_running_begins_within_repeat_6_and_ends_within_repeat_7(demo: Session) -> None:
    speed = demo.labels["running"][:, 0]
    fast = speed > 14
    assert set(np.unique(demo.repeat[fast])) <= {-1, 6, 7}
    for repeat in (6, 7):
        assert 0.2 < np.mean(fast[demo.repeat == repeat]) < 0.8
    assert not fast[demo.repeat == 6][0]
    assert not fast[demo.repeat == 7][-1]
    assert speed.min() >= 0


def test_units_share_fluctuations(demo: Session) -> None:
    shown = demo.neural[(demo.repeat >= 0) & (demo.repeat < 6)].reshape(6, 30, 30, 120).sum(2)
    residual = (shown - shown.mean(0)).reshape(-1, 120)
    busy = residual[:, (shown.mean((0, 1)) > 4)]
    correlation = np.corrcoef(busy.T)
    assert np.median(correlation[np.triu_indices(len(correlation), 1)]) > 0.02


def test_units_of_the_noise_preset_ignore_the_movie(movie: Movie) -> None:
    session = simulate("noise", SEED, movie)
    shown = session.neural[(session.repeat >= 0) & (session.repeat < 11)].reshape(11, 900, 120)
    odd, even = shown[::2].mean(0), shown[1::2].mean(0)
    busy = shown.mean((0, 1)) > 0.1
    correlation = [np.corrcoef(odd[:, unit], even[:, unit])[0, 1] for unit in np.flatnonzero(busy)]
    assert abs(np.mean(correlation)) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n_units", "rate_hz"),
    [
        ("sparse", 30, 0.5),
        ("sparse-gain-30", 30, 0.5),
        ("sparse-gain-100", 100, 0.5),
        ("sparse-gain-300", 300, 0.1),
    ],
)
def test_other_presets(name: str, n_units: int, rate_hz: float, movie: Movie) -> None:
    session = simulate(name, SEED, movie)
    assert session.n_channels == n_units
    assert session.neural.mean() * 30 == pytest.approx(rate_hz, rel=0.35)
    assert session.repeats == tuple(range(12))
    assert PRESETS["units-1000"] == replace(PRESETS["demo"], n_units=1000)


@pytest.mark.slow
def test_only_test_repeats_show_the_unseen_scenes() -> None:
    preset = replace(PRESETS["many-scenes"], n_units=20, n_scenes=2, n_unseen=5, scene_s=3.75)
    session = simulate(preset, seed=0)
    assert session.movie is not None
    assert len(session.movie.clips) == 7
    first_unseen = session.movie.clips[2].first_frame
    assert session.repeats == (0, 1, 2, 3, 4, 5)
    training = (session.repeat >= 0) & (session.repeat <= 3)
    assert session.frame[training].max() == first_unseen - 1
    assert session.frame[session.repeat >= 4].min() == first_unseen
    assert set(np.unique(session.frame[session.repeat == 4])) == set(range(first_unseen, session.n_frames))


def test_unknown_presets_are_refused() -> None:
    assert find_preset("demo") == Preset()
    with pytest.raises(BadUsage, match="Did you mean 'sparse'"):
        find_preset("sprase")
    with pytest.raises(BadUsage, match="Presets are: demo"):
        simulate("zzz")


def test_a_movie_of_another_length_is_refused() -> None:
    short = make_movie(n_scenes=4, n_frames=20)
    with pytest.raises(BadUsage, match="has 20 pictures; give one with 900"):
        simulate("demo", 0, short)
