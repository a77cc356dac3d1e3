"""Presets: the same seed gives the same bytes, and what they promise is in the recording."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from replay_data.movie import make_movie
from replay_data.simulate import PRESETS, Preset, find_preset, preset_movie, simulate
from stream.errors import BadUsage
from stream.movie import Movie
from stream.session import Kind, Session

SHORT = replace(PRESETS["demo"], n_scenes=4)  # half of the movie


@pytest.fixture(scope="module")
def demo() -> Session:
    return simulate("demo", seed=3)


@pytest.fixture(scope="module")
def movie() -> Movie:
    return preset_movie(PRESETS["demo"], 0)


def test_same_seed_same_bytes() -> None:
    demo, again = simulate(SHORT, seed=3), simulate(SHORT, seed=3)
    assert demo.movie is not None
    assert again.movie is not None
    for name in ("neural", "stamps", "frame", "repeat"):
        assert getattr(demo, name).tobytes() == getattr(again, name).tobytes()
    assert demo.labels["running"].tobytes() == again.labels["running"].tobytes()
    assert demo.movie.clips == again.movie.clips


def test_other_seed_other_recording() -> None:
    demo, other = simulate(SHORT, seed=3), simulate(SHORT, seed=4)
    assert other.movie is not None
    assert demo.movie is not None
    assert other.movie.clips[0].sha256 != demo.movie.clips[0].sha256
    assert other.sha256() != demo.sha256()


def test_demo_is_what_it_says(demo: Session) -> None:
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


def test_repeats_in_order(demo: Session) -> None:
    for repeat in range(11):
        assert np.array_equal(demo.frame[demo.repeat == repeat], np.arange(900))


def test_gray_between(demo: Session) -> None:
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


def test_running_lasts_from_inside_repeat_6_to_inside_7(demo: Session) -> None:
    speed = demo.labels["running"][:, 0]
    fast = speed > 14
    middle = np.flatnonzero(fast)
    assert set(np.unique(demo.repeat[middle])) <= {-1, 6, 7}
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


def test_noise_preset_knows_nothing_of_the_movie(movie: Movie) -> None:
    session = simulate("noise", 0, movie)
    shown = session.neural[(session.repeat >= 0) & (session.repeat < 11)].reshape(11, 900, 120)
    odd, even = shown[::2].mean(0), shown[1::2].mean(0)
    busy = shown.mean((0, 1)) > 0.1
    correlation = [np.corrcoef(odd[:, unit], even[:, unit])[0, 1] for unit in np.flatnonzero(busy)]
    assert abs(np.mean(correlation)) < 0.02


@pytest.mark.parametrize(
    ("name", "n_units", "rate_hz"),
    [
        ("sparse", 30, 0.5),
        ("sparse-gain-30", 30, 0.5),
        ("sparse-gain-100", 100, 0.5),
        ("sparse-gain-300", 300, 0.1),
        pytest.param("units-1000", 1000, 6.0, marks=pytest.mark.slow),
    ],
)
def test_other_presets(name: str, n_units: int, rate_hz: float, movie: Movie) -> None:
    session = simulate(name, 0, movie)
    assert session.n_channels == n_units
    assert session.neural.mean() * 30 == pytest.approx(rate_hz, rel=0.35)
    assert session.repeats == tuple(range(12))


@pytest.mark.slow
def test_unseen_scenes_are_only_in_the_test() -> None:
    preset = replace(PRESETS["many-scenes"], n_units=20, n_scenes=9, n_unseen=6, scene_s=2.5)
    session = simulate(preset, seed=0)
    assert session.movie is not None
    assert len(session.movie.clips) == 15
    first_unseen = session.movie.clips[9].first_frame
    assert session.repeats == (0, 1, 2, 3, 4, 5)
    training = (session.repeat >= 0) & (session.repeat <= 3)
    assert session.frame[training].max() == first_unseen - 1
    assert session.frame[session.repeat >= 4].min() == first_unseen
    assert set(np.unique(session.frame[session.repeat == 4])) == set(range(first_unseen, session.n_frames))


def test_unknown_presets_are_refused() -> None:
    assert find_preset("demo") == Preset()
    with pytest.raises(BadUsage, match="Did you mean 'sparse'"):
        find_preset("sprase")
    with pytest.raises(BadUsage, match="There are: demo"):
        simulate("zzz")


def test_a_movie_of_another_length_is_refused() -> None:
    short = make_movie(n_scenes=4, n_frames=20)
    with pytest.raises(BadUsage, match="has 20 pictures; give one with 900"):
        simulate("demo", 0, short)
