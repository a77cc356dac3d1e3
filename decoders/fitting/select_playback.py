"""The playback model's evidence and its readiness for jumps, chosen on held-out parts of the training data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.linear import class_statistics
from decoders.embedding.windows import window_sums
from decoders.fitting.select_forecast import select_forecast
from decoders.fitting.settings import DEFAULT_SHRINKAGE, Settings, cross_validation_folds, fit_readout
from decoders.fitting.validation_sequences import ValidationSequence, validation_sequences
from decoders.metrics import FrameAxis
from decoders.model.parts import Emission, ModelParts
from decoders.playback.filter import MIN_PROBABILITY, Playback
from decoders.playback.transitions import Transitions
from decoders.readouts.classifiers import UNOBSERVED_LOGIT, Scaling, fit_lda, fit_poisson
from decoders.readouts.graph_smoothing import diffusion_kernels, smooth_over_graph
from decoders.readouts.secondary_classifier import smooth_over_frames
from stream.session import Kind

POWERS = (0.0, 0.01, 0.03, 0.1, 0.2, 0.35, 0.6, 1.0, 2.0)
JUMPS = (0.001, 0.003, 0.01, 0.03)
DEFAULT_JUMP = 0.01
PLACE_JUMP = 0.001
"""An animal does not jump as a movie does, and categories follow each other as they usually do."""

DEFAULT_POWER = 0.3
FIRST_POWER = POWERS.index(0.35)
HEARD = 0.1
"""Nats, and three standard errors, by which evidence must better the score of hearing nothing: on noise a small power
wins by chance, and the filter would then follow it with confidence."""
GUESSED = 0.1
OWN_EVENINGS = (0.0, 0.5, 2.0, 4.0)
"""How far places are evened out for a readout of single samples (see `decoders.readouts.graph_smoothing`)."""

ASIDES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Weights of the frame posterior beside a filter that hears single samples."""


@dataclass(frozen=True, slots=True, eq=False)
class SequenceEvidence:
    """A held-out passage and what a decoder, fitted without it, makes of it.

    Attributes
    ----------
    train
        Bool [time], what the decoder was fitted on.
    passage
        Held out.
    evidence
        Float64 [time, states], log likelihoods at power one.
    aside
        Float64 [time, states], logits of the frame posterior, which may count beside it; None = they do not.
    """

    train: NDArray[np.bool_]
    sequence: ValidationSequence
    evidence: NDArray[np.float64]
    aside: NDArray[np.float64] | None = None


def filter_sequence(
    playback: Playback, evidence: NDArray[np.float64], sequence: ValidationSequence
) -> NDArray[np.float64]:
    """Posteriors float64 [time, states] after the filter.

    Parameters
    ----------
    playback
        To try.
    evidence
        Float64 [time, states], log likelihoods.
    passage
        What was shown.
    """
    likelihood: NDArray[np.float64] = np.exp(evidence - evidence.max(1, keepdims=True))
    out = np.empty_like(likelihood)
    state: NDArray[np.floating[Any]] = playback.transitions.initial
    for index, ticks in enumerate(sequence.ticks):
        state = (
            playback.transitions.initial if sequence.boundary[index] else playback.advance(state, int(ticks))
        )
        state = state * likelihood[index]
        state /= state.sum()
        out[index] = state
    return out


def beside(filtered: NDArray[np.float64], trial: SequenceEvidence, aside: float) -> NDArray[np.float64]:
    """What the filter says with the frame posterior beside it, float64 [time, states].

    Parameters
    ----------
    filtered
        Float64 [time, states], from `filter_sequence`.
    trial
        Whose frame posterior.
    aside
        Its weight.
    """
    if trial.aside is None or aside == 0:
        return filtered
    both = filtered * np.exp(aside * (trial.aside - trial.aside.max(1, keepdims=True))) + float(
        MIN_PROBABILITY
    )
    return np.asarray(both / both.sum(1, keepdims=True))


def filtered_log_score(filtered: NDArray[np.float64], trial: SequenceEvidence, axis: FrameAxis) -> float:
    """Mean log probability, in nats, of the truth after the filter: half of exactly it, half of within one second.

    One answer in ten is taken for a guess, so that the moments that no setting gets right do not decide.

    Parameters
    ----------
    filtered
        Float64 [time, states], posteriors.
    trial
        With the truth.
    axis
        What counts as near.
    """
    n_states = filtered.shape[1]
    rows, truth = np.arange(len(filtered)), trial.sequence.state
    low, high = (bound[truth] for bound in axis.tolerance_range)
    total = np.zeros((len(filtered), n_states + 1))
    np.cumsum(filtered, axis=1, out=total[:, 1:])
    near = total[rows, high] - total[rows, low]
    exact = np.log((1 - GUESSED) * filtered[rows, truth] + GUESSED / n_states)
    within = np.log((1 - GUESSED) * near + GUESSED * (high - low) / n_states)
    return float(np.mean(0.5 * exact + 0.5 * within))


