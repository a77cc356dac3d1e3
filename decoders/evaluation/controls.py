"""Controls: what decoders that cannot know the movie score, so that chance is measured and not assumed."""

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
from decoders.readouts.secondary_classifier import settings_from_card
from stream.session import Session

N_NULL = 200
"""Random shifts between answers and truth that a control's own null is made of."""

PosteriorPair = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Posteriors [time, states] with the playback model and without."""

SURE = float(np.log(99.0))
"""Log odds of a clock that knows its answer."""


def counter(data: TrainingSet, playback: Playback, test: Session) -> PosteriorPair:
    """A clock that knows only how long ago the recording or showing began, and what was usual then.

    Parameters
    ----------
    data
        Training data, from which it learns what is usual.
    playback
        The model's.
    test
        To answer for; of its truth only the borders of showings are used.
    """
    usual = _usual_state(data)
    tick = _ticks_since_border(test, data.movie_rate_hz)
    logits = np.zeros((test.n_samples, data.n_states), np.float32)
    logits[np.arange(test.n_samples), usual[tick % len(usual)]] = SURE
    return filter_recording(playback, logits, test), posteriors(logits)


def onset_clock(data: TrainingSet, playback: Playback, test: Session) -> PosteriorPair:
    """The playback model, without its readiness for jumps, fed nothing but whether something is shown.

    Parameters
    ----------
    data
        Training data, for the number of states.
    playback
        The model's.
    test
        To answer for; of its truth only shown or not is used.
    """
    table = replace(playback.transitions, steps=playback.transitions.forecast_steps)
    clock = Playback(table, playback.jump_ahead, playback.jump_ahead, data.movie_rate_hz, data.rate_hz)
    shown = test.frame >= 0
    logits = np.zeros((test.n_samples, data.n_states), np.float32)
    logits[shown, -1] = -SURE
    logits[~shown, :-1] = -SURE
    return filter_recording(clock, logits, test), posteriors(logits)


def neural_shuffled(model: Model, test: Session, seed: int) -> PosteriorPair:
    """The model on the test samples in random order.

    Parameters
    ----------
    model
        Fitted.
    test
        Its samples are permuted within each showing.
    seed
        Of the permutation.
    """
    rng = np.random.default_rng(seed)
    order = np.arange(test.n_samples)
    showing = test.showing()
    for number in np.unique(showing):
        at = np.flatnonzero(showing == number)
        order[at] = rng.permutation(at)
    predictions = model.predict(replace(test, neural=np.asarray(test.neural)[order]), forecasts=False)
    return predictions.posterior, predictions.posterior_without_playback


def labels_shifted(
    data: TrainingSet, model: Model, test: Session, n_draws: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Refits on labels that were shifted in time, each showing by its own random amount.

    Parameters
    ----------
    data
        Training data.
    model
        Whose settings are used.
    test
        To answer for.
    n_draws
        Refits.
    seed
        Of the shifts.

    Yields
    ------
    with_playback, without_playback
        Int64 [time], the frames answered; -1 = no stimulus.
    """
    rng = np.random.default_rng(seed)
    settings = settings_from_model(model)
    boundary = np.r_[True, np.diff(test.segment) > 0]
    clean = data.preprocessor.run(np.asarray(test.neural, np.float32), boundary)
    windows = settings.windows(data.clean, data.boundary)
    test_sums, fullness = settings.windows(clean, boundary)
    everything = np.ones(len(data.state), bool)
    for _ in range(n_draws):
        null = data.with_state(shift_labels(data, rng))
        reader = fit_readout(null, windows, everything, settings)
        logits = reader.logits(test_sums) * fullness[:, None]
        power = model.card["posterior_power"]
        yield likeliest(filter_recording(model.playback, logits, test, power)), likeliest(logits)


def settings_from_model(model: Model) -> ReadoutSettings:
    """What was chosen for a model's frame posterior, to refit with.

    Parameters
    ----------
    model
        Fitted.
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
    )


def shift_labels(data: TrainingSet, rng: np.random.Generator) -> NDArray[np.int64]:
    """The training states with the frames of each block turned round by a random amount of their own.

    One shift for all would be no control: a model fitted on it is as good as before, only late. For the same reason
    the shifts are spread evenly over the block, in random order from a random start: two that agree by accident would
    make a model again.

    Parameters
    ----------
    data
        Training data.
    rng
        Where the shifts come from.
    """
    state = data.state.copy()
    # Laps and trials are short, and turning each alone would keep most of what they have in common.
    block = data.block if data.movie is not None else np.arange(len(state)) * 10 // max(len(state), 1)
    blocks = np.unique(block)
    share = (rng.permutation(len(blocks)) + rng.uniform()) / len(blocks)
    for number, part in zip(blocks, share, strict=True):
        at = np.flatnonzero((block == number) & (state < data.n_frames))
        state[at] = np.roll(state[at], round(part * len(at)))
    return state


def null_p95(predicted: NDArray[np.int64], test: Session, axis: FrameAxis, seed: int) -> float:
    """The accuracy that 95 % of random shifts between these answers and the truth stay under.

    Parameters
    ----------
    predicted
        Int64 [time], frames answered.
    test
        With the truth.
    axis
        What counts as near.
    seed
        Of the shifts.
    """
    shown = test.frame >= 0
    predictions, truth = predicted[shown], test.frame[shown]
    if len(truth) < 2:
        return float("nan")
    rng = np.random.default_rng(seed)
    draws = [
        accuracy(np.roll(predictions, shift), truth, axis)
        for shift in rng.integers(1, len(truth), size=N_NULL)
    ]
    return float(np.quantile(draws, 0.95))


def _usual_state(data: TrainingSet) -> NDArray[np.int64]:
    """The commonest state at each tick since a showing began, int64 [ticks]."""
    total = np.cumsum(data.ticks)
    tick = total - total[segment_begins(data.boundary)]
    n_ticks = int(np.quantile(tick, 0.99)) + 1 if len(tick) else 1
    inside = tick < n_ticks
    pairs, count = np.unique(tick[inside] * data.n_states + data.state[inside], return_counts=True)
    usual = np.full(n_ticks, data.n_frames, np.int64)
    order = np.argsort(count, kind="stable")  # the commonest is written last
    usual[pairs[order] // data.n_states] = pairs[order] % data.n_states
    return usual


def _ticks_since_border(test: Session, movie_rate_hz: float) -> NDArray[np.int64]:
    clock = FrameClock(movie_rate_hz)
    showing = test.showing()
    out = np.zeros(test.n_samples, np.int64)
    now = 0
    for index, stamp in enumerate(test.stamps):
        if (
            index == 0
            or test.segment[index] != test.segment[index - 1]
            or showing[index] != showing[index - 1]
        ):
            clock.reset()
            now = 0
        now += clock.advance(float(stamp))
        out[index] = now
    return out
