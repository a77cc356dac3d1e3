"""Scores of candidate frame decoders on held-out data: prototypes, secondary classifiers, and blends of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from decoders.data.training_statistics import training_statistics
from decoders.embedding.linear import LinearEmbedding, ShrinkagePath, unit_length
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

    Shrinkage is selected once more where another smoothing than the medium one is better.

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

    best: dict[bool, ScoredCandidate] = {}

    def consider(candidates: Iterable[ReadoutSettings], smoothing: float) -> None:
        """Score candidates with a smoothing, and keep the best of each similarity."""
        smooth = [smoother(m, smoothing) for smoother, m in zip(smoothers, raw, strict=True)]
        for candidate in candidates:
            settings = replace(candidate, smoothing=smoothing)
            fitted = embeddings[settings.shrinkage, settings.channel_share, settings.diagonal]
            logits = []
            for e, m, f in zip(fitted, smooth, features, strict=True):
                points = e.project(f)
                prototypes = fit_prototypes(e, m, cosine=settings.cosine)
                logits.append(prototypes.similarity(unit_length(points) if settings.cosine else points))
            scale, scored = scorer.calibrate(settings, np.concatenate(logits))
            scored = replace(scored, settings=replace(scored.settings, inverse_temperature=scale))
            best[settings.cosine] = max(best.get(settings.cosine, scored), scored, key=log_score)

    def chosen() -> list[ReadoutSettings]:
        return [candidate.settings for candidate in best.values()]

    shares = BOLD_CHANNEL_SHARES if data.kind is Kind.BOLD else (1.0,)
    for share, diagonal in product(shares, DIAGONAL):
        for of_fold in statistics:
            path = ShrinkagePath(of_fold, share, diagonal=diagonal)
            for shrinkage in SHRINKAGES:
                embeddings.setdefault((shrinkage, share, diagonal), []).append(path.embedding(shrinkage))
    smoothings = candidate_smoothings(data)
    middle = smoothings[len(smoothings) // 2]
    consider(
        [
            replace(base, cosine=cosine, shrinkage=shrinkage, channel_share=share, diagonal=diagonal)
            for share, diagonal, shrinkage, cosine in product(shares, DIAGONAL, SHRINKAGES, similarities)
        ],
        middle,
    )
    with_middle = chosen()
    for smoothing in smoothings:
        if smoothing != middle:
            consider(with_middle, smoothing)
    for settings in chosen():
        if settings.smoothing != middle:
            others = [shrinkage for shrinkage in SHRINKAGES if shrinkage != settings.shrinkage]
            consider([replace(settings, shrinkage=other) for other in others], settings.smoothing)
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