def no_emission() -> Emission:
    """Evidence is the frame posterior's logits times a power."""
    nothing = np.zeros((0, 0), np.float32)
    return Emission(
        False, nothing, nothing[0:0].reshape(-1), 1, False, DEFAULT_POWER, DEFAULT_JUMP, DEFAULT_JUMP
    )


def fit_emission(data: TrainingSet, keep: NDArray[np.bool_], n_window: int, smooth_frames: float) -> Emission:
    """A linear readout over a few samples: Poisson for spikes, LDA for the rest.

    Parameters
    ----------
    data
        Training data.
    keep
        Bool [time], which samples to use.
    n_window
        Samples to sum over.
    smooth_frames
        Width of the Gaussian that evens out neighbouring frames of a clip; of places, how far they are evened out.
    """
    sums, _ = window_sums(data.clean, data.boundary, n_window)
    scaling = Scaling(n_window, root=False)
    m = class_statistics(scaling.features(sums[keep]), data.state[keep], data.n_states)
    if data.movie is not None and smooth_frames > 0:
        m = smooth_over_frames(m, data, smooth_frames)
    elif smooth_frames > 0:
        m = smooth_over_graph(m, diffusion_kernels(data, keep, [smooth_frames])[0])
    if data.kind is Kind.SPIKES:
        readout = fit_poisson(m.mean * n_window, m.observed, gain_shape=0.0)
        readout = replace(readout, weights=readout.weights * np.float32(n_window))
    else:
        readout = fit_lda(m, DEFAULT_SHRINKAGE)
    return Emission(True, readout.weights, readout.bias, n_window, False, 1.0, DEFAULT_JUMP, DEFAULT_JUMP)


Heard = Callable[[NDArray[np.bool_], NDArray[np.float32], NDArray[np.bool_]], NDArray[np.float32]]
"""From a training mask, clean samples and their borders to the evidence of each sample, [time, states]."""


@dataclass(frozen=True, slots=True, eq=False)
class PlaybackSelection:
    """What was chosen for the playback model.

    Attributes
    ----------
    settings
        Of the frame posterior: the window that serves the filter, or where that has a readout of its own, the best.
    emission
        Fitted on all of the training data.
    table
        How the movie is played, with the forecast's transitions.
    floors
        Of the simple forecasts that the model's is compared with (see `decoders.fitting.select_forecast`).
    score
        Of `filtered_log_score`; NaN when nothing could be held out.
    filtered
        The held-out passages with their posteriors after the filter.
    """

    settings: Settings
    emission: Emission
    table: Transitions
    floors: dict[str, list[float]]
    score: float
    filtered: list[tuple[SequenceEvidence, NDArray[np.float64]]]


def select_playback(
    data: TrainingSet, candidates: Sequence[Settings], table: Transitions, seed: int
) -> PlaybackSelection:
    """Choose what the playback model hears, how loud, and how ready it is to jump, now and ahead.

    Parameters
    ----------
    data
        Training data.
    candidates
        Settings of the frame posterior, the best first.
    table
        Learned transitions.
    seed
        Of the random order of scenes.
    """
    jump = DEFAULT_JUMP if data.movie_rate_hz else PLACE_JUMP
    playback = _playback(data, table, jump)
    score, power, aside, settings = float("nan"), DEFAULT_POWER, 0.0, candidates[0]
    way: tuple[int, float] | None = None
    kept: list[SequenceEvidence] = []
    # Overlapping windows count the same spikes many times, and held-out showings forgive that where later ones do not:
    # single samples are heard wherever they can be.
    alone = data.movie_rate_hz > 0 and data.kind is Kind.SPIKES
    listeners: list[tuple[Settings, tuple[int, float] | None]] = []
    # Of places the posterior without the playback model is to stay the best one, so only that is heard.
    heard = candidates if data.movie is not None else candidates[:1]
    listeners += [(c, None) for c in heard if not alone]
    listeners += [(candidates[0], own) for own in _own_ways(data)]
    for trial_settings, trial_way in listeners:
        trials = _trials(data, _listener(data, trial_settings, trial_way), seed)
        if trial_way is not None and data.movie is None:
            sides = _trials(data, _listener(data, trial_settings, None), seed)
            trials = [replace(t, aside=side.evidence) for t, side in zip(trials, sides, strict=True)]
        now, at, weight = _best_power(playback, trials, data.axis)
        if trials and not now <= score:
            score, power, aside, settings, way, kept = now, at, weight, trial_settings, trial_way, trials
    for trial_jump in JUMPS if kept else ():
        now = float(_scores(_playback(data, table, trial_jump), kept, power, data.axis, (aside,))[0].mean())
        if now > score:
            score, jump = now, trial_jump
    chosen = _playback(data, table, jump)
    filtered = [(t, beside(filter_sequence(chosen, power * t.evidence, t.sequence), t, aside)) for t in kept]
    table, jump_ahead, floors = select_forecast(data, [(t.sequence, f) for t, f in filtered], table)
    emission = no_emission() if way is None else fit_emission(data, np.ones(len(data.state), bool), *way)
    emission = replace(emission, evidence_weight=power, jump=jump, jump_ahead=jump_ahead, window_weight=aside)
    return PlaybackSelection(settings, emission, table, floors, score, filtered)


