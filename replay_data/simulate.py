"""Simulated recordings of visual cortex during a movie, from a preset and a random seed."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from replay_data.movie import RATE_HZ, make_movie, scene_starts
from replay_data.population import Tuning, delay, draw_units, drive, latent_rates, shift_units
from replay_data.schedule import Schedule, disturbed_repeat, make_schedule
from replay_data.state import behaviour, log_gain
from stream.errors import BadUsage
from stream.movie import Movie, one_clip
from stream.session import Kind, Session

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings of a simulated recording.

    Attributes
    ----------
    n_units, mean_rate_hz
        Number of channels, and their mean firing rate in Hz (log-normal over units).
    gain_noise
        Standard deviation of the log gain fluctuations that units share.
    own_noise
        Standard deviation of each unit's private log gain fluctuations (Goris, Movshon and Simoncelli 2014).
    drift
        Representational drift: share of each unit's tuning that is replaced by the end of the recording, 0 to 1.
    gain_drift
        Standard deviation of each unit's log gain over minutes.
    state_gain
        Standard deviation over units of the change of log gain by running.
    n_dead, n_noisy
        Number of silent channels, and of channels that fire independently of the movie.
    n_train
        Number of training repeats; one validation and two test repeats follow.
    episode
        Repeats within which a long episode of running begins and ends.
    n_scenes, scene_s
        Number of scenes of the movie, and their mean length in seconds.
    n_unseen
        Number of further scenes, which only the test repeats show.
    speeds
        Playback speeds of further test repeats, in order.
    stimulus
        Whether units respond to the movie; if not, nothing can be decoded.
    tuning
        Response properties of the units.
    """

    n_units: int = 120
    mean_rate_hz: float = 6.0
    gain_noise: float = 0.25
    own_noise: float = 0.25
    drift: float = 0.15
    gain_drift: float = 0.35
    state_gain: float = 0.3
    n_dead: int = 2
    n_noisy: int = 2
    n_train: int = 9
    episode: tuple[int, int] = (6, 7)
    n_scenes: int = 8
    scene_s: float = 3.75
    n_unseen: int = 0
    speeds: tuple[float, ...] = ()
    stimulus: bool = True
    tuning: Tuning = field(default_factory=Tuning)


_DEMO = Preset()
_SPARSE = Preset(
    n_units=30,
    mean_rate_hz=0.5,
    gain_noise=0.15,
    own_noise=0.15,
    drift=0.05,
    gain_drift=0.1,
    n_dead=0,
    n_noisy=0,
    tuning=Tuning(
        exponent=(3.0, 6.0), threshold=0.5, adaptation=0.0, spontaneous=(0.0, 0.1), rate_spread=0.5
    ),
)
_SPARSE_GAIN = replace(_SPARSE, gain_noise=0.6, own_noise=0.4, drift=0.4, gain_drift=0.35)

PRESETS: dict[str, Preset] = {
    "demo": _DEMO,
    "sparse": _SPARSE,
    "sparse-gain-30": _SPARSE_GAIN,
    "sparse-gain-100": replace(_SPARSE_GAIN, n_units=100),
    "sparse-gain-300": replace(_SPARSE_GAIN, n_units=300, mean_rate_hz=0.1),
    "units-1000": replace(_DEMO, n_units=1000),
    "many-scenes": replace(
        _DEMO, n_units=600, n_train=3, episode=(1, 2), n_scenes=64, n_unseen=16, scene_s=3.0
    ),
    "noise": replace(_DEMO, stimulus=False),
}
"""Presets by name."""


def find_preset(name: str) -> Preset:
    """Return a preset by its name.

    Raises
    ------
    BadUsage
        When there is no preset of that name.

    Examples
    --------
    >>> find_preset("units-1000").n_units
    1000
    """
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, 1)
    hint = f" Did you mean {near[0]!r}?" if near else f" Presets are: {', '.join(PRESETS)}."
    raise BadUsage(f"preset {name!r} does not exist.{hint}")


def simulate(preset: str | Preset, seed: int = 0, movie: Movie | None = None) -> Session:
    """Simulate a recording.

    Parameters
    ----------
    preset
        Name in `PRESETS`, or a `Preset`.
    seed
        Random seed; the same preset and seed give the same bytes.
    movie
        Movie to show instead of the preset's: the same one, read back from a (lossy) video file.

    Returns
    -------
    session
        Spike counts in bins of 1/30 s. Repeats ``0 .. n_train - 1`` are for training, the next one for validation; a
        test repeat in order and a disturbed one follow (see `replay_data.schedule.disturbed_repeat`), with gray between.
        The label "running" is the speed in cm/s.

    Raises
    ------
    BadUsage
        When there is no such preset, its scenes are too few or too short, or the movie lacks pictures or has another
        length.

    Examples
    --------
    >>> preset = Preset(n_units=12, n_train=2, episode=(0, 1), n_scenes=4, scene_s=4.0)
    >>> simulate(preset, seed=2)  # doctest: +ELLIPSIS
    <Session: V1 | spikes 12 channels, 30 Hz, ... samples, 5 repeats, 480 frames>
    """
    preset = find_preset(preset) if isinstance(preset, str) else preset
    starts = _starts(preset, seed)
    movie = preset_movie(preset, seed) if movie is None else movie
    if movie.frames is None or movie.n_frames != starts[-1]:
        n_pictures = 0 if movie.frames is None else movie.n_frames
        raise BadUsage(f"the movie has {n_pictures} pictures; give one with {starts[-1]}.")
    schedule = _schedule(preset, starts, np.random.default_rng([seed, 10]))
    rng = np.random.default_rng([seed, 11])
    rates = _stimulus_rates(preset, movie.frames, schedule, rng)
    state, running = behaviour(schedule.repeat, preset.episode, rng)
    rates = _add_state(preset, rates, state, rng)
    counts = rng.poisson(_add_bad_channels(preset, rates, rng) / RATE_HZ).astype(np.float32)
    n_bins = len(counts)
    return Session(
        neural=counts,
        stamps=(np.arange(n_bins) + 1) / RATE_HZ,
        frame=schedule.frame,
        repeat=schedule.repeat,
        segment=np.zeros(n_bins, np.int32),
        channel_names=tuple(f"unit-{unit:03d}" for unit in range(preset.n_units)),
        kind=Kind.SPIKES,
        rate_hz=RATE_HZ,
        labels={"running": running},
        movie=movie,
        name="V1",
        simulated=True,
    )


