"""Selects the weights of the playback model's evidence by the held-out log score after the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.fitting.fit_emission import (
    DEFAULT_EVIDENCE_WEIGHT,
    EvidenceFunction,
    SequenceEvidence,
    held_out_evidence,
)
from decoders.fitting.validation_sequences import ValidationSequence, moment_weights
from decoders.metrics import FrameAxis
from decoders.playback.filter import MIN_PROBABILITY, Playback

EVIDENCE_WEIGHTS = (0.0, 0.01, 0.03, 0.1, 0.2, 0.35, 0.6, 1.0, 2.0)
START = EVIDENCE_WEIGHTS.index(0.35)
"""Index of the evidence weight from which the search climbs."""

WINDOW_WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Candidate weights of the frame decoder's logits when the filter's evidence comes from single samples."""

MIN_GAIN = 0.1
"""Nats by which evidence must improve on ignoring it, in each sequence or else by three standard errors over them: on
noise a small weight wins by chance, and the filter would then follow noise with confidence."""

GUESS_RATE = 0.1
"""Share of predictions assumed to be guesses, so that samples that no setting decodes do not decide."""


def filter_sequence(
    playback: Playback, evidence: NDArray[np.float64], sequence: ValidationSequence
) -> NDArray[np.float64]:
    """Return the posteriors after the forward filter, float64 [time, states].

    Parameters
    ----------
    playback
        Candidate playback model.
    evidence
        Float64 [time, states], weighted log likelihoods.
    sequence
        Its ticks and segment boundaries are used.
    """
    likelihood: NDArray[np.float64] = np.exp(evidence - evidence.max(1, keepdims=True))
    out = np.empty_like(likelihood)
    initial = playback.transitions.initial
    state: NDArray[np.floating[Any]] = initial
    for index, ticks in enumerate(sequence.ticks):
        state = initial if sequence.boundary[index] else playback.advance(state, int(ticks))
        state = state * likelihood[index]
        state /= state.sum()
        out[index] = state
    return out


def with_window_evidence(
    filtered: NDArray[np.float64], evidence: SequenceEvidence, weight: float
) -> NDArray[np.float64]:
    """Multiply filtered posteriors by the frame decoder's likelihood, float64 [time, states].

    Parameters
    ----------
    filtered
        Float64 [time, states], from `filter_sequence`.
    evidence
        With the frame decoder's logits.
    weight
        Weight of these logits; 0 disables them.
    """
    logits = evidence.window_evidence
    if logits is None or weight == 0:
        return filtered
    product = filtered * np.exp(weight * (logits - logits.max(1, keepdims=True))) + float(MIN_PROBABILITY)
    return np.asarray(product / product.sum(1, keepdims=True))


def filtered_log_score(filtered: NDArray[np.float64], sequence: ValidationSequence, axis: FrameAxis) -> float:
    """Return the mean log score in nats: half of the exact state, half of all states within one second.

    What moments count is in `decoders.fitting.validation_sequences.moment_weights`.

    Parameters
    ----------
    filtered
        Float64 [time, states], posteriors.
    sequence
        With the true states.
    axis
        With the range of states within one second.
    """
    n_states = filtered.shape[1]
    rows, truth = np.arange(len(filtered)), sequence.state
    low, high = (bound[truth] for bound in axis.tolerance_range)
    cumulative = np.zeros((len(filtered), n_states + 1))
    np.cumsum(filtered, axis=1, out=cumulative[:, 1:])
    near = cumulative[rows, high] - cumulative[rows, low]
    exact = np.log((1 - GUESS_RATE) * filtered[rows, truth] + GUESS_RATE / n_states)
    within = np.log((1 - GUESS_RATE) * near + GUESS_RATE * (high - low) / n_states)
    return float(moment_weights(truth, axis.n_frames) @ (0.5 * exact + 0.5 * within))


def select_evidence_weight(data: TrainingSet, fit: EvidenceFunction, playback: Playback, seed: int) -> float:
    """Select the weight with which a decoder's logits serve the playback model best on held-out data.

    Parameters
    ----------
    data
        Training data.
    fit
        Fits the decoder on a part of the data.
    playback
        Playback model.
    seed
        Random seed of the shuffled scenes.
    """
    return select_weights(playback, held_out_evidence(data, fit, seed), data.axis)[1]


def select_weights(
    playback: Playback, evidence: list[SequenceEvidence], axis: FrameAxis
) -> tuple[float, float, float]:
    """Climb from the usual evidence weight to the nearest peak of the log score.

    Both weights are 0 when the peak does not exceed ignoring the evidence, see `MIN_GAIN`.

    Parameters
    ----------
    playback
        Playback model.
    evidence
        Evidence for the validation sequences.
    axis
        With the range of states within one second.

    Returns
    -------
    score, weight, window_weight
        Log score in nats (NaN without sequences), evidence weight, and weight of the window evidence.
    """
    if not evidence:
        return float("nan"), DEFAULT_EVIDENCE_WEIGHT, 0.0
    window_weights = WINDOW_WEIGHTS if evidence[0].window_evidence is not None else (0.0,)
    scores: dict[int, tuple[NDArray[np.float64], float]] = {}

    def mean_score(index: int) -> float:
        if index not in scores:
            scores[index] = log_scores(playback, evidence, EVIDENCE_WEIGHTS[index], axis, window_weights)
        return float(scores[index][0].mean())

    best = START
    for step in (1, -1):
        while 0 <= best + step < len(EVIDENCE_WEIGHTS) and mean_score(best + step) > mean_score(best):
            best += step
    ignoring, _ = log_scores(playback, evidence, 0.0, axis, (0.0,))
    gain = scores[best][0] - ignoring
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
    if gain.mean() <= MIN_GAIN or (gain.mean() <= 3 * error and gain.min() <= 0):
        return float(ignoring.mean()), 0.0, 0.0
    return mean_score(best), EVIDENCE_WEIGHTS[best], scores[best][1]


def log_scores(
    playback: Playback,
    evidence: list[SequenceEvidence],
    weight: float,
    axis: FrameAxis,
    window_weights: Sequence[float],
) -> tuple[NDArray[np.float64], float]:
    """Return the log score of each sequence, float64 [sequences], with the best window weight, and that weight.

    Parameters
    ----------
    playback
        Playback model.
    evidence
        Evidence for the validation sequences.
    weight
        Evidence weight.
    axis
        With the range of states within one second.
    window_weights
        Candidate weights of the window evidence.
    """
    filtered = [filter_sequence(playback, weight * e.evidence, e.sequence) for e in evidence]
    scores = [
        np.array(
            [
                filtered_log_score(with_window_evidence(f, e, window_weight), e.sequence, axis)
                for f, e in zip(filtered, evidence, strict=True)
            ]
        )
        for window_weight in window_weights
    ]
    best = int(np.argmax([each.mean() for each in scores]))
    return scores[best], window_weights[best]