def select_evidence_weight(data: TrainingSet, heard: Heard, playback: Playback, seed: int) -> float:
    """The power at which a decoder's logits serve the playback model best on held-out data.

    Parameters
    ----------
    data
        Training data.
    heard
        Fits the decoder on a part and answers for samples.
    playback
        To be fed.
    seed
        Of the random order of scenes.
    """
    return _best_power(playback, _trials(data, heard, seed), data.axis)[1]


def select_posterior_weight(data: TrainingSet, settings: Settings, parts: ModelParts, seed: int) -> float:
    """The power at which the frame posterior itself serves as evidence, which refits for the null use.

    Parameters
    ----------
    data
        Training data.
    settings
        Of the frame posterior.
    parts
        Of the model.
    seed
        Of the random order of scenes.
    """
    playback = _playback(data, parts.playback, parts.emission.jump)
    if not parts.emission.own_readout:
        return parts.emission.evidence_weight
    return select_evidence_weight(data, _listener(data, settings, None), playback, seed)


def _playback(data: TrainingSet, table: Transitions, jump: float) -> Playback:
    return Playback(table, jump, jump, data.movie_rate_hz, data.rate_hz, data.lag_s)


def _own_ways(data: TrainingSet) -> list[tuple[int, float]]:
    """Readouts of its own that are tried: samples summed, and frames evened out."""
    if data.movie_rate_hz and data.rate_hz:
        return [(1, 1.0), (1, 2.5)]
    return [(1, 0.0)] if data.movie is not None else [(1, smoothing) for smoothing in OWN_EVENINGS]


def _listener(data: TrainingSet, settings: Settings, way: tuple[int, float] | None) -> Heard:
    """The evidence of the frame posterior (no way) or of a readout of its own."""

    def posterior(
        train: NDArray[np.bool_], clean: NDArray[np.float32], boundary: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        windows = settings.windows(data.clean, data.boundary)
        reader = fit_readout(data, windows, train, settings)
        sums, fullness = settings.windows(clean, boundary)
        return reader.logits(sums) * fullness[:, None]

    def own(
        train: NDArray[np.bool_], clean: NDArray[np.float32], boundary: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        assert way is not None
        emission = fit_emission(data, train, *way)
        sums, fullness = window_sums(clean, boundary, emission.n_window)
        features = Scaling(emission.n_window, emission.root).features(sums)
        return emission.similarity(features) * fullness[:, None]

    return posterior if way is None else own


def _trials(data: TrainingSet, heard: Heard, seed: int) -> list[SequenceEvidence]:
    """Held-out passages of every fold with their evidence."""
    out = []
    for train, test in cross_validation_folds(data):
        for sequence in validation_sequences(data, test, np.random.default_rng(seed)):
            evidence = heard(train, sequence.clean, sequence.boundary)
            out.append(
                SequenceEvidence(train, sequence, np.maximum(evidence, UNOBSERVED_LOGIT).astype(np.float64))
            )
    return out


def _scores(
    playback: Playback, trials: list[SequenceEvidence], power: float, axis: FrameAxis, asides: Sequence[float]
) -> tuple[NDArray[np.float64], float]:
    """Float64 [trials] with the best weight of what stands aside, and that weight."""
    filtered = [filter_sequence(playback, power * trial.evidence, trial.sequence) for trial in trials]
    scores = [
        np.array(
            [filtered_log_score(beside(f, t, a), t, axis) for f, t in zip(filtered, trials, strict=True)]
        )
        for a in asides
    ]
    best = int(np.argmax([each.mean() for each in scores]))
    return scores[best], asides[best]


def _best_power(
    playback: Playback, trials: list[SequenceEvidence], axis: FrameAxis
) -> tuple[float, float, float]:
    """Score, power and weight aside at the peak uphill of the usual power; the score is NaN without passages.

    Power zero and nothing aside, hearing nothing, when the peak is not clearly above that.
    """
    if not trials:
        return float("nan"), DEFAULT_POWER, 0.0
    asides = ASIDES if trials[0].aside is not None else (0.0,)
    scores: dict[int, tuple[NDArray[np.float64], float]] = {}

    def at(index: int) -> float:
        if index not in scores:
            scores[index] = _scores(playback, trials, POWERS[index], axis, asides)
        return float(scores[index][0].mean())

    best = FIRST_POWER
    for step in (1, -1):
        while 0 <= best + step < len(POWERS) and at(best + step) > at(best):
            best += step
    silent, _ = _scores(playback, trials, POWERS[0], axis, (0.0,))
    gain = scores[best][0] - silent
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
    if gain.mean() <= max(HEARD, 3 * error):
        return float(silent.mean()), POWERS[0], 0.0
    return at(best), POWERS[best], scores[best][1]
