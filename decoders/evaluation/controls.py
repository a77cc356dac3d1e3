"""Controls: scores of decoders without information about the movie, which measure chance instead of assuming it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.windows import segment_begins
from decoders.evaluation.batch_filter import filter_recording, posteriors
from decoders.fitting.settings import ReadoutSettings, fit_readout
from decoders.metrics import FrameAxis, accuracy, likeliest
from decoders.model.model import Model
from decoders.playback.filter import Playback
from decoders.playback.frame_clock import FrameClock
from decoders.prediction import Predictions
from decoders.readouts.continuous import median_error
from decoders.readouts.secondary_classifier import settings_from_card
from stream.session import Session

N_SHIFTS = 200
"""Random shifts between predictions and truth in the null distribution of a control."""

PosteriorPair = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Posteriors float32 [time, states] with the playback model, and without it."""

CERTAINTY = float(np.log(99.0))
"""Log odds that the clocks give their prediction."""


def counter(data: TrainingSet, playback: Playback, test: Session) -> PosteriorPair:
    """Predict the state that was most common in training at the same time since the repeat began.

    Parameters
    ----------
    data
        Training data.
    playback
        The model's playback model.
    test
        Test data; of its truth only the boundaries between repeats are used.
    """
    common = _most_common_states(data)
    tick = _ticks_since_boundary(test, data.movie_rate_hz)
    logits = np.zeros((test.n_samples, data.n_states), np.float32)
    logits[np.arange(test.n_samples), common[tick % len(common)]] = CERTAINTY
    return filter_recording(playback, logits, test), posteriors(logits)


def onset_clock(data: TrainingSet, playback: Playback, test: Session) -> PosteriorPair:
    """Run the forecast's transitions with no evidence but whether a stimulus is on.

    Parameters
    ----------
    data
        Training data, for the number of states.
    playback
        The model's playback model.
    test
        Test data; of its truth only stimulus on or off is used.
    """
    transitions = replace(playback.transitions, steps=playback.transitions.forecast_steps)
    clock = Playback(transitions, playback.jump_ahead, playback.jump_ahead, data.movie_rate_hz, data.rate_hz)
    shown = test.frame >= 0
    logits = np.zeros((test.n_samples, data.n_states), np.float32)
    logits[shown, -1] = -CERTAINTY
    logits[~shown, :-1] = -CERTAINTY
    return filter_recording(clock, logits, test), posteriors(logits)


def neural_shuffled(model: Model, test: Session, seed: int) -> Predictions:
    """Decode the test samples in random order within each repeat.

    Parameters
    ----------
    model
        Fitted model.
    test
        Test data.
    seed
        Random seed of the permutations.
    """
    rng = np.random.default_rng(seed)
    order = np.arange(test.n_samples)
    repeat = test.repeat_with_blanks()
    for number in np.unique(repeat):
        at = np.flatnonzero(repeat == number)
        order[at] = rng.permutation(at)
    return model.predict(replace(test, neural=np.asarray(test.neural)[order]), forecasts=False)


