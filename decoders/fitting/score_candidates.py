"""Scores of candidate frame decoders on held-out data: prototypes, secondary classifiers, and blends of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from decoders.data.training_set import TrainingSet
from decoders.embedding.linear import ClassStatistics, LinearEmbedding, ShrinkagePath, unit_length
from decoders.fitting.candidate_scorer import CandidateScorer, ScoredCandidate
from decoders.fitting.settings import ReadoutSettings, feature_scaling, state_statistics
from decoders.readouts.classifiers import fit_prototypes
from decoders.readouts.graph_smoothing import DIFFUSION_TIMES, diffusion_kernels, smooth_over_graph
from decoders.readouts.secondary_classifier import SecondarySettings, fit_secondary
from stream.errors import BadUsage
from stream.session import Kind

SHRINKAGES = (0.05, 0.15, 0.3, 0.5, 0.7, 0.9)

BOLD_CHANNEL_SHARES = (1.0, 0.6, 0.35)
"""Candidate shares of the channels for BOLD: most voxels of a scan do not respond to the stimulus."""

GAIN_SHAPES = (3.0, 10.0, 30.0)
"""Candidate shapes of the gain distribution in Poisson naive Bayes; none trusts the total spike count fully."""

FoldEmbeddings = dict[tuple[float, float], list[LinearEmbedding]]
"""One embedding per fold, by shrinkage and share of the channels."""


def score_prototypes(
    scorer: CandidateScorer, base: ReadoutSettings, similarities: Sequence[bool]
) -> tuple[FoldEmbeddings, list[ScoredCandidate]]:
    """Score prototypes for every shrinkage, similarity, share of the channels and smoothing.

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
    embeddings
        Linear embeddings of each fold.
    candidates
        Scored settings.
    """
    scaling = feature_scaling(scorer.data, base.n_window)
    statistics = [state_statistics(scorer.data, base.layout, train, scaling) for train, _ in scorer.folds]
    features = [scaling.features(fold.sums) for fold in scorer.held_out]
    by_smoothing = _smoothed_statistics(scorer, statistics)
    embeddings: FoldEmbeddings = {}
    candidates = []
    for share in BOLD_CHANNEL_SHARES if scorer.data.kind is Kind.BOLD else (1.0,):
        paths = [ShrinkagePath(of_fold, share) for of_fold in statistics]
        for shrinkage in SHRINKAGES:
            fitted = embeddings[shrinkage, share] = [path.embedding(shrinkage) for path in paths]
            points = [e.project(f) for e, f in zip(fitted, features, strict=True)]
            for cosine, (smoothing, smooth) in product(similarities, by_smoothing.items()):
                logits = [
                    fit_prototypes(e, s, cosine=cosine).similarity(unit_length(p) if cosine else p)
                    for e, s, p in zip(fitted, smooth, points, strict=True)
                ]
                settings = replace(
                    base, shrinkage=shrinkage, cosine=cosine, channel_share=share, smoothing=smoothing
                )
                scale, scored = scorer.calibrate(settings, np.concatenate(logits))
                candidates.append(
                    replace(scored, settings=replace(scored.settings, inverse_temperature=scale))
                )
    return embeddings, candidates


def score_secondary(
    scorer: CandidateScorer, base: ReadoutSettings, embeddings: FoldEmbeddings, names: Sequence[str]
) -> Iterator[ScoredCandidate]:
    """Score secondary classifiers by themselves.

    Parameters
    ----------
    scorer
        Held-out data.
    base
        Settings of the best prototypes, whose embedding the classifiers use.
    embeddings
        Linear embeddings of each fold.
    names
        Secondary classifiers to score.

    Yields
    ------
    candidate
        Scored settings.
    """
    scaling = feature_scaling(scorer.data, base.n_window)
    for settings in secondary_candidates(scorer.data, names):
        logits = []
        for (train, _), held_out, embedding in zip(
            scorer.folds, scorer.held_out, embeddings[base.shrinkage, base.channel_share], strict=True
        ):
            secondary = fit_secondary(scorer.data, base.layout, train, scaling, embedding, settings)
            directions = unit_length(embedding.project(scaling.features(held_out.sums)))
            logits.append(secondary.logits(held_out.sums, directions))
        alone = replace(base, inverse_temperature=0.0, secondary=settings)
        scale, scored = scorer.calibrate(alone, np.concatenate(logits))
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


def secondary_candidates(data: TrainingSet, names: Sequence[str]) -> Iterator[SecondarySettings]:
    """Yield the candidate hyperparameters of secondary classifiers.

    Parameters
    ----------
    data
        Training data.
    names
        Secondary classifiers; Poisson naive Bayes is skipped unless the data are spike counts.

    Raises
    ------
    BadUsage
        When Poisson naive Bayes is the only one named and the data are not spike counts.
    """
    smoothings = (1.0, 2.0) if data.movie is not None and data.movie_rate_hz else (0.0,)
    for name in names:
        if name == "knn" and len(names) > 1 and data.unsampled.any():
            continue  # neighbours cannot vote for frames that were never sampled
        if name == "knn":
            yield from (SecondarySettings(name, k=k, sharpness=s) for k, s in ((45, 20.0), (150, 40.0)))
        elif name == "naive_bayes" and data.kind is Kind.SPIKES:
            yield from (
                SecondarySettings(name, width, shape) for width in smoothings for shape in GAIN_SHAPES
            )
        elif name == "naive_bayes" and len(names) == 1:
            raise BadUsage(
                f"decoder 'naive_bayes' (Poisson) needs spike counts, but the recording is of kind '{data.kind}'. "
                "Use --decoder gaussian_naive_bayes."
            )
        elif name == "gaussian_naive_bayes":
            yield from (SecondarySettings(name, width) for width in smoothings[:1])


def _smoothed_statistics(
    scorer: CandidateScorer, statistics: list[ClassStatistics]
) -> dict[float, list[ClassStatistics]]:
    """Return the statistics of each fold by smoothing over neighbouring places; unsmoothed for a movie."""
    if scorer.data.movie is not None:
        return {0.0: statistics}
    kernels = [diffusion_kernels(scorer.data, train, DIFFUSION_TIMES) for train, _ in scorer.folds]
    return {
        smoothing: [
            smooth_over_graph(of_fold, kernel[number]) if smoothing else of_fold
            for of_fold, kernel in zip(statistics, kernels, strict=True)
        ]
        for number, smoothing in enumerate(DIFFUSION_TIMES)
    }
