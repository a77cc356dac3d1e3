"""Scores of candidate frame decoders on held-out data: prototypes, secondary classifiers, and blends of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from decoders.data.training_statistics import training_statistics
from decoders.embedding.linear import ClassStatistics, LinearEmbedding, ShrinkagePath, unit_length
from decoders.fitting.candidate_scorer import CandidateScorer, ScoredCandidate
from decoders.fitting.settings import ReadoutSettings, feature_scaling
from decoders.readouts.classifiers import fit_prototypes
from decoders.readouts.secondary_classifier import SecondarySettings, fit_secondary
from decoders.readouts.smoothing import MeanSmoother, candidate_smoothings, smooth_over_frames
from stream.session import Kind

SHRINKAGES = (0.05, 0.2, 0.5, 0.8)
DIAGONAL = (False, True)
"""Candidate targets of the shrinkage: a multiple of the identity, or the diagonal."""

BOLD_CHANNEL_SHARES = (1.0, 0.6, 0.35)
"""Candidate shares of the channels for BOLD: most voxels of a scan do not respond to the stimulus."""

GAIN_SHAPES = (3.0, 10.0, 30.0)
"""Candidate shapes of the gain distribution in Poisson naive Bayes; none trusts the total spike count fully."""


def best_prototypes(
    scorer: CandidateScorer, base: ReadoutSettings, similarities: Sequence[bool]
) -> list[ScoredCandidate]:
    """Select prototypes of each similarity: shrinkage, its target and the share of the channels, then smoothing.

    Parameters
    ----------
    scorer
        Held-out data.
    base
        Settings with the window.
    similarities
        Candidate values of ``cosine``.

    Returns
    -------
    candidates
        The best settings of each similarity, scored.
    """
    data = scorer.data
    scaling = feature_scaling(data, base.n_window)
    raw = [training_statistics(data, base.layout, scaling, train) for train, _ in scorer.folds]
    statistics = [smooth_over_frames(of_fold, data, 0.0) for of_fold in raw]
    smoothers = [MeanSmoother(data, train) for train, _ in scorer.folds]
    features = [scaling.features(fold.sums) for fold in scorer.held_out]
    embeddings: dict[tuple[float, float, bool], list[LinearEmbedding]] = {}

    def scored(settings: ReadoutSettings, smooth: Sequence[ClassStatistics]) -> ScoredCandidate:
        fitted = embeddings[settings.shrinkage, settings.channel_share, settings.diagonal]
        logits = []
        for e, m, f in zip(fitted, smooth, features, strict=True):
            points = e.project(f)
            prototypes = fit_prototypes(e, m, cosine=settings.cosine)
            logits.append(prototypes.similarity(unit_length(points) if settings.cosine else points))
        scale, candidate = scorer.calibrate(settings, np.concatenate(logits))
        return replace(candidate, settings=replace(candidate.settings, inverse_temperature=scale))

    smoothings = candidate_smoothings(data)
    middle = smoothings[len(smoothings) // 2]
    smooth = [smoother(m, middle) for smoother, m in zip(smoothers, raw, strict=True)]
    best: dict[bool, ScoredCandidate] = {}

    def keep_better(candidate: ScoredCandidate) -> None:
        cosine = candidate.settings.cosine
        best[cosine] = max(best.get(cosine, candidate), candidate, key=log_score)

    shares = BOLD_CHANNEL_SHARES if data.kind is Kind.BOLD else (1.0,)
    for share, diagonal in product(shares, DIAGONAL):
        for of_fold in statistics:
            path = ShrinkagePath(of_fold, share, diagonal=diagonal)
            for shrinkage in SHRINKAGES:
                embeddings.setdefault((shrinkage, share, diagonal), []).append(path.embedding(shrinkage))
        for shrinkage, cosine in product(SHRINKAGES, similarities):
            settings = replace(base, cosine=cosine, smoothing=middle)
            settings = replace(settings, shrinkage=shrinkage, channel_share=share, diagonal=diagonal)
            keep_better(scored(settings, smooth))
    chosen = [candidate.settings for candidate in best.values()]
    for smoothing in smoothings:
        smooth = [smoother(m, smoothing) for smoother, m in zip(smoothers, raw, strict=True)]
        for settings in chosen:
            if smoothing != middle:
                keep_better(scored(replace(settings, smoothing=smoothing), smooth))
    for settings in [candidate.settings for candidate in best.values()]:
        if settings.smoothing == middle:
            continue
        smooth = [smoother(m, settings.smoothing) for smoother, m in zip(smoothers, raw, strict=True)]
        for shrinkage in SHRINKAGES:
            if shrinkage != settings.shrinkage:
                keep_better(scored(replace(settings, shrinkage=shrinkage), smooth))
    return list(best.values())


def log_score(candidate: ScoredCandidate) -> float:
    """Return the held-out log score of a candidate."""
    return candidate.settings.log_score


def score_secondary(scorer: CandidateScorer, base: ReadoutSettings) -> Iterator[ScoredCandidate]:
    """Score Poisson naive Bayes by itself, for each of its gain distributions.

    Parameters
    ----------
    scorer
        Held-out data.
    base
        Settings of the best prototypes, whose window and smoothing over frames it uses.

    Yields
    ------
    candidate
        Settings, and logits calibrated by themselves.
    """
    for gain_shape in GAIN_SHAPES:
        settings = SecondarySettings(base.smoothing * scorer.data.movie_rate_hz, gain_shape)
        logits = [
            fit_secondary(scorer.data, base.n_window, train, settings).logits(held_out.sums)
            for (train, _), held_out in zip(scorer.folds, scorer.held_out, strict=True)
        ]
        scale, scored = scorer.calibrate(base, np.concatenate(logits))
        calibrated = replace(settings, inverse_temperature=scale)
        yield replace(scored, settings=replace(scored.settings, secondary=calibrated))


def score_blend(
    scorer: CandidateScorer, prototypes: ScoredCandidate, other: ScoredCandidate, share: float
) -> ScoredCandidate:
    """Score the weighted sum of the logits of prototypes and of a secondary classifier.

    Parameters
    ----------
    scorer
        Held-out data.
    prototypes, other
        Candidates to blend.
    share
        Weight of the secondary classifier, 0 to 1.
    """
    settings, secondary = prototypes.settings, other.settings.secondary
    assert secondary is not None
    logits = (1 - share) * prototypes.logits + share * other.logits
    scale, scored = scorer.calibrate(settings, logits, reach=3.0)
    return replace(
        scored,
        settings=replace(
            scored.settings,
            inverse_temperature=settings.inverse_temperature * (1 - share) * scale,
            secondary=replace(secondary, inverse_temperature=secondary.inverse_temperature * share * scale),
        ),
    )
