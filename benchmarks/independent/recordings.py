"""Six kinds of recordings, made by code of their own: they share nothing with ``replay_data``.

movie
    Spikes during a film of 1,500 frames at 25 frames per second, bins of 20 ms, 0, 1, 5 or 10 s of gray before each
    repeat. Units prefer moments of the film, share a gain that drifts within seconds, and answer 60 ms late.
long
    The same with 3,600 frames at 30 frames per second and 5 s of gray.
imaging
    Calcium imaging at 15.5 Hz of a film at 30 frames per second: which frames a repeat samples differs by repeat.
fmri
    Runs of 6 categories in blocks of 12 s, 40 % rest, TR 2 s, a weak haemodynamic response in slowly drifting voxels.
eeg
    Trials of 4 categories that are numbered from 769: an evoked response in correlated noise.
position
    Place cells of a rat in a square box, labelled with the position alone: no frames.

All but the last are tested on held-out repeats in order; movies also on one whose scenes of 2 to 6 s are shuffled.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from stream.io.session_io import load_session
from stream.session import Session

Floats = NDArray[np.float64]
Arrays = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A recording and how it is split.

    Attributes
    ----------
    session
        The recording, as the project's reader returns it.
    windows_s
        Candidate windows of the baselines in seconds.
    train
        Repeats to train on; empty to train on the first four fifths of the time.
    tests
        Repeats to test on, by the name of the test.
    lags_s
        Candidate lags of the baselines in seconds.
    """

    session: Session
    windows_s: tuple[float, ...]
    train: tuple[int, ...]
    tests: dict[str, tuple[int, ...]]
    lags_s: tuple[float, ...] = (0.0,)


def movie(seed: int, gray_s: float) -> Recording:
    """Simulate spikes during a film of one minute."""
    rng = np.random.default_rng([seed, 1])
    film = _film(rng, n_frames=1500, fps=25.0, rate_hz=50.0, gray_s=gray_s, n_repeats=6)
    return _movie_recording(_spikes(rng, film, n_units=36, mean_hz=2.0), n_repeats=6)


def long_movie(seed: int) -> Recording:
    """Simulate spikes during a film of two minutes."""
    rng = np.random.default_rng([seed, 2])
    film = _film(rng, n_frames=3600, fps=30.0, rate_hz=30.0, gray_s=5.0, n_repeats=5)
    return _movie_recording(_spikes(rng, film, n_units=40, mean_hz=2.0), n_repeats=5)


def imaging(seed: int) -> Recording:
    """Simulate calcium imaging, slower than the film."""
    rng = np.random.default_rng([seed, 3])
    n_frames, fps, rate_hz, n_repeats, n_cells = 1200, 30.0, 15.5, 7, 24
    film = _film(rng, n_frames=n_frames, fps=fps, rate_hz=rate_hz, gray_s=2.03, n_repeats=n_repeats)
    drive = _tuning(rng, n_frames, n_cells, smooth_frames=10)
    activity = _shown(film["frame"], drive, 0.6 * drive.mean(0))
    activity = rng.gamma(1.0, activity * _common_gain(rng, len(activity), rate_hz)[:, None])
    decay = np.exp(-1 / (rate_hz * rng.uniform(0.3, 0.9, n_cells)))
    calcium = np.empty_like(activity)
    level = activity.mean(0)
    for index, now in enumerate(activity):
        level = decay * level + (1 - decay) * now
        calcium[index] = level
    calcium = calcium / calcium.std(0) + rng.normal(0, 1.5, calcium.shape)
    return _movie_recording(film | {"neural": calcium, "kind": "fluorescence"}, n_repeats)


