from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from replay_data.movie import make_movie, pink_texture, scene_starts
from stream.movie import Movie


def test_the_same_seed_gives_the_same_movie() -> None:
    first, again, other = (make_movie(n_scenes=2, n_frames=60, seed=seed) for seed in (1, 1, 2))
    assert first.clips == again.clips
    assert first.clips != other.clips
    assert first.rate_hz == 30.0


def test_cuts_are_at_the_scene_starts(movie: Movie) -> None:
    assert movie.frames is not None
    frames = movie.frames.astype(np.float32)
    change = np.abs(np.diff(frames, axis=0)).mean((1, 2))
    cuts = scene_starts(8, 900, 1)[1:-1] - 1
    assert np.median(change[cuts]) > 2 * np.median(np.delete(change, cuts))
    for begin, end in pairwise(cuts):
        assert change[begin + 1 : end].max() < max(change[begin], change[end])


def test_every_frame_differs_from_the_previous_one(movie: Movie) -> None:
    assert movie.frames is not None
    change = np.abs(np.diff(movie.frames.astype(np.float32), axis=0)).mean((1, 2))
    assert change.min() > 0.5


def test_scenes_differ(movie: Movie) -> None:
    assert movie.frames is not None
    starts = scene_starts(8, 900, 1)
    middle = movie.frames[(starts[:-1] + starts[1:]) // 2].astype(np.float64)
    distance = np.abs(middle[:, None] - middle[None]).mean((-2, -1))
    assert distance[~np.eye(8, dtype=bool)].min() > 15


def test_amplitude_falls_with_spatial_frequency(movie: Movie) -> None:
    assert movie.frames is not None
    window = np.outer(np.hanning(64), np.hanning(64))
    patches = movie.frames[::30, 4:68, 32:96].astype(np.float64)
    patches -= patches.mean((1, 2), keepdims=True)
    amplitude = np.abs(np.fft.fft2(patches * window)).mean(0)
    frequency = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)[None])
    band = (frequency > 0.03) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[band]), np.log(amplitude[band]), 1)[0]
    assert -1.8 < slope < -0.6


def test_texture_is_periodic() -> None:
    texture = pink_texture(np.random.default_rng(0), 1.0)
    seam = np.abs(texture[0] - texture[-1]).mean()
    assert seam == pytest.approx(np.abs(np.diff(texture, axis=0)).mean(), rel=0.3)
    assert texture.std() == pytest.approx(1, abs=1e-3)


def test_scenes_beyond_the_styles_differ() -> None:
    movie = make_movie(n_scenes=10, n_frames=60, seed=0)
    assert movie.frames is not None
    assert len({movie.frames[start].tobytes() for start in scene_starts(10, 60, 0)[:-1]}) == 10