def preset_movie(preset: Preset, seed: int) -> Movie:
    """Return the movie of a preset: one clip, or one per scene when only the test shows some of the scenes."""
    starts = _starts(preset, seed)
    movie = make_movie(len(starts) - 1, int(starts[-1]), seed, name="demo")
    if not preset.n_unseen or movie.frames is None:
        return movie
    clips = []
    for scene, (begin, end) in enumerate(pairwise(starts.tolist())):
        clip = one_clip(f"scene-{scene:02d}", movie.frames[begin:end], RATE_HZ).clips[0]
        clips.append(replace(clip, first_frame=begin))
    return Movie(tuple(clips), movie.frames)


def _starts(preset: Preset, seed: int) -> NDArray[np.int32]:
    """Return the first frame of each scene of a preset's movie, and its end."""
    n_scenes = preset.n_scenes + preset.n_unseen
    return scene_starts(n_scenes, round(n_scenes * preset.scene_s * RATE_HZ), seed)


def _schedule(preset: Preset, starts: NDArray[np.int32], rng: np.random.Generator) -> Schedule:
    """Schedule training and validation repeats in order, then a test repeat in order and a disturbed one."""
    train = np.arange(starts[preset.n_scenes], dtype=np.int32)
    test_starts = starts[preset.n_scenes :] if preset.n_unseen else starts
    in_order = np.arange(test_starts[0], test_starts[-1], dtype=np.int32)
    repeats = [train] * (preset.n_train + 1) + [in_order, disturbed_repeat(test_starts, rng)]
    repeats += [in_order[np.arange(0, len(in_order), speed).astype(np.int32)] for speed in preset.speeds]
    return make_schedule(repeats, rng)


def _stimulus_rates(
    preset: Preset,
    frames: NDArray[np.uint8],
    schedule: Schedule,
    rng: np.random.Generator,
) -> Array:
    """Return each unit's response to the stimulus, relative to its mean, float32 [time, units]."""
    if not preset.stimulus:
        return np.ones((len(schedule.frame), preset.n_units), np.float32)
    units = draw_units(preset.n_units, preset.tuning, rng)
    drifted = shift_units(units, rng)
    reference = np.flatnonzero(schedule.repeat == 0)
    latent = []
    for fields in (units, drifted):
        drives = drive(fields, frames, schedule.frame, preset.tuning)
        latent.append(latent_rates(fields, drives, reference, preset.tuning))
    moved = np.linspace(0, preset.drift, len(schedule.frame), dtype=np.float32)[:, None]
    return delay((1 - moved) * latent[0] + moved * latent[1], units.latency_s)


def _add_state(preset: Preset, rates: Array, state: Array, rng: np.random.Generator) -> Array:
    """Convert responses to rates in Hz: mean rates, gain fluctuations, running and saturation."""
    n_bins, n_units = rates.shape
    mean_hz = np.exp(preset.tuning.rate_spread * rng.standard_normal(n_units)).astype(np.float32)
    mean_hz *= preset.mean_rate_hz / mean_hz.mean()
    gain = log_gain(n_bins, n_units, preset.gain_noise, preset.own_noise, preset.gain_drift, rng)
    gain += state[:, None] * np.asarray(rng.normal(0.15, preset.state_gain, n_units), np.float32)
    raised = state[:, None] * np.asarray(rng.exponential(0.25, n_units), np.float32)
    hz = mean_hz * (rates * np.exp(gain) + raised)
    return np.asarray(preset.tuning.max_rate_hz * np.tanh(hz / preset.tuning.max_rate_hz), np.float32)


def _add_bad_channels(preset: Preset, rates: Array, rng: np.random.Generator) -> Array:
    """Silence some channels, and replace others by bursts independent of the movie."""
    bad = rng.permutation(preset.n_units)[: preset.n_dead + preset.n_noisy]
    rates[:, bad[: preset.n_dead]] = 0
    for channel in bad[preset.n_dead :]:
        burst = rng.random(len(rates)) < 0.1
        rates[:, channel] = rng.uniform(20, 40) * (1 + 3 * burst)
    return rates