def fmri(seed: int) -> Recording:
    """Simulate a weak BOLD response to categories, with rest."""
    rng = np.random.default_rng([seed, 4])
    n_categories, n_runs, tr_s, n_voxels = 6, 8, 2.0, 120
    block, rest = 6, 4  # volumes: 40 % rest
    frames = []
    for _ in range(n_runs):
        for category in np.concatenate([rng.permutation(n_categories) for _ in range(2)]):
            frames += [np.full(rest, -1), np.full(block, category)]
    frame = np.concatenate(frames)
    repeat = np.repeat(np.arange(n_runs), len(frame) // n_runs)
    pattern = rng.normal(0, 1, (n_categories, n_voxels)) * (rng.random(n_voxels) < 0.3)
    since = np.arange(0, 24, tr_s)
    response = since**5 * np.exp(-since) / 120 - since**15 * np.exp(-since) / 1.3e12 / 6
    evoked = _shown(frame, pattern + 0.4, np.zeros(n_voxels))
    neural = np.empty_like(evoked)
    for run in range(n_runs):  # each run begins at rest
        of_run = repeat == run
        course = [np.convolve(x, response / response.sum())[: of_run.sum()] for x in evoked[of_run].T]
        noise = _autoregressive(rng, (int(of_run.sum()), n_voxels), 0.4)
        drift = gaussian_filter1d(rng.normal(0, 6, (int(of_run.sum()), n_voxels)), 20, axis=0)
        neural[of_run] = 1000 + 10 * (0.3 * np.stack(course, 1) + noise + drift)
    arrays = {
        "neural": neural,
        "stamps": tr_s * np.arange(1, len(frame) + 1),
        "frame": frame,
        "repeat": repeat,
        "segment": repeat,
        "kind": "bold",
    }
    return Recording(
        _load(arrays),
        windows_s=(2.0, 4.0, 6.0, 8.0, 10.0),
        train=tuple(range(n_runs - 2)),
        tests={"in order": (n_runs - 2, n_runs - 1)},
        lags_s=(0.0, 2.0, 4.0, 6.0),
    )


def eeg(seed: int) -> Recording:
    """Simulate trials of four categories, numbered as a stimulus computer numbers them."""
    rng = np.random.default_rng([seed, 5])
    n_categories, n_runs, n_trials, n_channels, rate_hz = 4, 8, 24, 16, 50.0
    blank, shown = 40, 60  # samples
    trials = np.concatenate([rng.permutation(np.arange(n_trials) % n_categories) for _ in range(n_runs)])
    frame = np.concatenate([np.r_[np.full(blank, -1), np.full(shown, category)] for category in trials])
    since_s = np.arange(shown) / rate_hz
    course = np.clip((since_s - 0.1) / 0.1, 0, 1) * (0.4 + 0.6 * np.exp(-((since_s - 0.35) ** 2) / 0.05))
    pattern = rng.normal(0, 1, (n_categories, n_channels))
    evoked = np.zeros((len(frame), n_channels))
    evoked[frame >= 0] = np.concatenate([np.outer(course, pattern[category]) for category in trials])
    mixing = rng.normal(0, 1, (n_channels, n_channels)) / np.sqrt(n_channels)
    noise = _autoregressive(rng, evoked.shape, 0.9) @ (0.6 * np.eye(n_channels) + 0.8 * mixing)
    arrays = {
        "neural": 8 * (0.55 * evoked + noise),
        "stamps": 100 + np.arange(1, len(frame) + 1) / rate_hz,
        "frame": np.where(frame >= 0, 769 + frame, -1),
        "repeat": np.repeat(np.arange(n_runs), n_trials * (blank + shown)),
        "kind": "eeg",
    }
    return Recording(
        _load(arrays),
        windows_s=(0.02, 0.1, 0.25, 0.5, 1.0),
        train=tuple(range(n_runs - 2)),
        tests={"in order": (n_runs - 2, n_runs - 1)},
    )


def position(seed: int) -> Recording:
    """Simulate place cells of a rat that wanders in a box, with the position as the only label."""
    rng = np.random.default_rng([seed, 6])
    n_cells, rate_hz, n_samples = 50, 20.0, 12_000
    heading = np.cumsum(rng.normal(0, 0.25, n_samples))
    speed = np.exp(gaussian_filter1d(rng.normal(0, 4, n_samples), 20)) * 0.15 / rate_hz
    walk = np.cumsum(speed[:, None] * np.stack([np.cos(heading), np.sin(heading)], 1), 0)
    place = np.abs((walk + 0.5) % 2 - 1)  # walls of a box of 1 m reflect
    centre, width = rng.uniform(0, 1, (n_cells, 2)), rng.uniform(0.1, 0.2, n_cells)
    distance = ((place[:, None] - centre) ** 2).sum(-1)
    rate = 0.3 + rng.gamma(4, 2.5, n_cells) * np.exp(-distance / (2 * width**2))
    gain = _common_gain(rng, n_samples, rate_hz)
    arrays = {
        "neural": rng.poisson(rate * gain[:, None] / rate_hz),
        "stamps": np.arange(1, n_samples + 1) / rate_hz,
        "frame": np.full(n_samples, -1),
        "label_position": place,
        "kind": "spikes",
    }
    return Recording(_load(arrays), windows_s=(0.1, 0.25, 0.5, 1.0, 2.0), train=(), tests={"in order": ()})


KINDS: dict[str, Callable[[int], Recording]] = {
    "gray-0": lambda seed: movie(seed, 0.0),
    "gray-1": lambda seed: movie(seed, 1.0),
    "gray-5": lambda seed: movie(seed, 5.0),
    "gray-10": lambda seed: movie(seed, 10.0),
    "frames-3600": long_movie,
    "imaging-15.5": imaging,
    "fmri-rest": fmri,
    "eeg-769": eeg,
    "position-2d": position,
}
"""Makers of the recordings by name; each takes a random seed."""


def _movie_recording(arrays: Arrays, n_repeats: int) -> Recording:
    return Recording(
        _load(arrays),
        windows_s=(0.1, 0.2, 0.33, 0.67, 1.0),
        train=tuple(range(n_repeats - 2)),
        tests={"in order": (n_repeats - 2,), "shuffled": (n_repeats - 1,)},
    )


def _film(
    rng: np.random.Generator, *, n_frames: int, fps: float, rate_hz: float, gray_s: float, n_repeats: int
) -> Arrays:
    """Return stamps, frames and repeats; the scenes of the last repeat are shuffled."""
    n_shown, n_gray = int(n_frames / fps * rate_hz), round(gray_s * rate_hz)
    frames, repeats = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for repeat in range(n_repeats):
        # Where the rates are no multiples of each other, a repeat begins at another phase of the sampling clock.
        phase = 0.0 if (rate_hz / fps).is_integer() or rate_hz == fps else rng.random() / rate_hz
        shown = np.minimum(
            ((np.arange(n_shown) / rate_hz + phase) * fps + 1e-6).astype(np.int64), n_frames - 1
        )
        if repeat == n_repeats - 1:
            cuts = np.cumsum(rng.uniform(2, 6, n_shown) * rate_hz).astype(np.int64)
            scenes = np.split(shown, cuts[cuts < n_shown])
            shown = np.concatenate([scenes[scene] for scene in rng.permutation(len(scenes))])
        frames += [np.full(n_gray, -1), shown]
        repeats += [np.full(n_gray, -1), np.full(n_shown, repeat)]
    frame = np.concatenate([*frames, np.full(n_gray, -1)])
    return {
        "stamps": 1000.5 + np.arange(1, len(frame) + 1) / rate_hz,
        "frame": frame,
        "repeat": np.concatenate([*repeats, np.full(n_gray, -1)]),
        "movie_rate_hz": fps,
        "rate_hz": rate_hz,
    }


def _spikes(rng: np.random.Generator, film: Arrays, *, n_units: int, mean_hz: float) -> Arrays:
    """Add spike counts that follow the film 60 ms late."""
    rate_hz, frame = film["rate_hz"], film["frame"]
    n_late = round(0.06 * rate_hz)
    late = np.r_[np.full(n_late, -1), frame[: len(frame) - n_late]]
    tuning = mean_hz * _tuning(rng, int(frame.max()) + 1, n_units, smooth_frames=8)
    expected = _shown(late, tuning, 0.6 * tuning.mean(0)) * _common_gain(rng, len(frame), rate_hz)[:, None]
    return film | {"neural": rng.poisson(expected / rate_hz), "kind": "spikes"}


def _tuning(rng: np.random.Generator, n_frames: int, n_units: int, smooth_frames: float) -> Floats:
    """Return log-normal tuning curves over frames [frame, unit]; units differ in their mean, which is 1 on average."""
    drive = gaussian_filter1d(rng.standard_normal((n_frames, n_units)), smooth_frames, axis=0)
    rate = np.exp(drive / drive.std(0))
    return np.asarray(rate / rate.mean(0) * rng.gamma(2, 0.5, n_units))


def _shown(frame: NDArray[np.int64], of_frame: Floats, blank: Floats) -> Floats:
    """Look up a value per frame, and another where nothing is shown [time, channel]."""
    return np.where((frame >= 0)[:, None], of_frame[np.maximum(frame, 0)], blank)


def _common_gain(rng: np.random.Generator, n: int, rate_hz: float) -> Floats:
    """Return the gain that channels share [time]: log-normal, correlated over about two seconds."""
    slow = gaussian_filter1d(rng.standard_normal(n), rate_hz)
    return np.asarray(np.exp(0.25 * slow / slow.std()))


def _autoregressive(rng: np.random.Generator, shape: tuple[int, int], correlation: float) -> Floats:
    """Return noise of unit variance, each sample correlated with the one before [time, channel]."""
    noise = rng.standard_normal(shape)
    noise[1:] *= np.sqrt(1 - correlation**2)
    for index in range(1, len(noise)):
        noise[index] += correlation * noise[index - 1]
    return noise


def _load(arrays: Arrays) -> Session:
    """Save arrays as npz and read them as a lab's recording is read."""
    arrays["neural"] = np.asarray(arrays["neural"], np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.npz"
        np.savez(path, **arrays)
        return load_session(path)