def labels_shifted(
    data: TrainingSet, model: Model, test: Session, n_draws: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Refit the frame decoder on shifted labels and decode the test data: the null distribution.

    Parameters
    ----------
    data
        Training data.
    model
        Model whose settings are used.
    test
        Test data.
    n_draws
        Number of refits.
    seed
        Random seed of the shifts.

    Yields
    ------
    with_playback, without_playback
        Int64 [time], predicted frames; -1 = no stimulus.
    """
    rng = np.random.default_rng(seed)
    settings = settings_from_model(model)
    boundary = test.boundary
    clean = data.preprocessor.run(np.asarray(test.neural, np.float32), boundary)
    test_sums, fullness = settings.windows(clean, boundary)
    everything = np.ones(len(data.state), bool)
    for _ in range(n_draws):
        null = data.with_state(shift_labels(data, rng))
        readout = fit_readout(null, everything, settings)
        logits = readout.logits(test_sums) * fullness[:, None]
        weight = model.card["posterior_power"]
        yield likeliest(filter_recording(model.playback, logits, test, weight)), likeliest(posteriors(logits))


def settings_from_model(model: Model) -> ReadoutSettings:
    """Return the settings of a model's linear frame decoder, for refits.

    Parameters
    ----------
    model
        Fitted model.
    """
    return ReadoutSettings(
        model.parts.scaling.n_window,
        model.card["shrinkage"],
        model.parts.prototypes.cosine,
        model.parts.inverse_temperature,
        float("nan"),
        settings_from_card(model.card),
        float(model.card.get("channel_share", 1.0)),
        model.parts.spans,
        float(model.card.get("evening", 0.0)),
        blank_bias=float(model.card.get("blank_bias", 0.0)),
        diagonal=bool(model.card.get("diagonal", False)),
    )


def shift_labels(data: TrainingSet, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rotate the frames of each block by its own random amount, int64 [time].

    A single shift for all blocks would be no control: a model fitted on it decodes as well as before, only late. For the
    same reason the amounts are evenly spaced over the block, in random order from a random start: two equal ones would
    again train a model.

    Parameters
    ----------
    data
        Training data.
    rng
        Random generator for the amounts.
    """
    state = data.state.copy()
    # Laps and trials are short: rotating each by itself would keep most of their common course.
    block = data.block if data.movie is not None else np.arange(len(state)) * 10 // max(len(state), 1)
    blocks = np.unique(block)
    share = (rng.permutation(len(blocks)) + rng.uniform()) / len(blocks)
    for number, part in zip(blocks, share, strict=True):
        at = np.flatnonzero((block == number) & (state < data.n_frames))
        state[at] = np.roll(state[at], round(part * len(at)))
    return state


def null_p95(predicted: NDArray[np.int64], test: Session, axis: FrameAxis, seed: int) -> float:
    """Return the 95th percentile of the accuracy over random shifts between predictions and truth.

    Parameters
    ----------
    predicted
        Int64 [time], predicted frames.
    test
        Test data with the truth.
    axis
        With the tolerance of one second.
    seed
        Random seed of the shifts.
    """
    shown = test.frame >= 0
    predictions, truth = predicted[shown], test.frame[shown]
    if len(truth) < 2:
        return float("nan")
    rng = np.random.default_rng(seed)
    draws = [
        accuracy(np.roll(predictions, shift), truth, axis)
        for shift in rng.integers(1, len(truth), size=N_SHIFTS)
    ]
    return float(np.quantile(draws, 0.95))


def _most_common_states(data: TrainingSet) -> NDArray[np.int64]:
    """Return the most common state at each tick since a repeat began, int64 [ticks]."""
    total = np.cumsum(data.ticks)
    tick = total - total[segment_begins(data.boundary)]
    n_ticks = int(np.quantile(tick, 0.99)) + 1 if len(tick) else 1
    inside = tick < n_ticks
    numbered = tick[inside] * data.n_states + data.state[inside]
    pairs, first, count = np.unique(numbered, return_index=True, return_counts=True)
    common = np.full(n_ticks, data.n_frames, np.int64)
    order = np.lexsort((-first, count))  # the most common is written last, of several the one that came first
    common[pairs[order] // data.n_states] = pairs[order] % data.n_states
    return common


def _ticks_since_boundary(test: Session, movie_rate_hz: float) -> NDArray[np.int64]:
    """Return the ticks of the frame clock since the segment or repeat began, int64 [time]."""
    clock = FrameClock(movie_rate_hz)
    repeat = test.repeat_with_blanks()
    out = np.zeros(test.n_samples, np.int64)
    now = 0
    for index, stamp in enumerate(test.stamps):
        if index == 0 or test.segment[index] != test.segment[index - 1] or repeat[index] != repeat[index - 1]:
            clock.reset()
            now = 0
        now += clock.advance(float(stamp))
        out[index] = now
    return out


def null_error(estimate: NDArray[np.float32], truth: NDArray[np.float32], seed: int) -> float:
    """Return the 5th percentile of a label's median error over random shifts between estimates and truth.

    Parameters
    ----------
    estimate, truth
        Float32 [time, k]; NaN where unknown.
    seed
        Random seed of the shifts.
    """
    known = np.isfinite(truth).all(1)
    estimate, truth = estimate[known], truth[known]
    if len(truth) < 2:
        return float("nan")
    shifts = np.random.default_rng(seed).integers(1, len(truth), size=N_SHIFTS)
    return float(np.quantile([median_error(np.roll(estimate, shift, 0), truth) for shift in shifts], 0.05))
