"""Selects the playback model's source of evidence and jump probabilities by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.fitting.fit_emission import (
    DEFAULT_EVIDENCE_WEIGHT,
    DEFAULT_JUMP,
    EmissionSettings,
    SequenceEvidence,
    emission_candidates,
    fit_emission,
    held_out_evidence,
    posterior_emission,
    posterior_evidence,
    sample_evidence,
)
from decoders.fitting.select_forecast import select_forecast
from decoders.fitting.select_weights import (
    filter_sequence,
    log_scores,
    select_evidence_weight,
    select_weights,
    with_window_evidence,
)
from decoders.fitting.settings import ReadoutSettings
from decoders.model.parts import Emission, ModelParts
from decoders.playback.filter import Playback
from decoders.playback.transition_powers import Transitions
from stream.session import Kind

JUMPS_PER_S = (0.03, 0.1, 0.3, 1.0)
"""Candidate rates of jumps to any frame, per second."""

PLACE_JUMP = 0.001
"""Initial jump probability without a movie rate: animals do not jump, and categories follow each other as usual."""


@dataclass(frozen=True, slots=True, eq=False)
class PlaybackSelection:
    """The selected playback model.

    Attributes
    ----------
    settings
        Settings of the frame decoder that gives the evidence; the best ones where the emission has its own readout.
    emission
        Emission fitted on all of the training data.
    transitions
        Transitions for filter and forecast.
    floors
        Uniform floors of the simple forecasts, see `decoders.fitting.select_forecast`.
    score
        Held-out log score (see `decoders.fitting.select_weights.filtered_log_score`); NaN when nothing was held out.
    filtered
        Validation sequences with their filtered posteriors.
    """

    settings: ReadoutSettings
    emission: Emission
    transitions: Transitions
    floors: dict[str, list[float]]
    score: float
    filtered: list[tuple[SequenceEvidence, NDArray[np.float64]]]


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """A source of evidence with its best weights and their held-out log score."""

    settings: ReadoutSettings
    own: EmissionSettings | None
    evidence: list[SequenceEvidence]
    score: float = float("nan")
    weight: float = DEFAULT_EVIDENCE_WEIGHT
    window_weight: float = 0.0


def select_playback(
    data: TrainingSet, candidates: Sequence[ReadoutSettings], transitions: Transitions, seed: int
) -> PlaybackSelection:
    """Select the source of evidence, its weights, and the jump probabilities of filter and forecast.

    Parameters
    ----------
    data
        Training data.
    candidates
        Candidate settings of the frame decoder, the best first.
    transitions
        Learned transitions.
    seed
        Random seed of the shuffled scenes.
    """
    jump = DEFAULT_JUMP if data.movie_rate_hz else PLACE_JUMP
    playback = _playback(data, transitions, jump)
    best = _Candidate(candidates[0], None, [])
    for settings, own in _evidence_sources(data, candidates):
        evidence = _evidence(data, settings, own, seed)
        score, weight, window_weight = select_weights(playback, evidence, data.axis)
        if evidence and not score <= best.score:
            best = _Candidate(settings, own, evidence, score, weight, window_weight)
    score = best.score
    ticks_per_s = data.movie_rate_hz or data.rate_hz or 1.0
    for per_s in JUMPS_PER_S if best.evidence else ():
        candidate_jump = 1 - exp(-per_s / ticks_per_s)
        playback = _playback(data, transitions, candidate_jump)
        scores, _ = log_scores(playback, best.evidence, best.weight, data.axis, (best.window_weight,))
        if float(scores.mean()) > score:
            score, jump = float(scores.mean()), candidate_jump
    playback = _playback(data, transitions, jump)
    filtered = [
        (
            e,
            with_window_evidence(
                filter_sequence(playback, best.weight * e.evidence, e.sequence), e, best.window_weight
            ),
        )
        for e in best.evidence
    ]
    transitions, jump_ahead, floors = select_forecast(
        data, [(e.sequence, posterior) for e, posterior in filtered], transitions
    )
    everything = np.ones(len(data.state), bool)
    emission = posterior_emission() if best.own is None else fit_emission(data, everything, best.own)
    emission = replace(
        emission,
        evidence_weight=best.weight,
        jump=jump,
        jump_ahead=jump_ahead,
        window_weight=best.window_weight,
    )
    return PlaybackSelection(best.settings, emission, transitions, floors, score, filtered)


def select_posterior_weight(
    data: TrainingSet, settings: ReadoutSettings, parts: ModelParts, seed: int
) -> float:
    """Select the evidence weight of the frame decoder itself, with which refits for the null distribution are filtered.

    Parameters
    ----------
    data
        Training data.
    settings
        Settings of the frame decoder.
    parts
        Parts of the model.
    seed
        Random seed of the shuffled scenes.
    """
    playback = _playback(data, parts.playback, parts.emission.jump)
    if not parts.emission.own_readout:
        return parts.emission.evidence_weight
    return select_evidence_weight(data, posterior_evidence(data, settings), playback, seed)


def _playback(data: TrainingSet, transitions: Transitions, jump: float) -> Playback:
    return Playback(transitions, jump, jump, data.movie_rate_hz, data.rate_hz, data.lag_s)


def _evidence_sources(
    data: TrainingSet, candidates: Sequence[ReadoutSettings]
) -> list[tuple[ReadoutSettings, EmissionSettings | None]]:
    """Return the frame decoders (None) and the readouts of single samples to compare."""
    # Overlapping windows count the same spikes several times. Held-out repeats forgive that, later ones do not: for
    # spikes and a movie, only single samples serve.
    overlap_forbidden = data.movie_rate_hz > 0 and data.kind is Kind.SPIKES
    # For places and movies, the window that decodes best without the playback model is kept.
    decoders = candidates if data.movie is not None and not data.movie_rate_hz else candidates[:1]
    sources: list[tuple[ReadoutSettings, EmissionSettings | None]] = []
    sources += [(settings, None) for settings in decoders if settings.n_window == 1 or not overlap_forbidden]
    sources += [(candidates[0], own) for own in emission_candidates(data)]
    return sources


def _evidence(
    data: TrainingSet, settings: ReadoutSettings, own: EmissionSettings | None, seed: int
) -> list[SequenceEvidence]:
    """Return the evidence for the validation sequences; for places, with window evidence beside single samples."""
    if own is None:
        return held_out_evidence(data, posterior_evidence(data, settings), seed)
    evidence = held_out_evidence(data, sample_evidence(data, own), seed)
    if data.movie is not None:
        return evidence
    of_windows = held_out_evidence(data, posterior_evidence(data, settings), seed)
    return [replace(e, window_evidence=w.evidence) for e, w in zip(evidence, of_windows, strict=True)]
