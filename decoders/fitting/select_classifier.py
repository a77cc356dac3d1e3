"""Selects the frame decoder and its hyperparameters by cross-validation within the training data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from decoders.data.training_set import TrainingSet
from decoders.embedding.multiscale import window_spans
from decoders.fitting.candidate_scorer import CandidateScorer, ScoredCandidate
from decoders.fitting.score_candidates import (
    GAIN_SHAPES,
    best_prototypes,
    log_score,
    score_blend,
    score_secondary,
)
from decoders.fitting.settings import DEFAULT_SHRINKAGE, ReadoutSettings, cross_validation_folds
from decoders.readouts.secondary_classifier import SecondarySettings
from decoders.readouts.smoothing import candidate_smoothings
from stream.errors import BadUsage
from stream.session import Kind

DEFAULT_INVERSE_TEMPERATURE = 8.0

BLEND_SHARES = (0.5, 0.7)
"""Candidate weights of the secondary classifier in a blend."""

HANDICAP = 0.3
"""Nats by which LDA must win on spikes: it depends on the common gain, which drifts over later repeats."""


@dataclass(frozen=True, slots=True)
class DecoderCandidates:
    """Candidates that a decoder's name stands for.

    Attributes
    ----------
    similarities
        Candidate values of ``cosine`` for the prototypes: true compares directions, false distances (LDA).
    prototypes_alone, blends
        Whether prototypes alone, and blends of them with naive Bayes (of spikes), are candidates.
    """

    similarities: tuple[bool, ...]
    prototypes_alone: bool = True
    blends: bool = False


DECODERS = {
    "auto": DecoderCandidates((True, False), blends=True),
    "cosine": DecoderCandidates((True,)),
    "lda": DecoderCandidates((False,)),
    "blend": DecoderCandidates((True, False), prototypes_alone=False, blends=True),
}
"""Candidates by name of the frame decoder; ``auto`` compares all of them."""


def select_classifier(
    data: TrainingSet, windows: Sequence[int], candidates: DecoderCandidates, seed: int
) -> list[ReadoutSettings]:
    """Select decoder and hyperparameters for each window by their held-out log score.

    Parameters
    ----------
    data
        Training data.
    windows
        Candidate window lengths in samples, in increasing order. For a movie, the search stops at the first window
        that scores lower than the one before.
    candidates
        Candidate decoders.
    seed
        Random seed of the shuffled scenes.

    Returns
    -------
    settings
        Best settings for each window, the best window first.

    Raises
    ------
    BadUsage
        When only blends are candidates and the data are not spike counts.
    """
    if not candidates.prototypes_alone and data.kind is not Kind.SPIKES:
        raise BadUsage(
            f"decoder 'blend' needs spike counts, but the recording is of kind '{data.kind}'. Use --decoder auto."
        )
    folds = list(cross_validation_folds(data))
    if not folds:
        return [_default_settings(windows[0], candidates, data)]
    selected: list[ReadoutSettings] = []
    for n_window in windows:
        best = []
        for base, admitted in _window_layouts(data, n_window, candidates):
            scorer = CandidateScorer.for_window(data, base, folds, seed)
            best.append(_select(scorer, base, admitted))
        selected.append(max(best, key=lambda settings: settings.log_score))
        # Scenes are cut, so a window that is too long for a movie stays too long when it grows.
        if data.movie_rate_hz and len(selected) > 1 and selected[-1].log_score < selected[-2].log_score:
            break
    return sorted(selected, key=lambda settings: -settings.log_score)


def _window_layouts(
    data: TrainingSet, n_window: int, candidates: DecoderCandidates
) -> Iterator[tuple[ReadoutSettings, DecoderCandidates]]:
    """Yield a single window and a set of nested windows, each with the decoders that can use it."""
    base = ReadoutSettings(n_window, DEFAULT_SHRINKAGE, candidates.similarities[0], 1.0, 0.0)
    yield base, candidates
    spans = window_spans(n_window, data.clean.shape[1])
    if (data.movie is None or data.movie_rate_hz) and spans and candidates.prototypes_alone:
        yield replace(base, spans=spans), DecoderCandidates(candidates.similarities)


def _default_settings(n_window: int, candidates: DecoderCandidates, data: TrainingSet) -> ReadoutSettings:
    """Return the settings used when no data can be held out."""
    settings = ReadoutSettings(
        n_window,
        DEFAULT_SHRINKAGE,
        candidates.similarities[0],
        DEFAULT_INVERSE_TEMPERATURE,
        float("nan"),
        smoothing=candidate_smoothings(data)[0],
    )
    if candidates.prototypes_alone:
        return settings
    width = settings.smoothing * data.movie_rate_hz
    return replace(settings, secondary=SecondarySettings(width, GAIN_SHAPES[0]))


def _select(scorer: CandidateScorer, base: ReadoutSettings, candidates: DecoderCandidates) -> ReadoutSettings:
    """Return the settings of the best candidate for one window layout."""
    # The best of each similarity: the best of all may be one that `HANDICAP` rejects.
    prototypes = best_prototypes(scorer, base, candidates.similarities)
    admitted = list(prototypes) if candidates.prototypes_alone else []
    if candidates.blends and scorer.data.kind is Kind.SPIKES:
        secondary = list(score_secondary(scorer, max(prototypes, key=log_score).settings))
        admitted += [
            score_blend(scorer, best, other, share)
            for best, other, share in product(prototypes, secondary, BLEND_SHARES)
        ]
    handicap = HANDICAP if scorer.data.kind is Kind.SPIKES and True in candidates.similarities else 0.0

    def adjusted_score(candidate: ScoredCandidate) -> float:
        return candidate.settings.log_score - handicap * (not candidate.settings.cosine)

    return scorer.calibrate_confidence(max(admitted, key=adjusted_score))
