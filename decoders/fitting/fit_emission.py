"""Evidence for the playback model: the frame decoder's logits, or a linear readout of single samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.data.training_statistics import Layout, training_statistics
from decoders.embedding.windows import window_sums
from decoders.fitting.settings import (
    DEFAULT_SHRINKAGE,
    ReadoutSettings,
    cross_validation_folds,
    fit_readout,
)
from decoders.fitting.validation_sequences import ValidationSequence, validation_sequences
from decoders.model.parts import Emission
from decoders.readouts.classifiers import UNOBSERVED_LOGIT, Scaling, fit_lda, fit_poisson
from decoders.readouts.smoothing import MeanSmoother, candidate_smoothings
from stream.session import Kind

DEFAULT_EVIDENCE_WEIGHT = 0.3
DEFAULT_JUMP = 0.01

SLOW_SIGNAL_WINDOW_S = 0.33
"""Window in seconds of the emission's readout of slow signals: single samples do not average their noise."""

Evidence = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[np.float32]]
"""Returns evidence float32 [time, states] for clean samples with segment boundaries."""

EvidenceFunction = Callable[[NDArray[np.bool_]], Evidence]
"""Fits a decoder on a training mask."""


@dataclass(frozen=True, slots=True)
class EmissionSettings:
    """Hyperparameters of the playback model's own readout.

    Attributes
    ----------
    n_window
        Samples summed.
    smoothing
        See `decoders.readouts.smoothing.MeanSmoother`.
    """

    n_window: int
    smoothing: float


@dataclass(frozen=True, slots=True, eq=False)
class SequenceEvidence:
    """Evidence for a validation sequence, from a decoder fitted on the other folds.

    Attributes
    ----------
    train
        Bool [time], samples that the decoder was fitted on.
    sequence
        Held-out samples and their truth.
    evidence
        Float64 [time, states], log likelihoods at evidence weight 1.
    window_evidence
        Float64 [time, states], logits of the frame decoder that can be multiplied in without being carried forward;
        None disables it.
    """

    train: NDArray[np.bool_]
    sequence: ValidationSequence
    evidence: NDArray[np.float64]
    window_evidence: NDArray[np.float64] | None = None


def posterior_emission() -> Emission:
    """Return an emission without a readout of its own: the evidence is the frame decoder's logits."""
    empty = np.zeros((0, 0), np.float32)
    return Emission(
        False, empty, np.zeros(0, np.float32), 1, False, DEFAULT_EVIDENCE_WEIGHT, DEFAULT_JUMP, DEFAULT_JUMP
    )


def fit_emission(data: TrainingSet, keep: NDArray[np.bool_], settings: EmissionSettings) -> Emission:
    """Fit a linear readout of a few samples: Poisson naive Bayes for spikes, LDA for other signals.

    Parameters
    ----------
    data
        Training data.
    keep
        Bool [time], samples to use.
    settings
        Window and smoothing.
    """
    n_window = settings.n_window
    scaling = Scaling(n_window, root=False)
    statistics = training_statistics(data, Layout(n_window), scaling, keep, by_fullness=False)
    statistics = MeanSmoother(data, keep)(statistics, settings.smoothing)
    if data.kind is Kind.SPIKES:
        readout = fit_poisson(statistics.mean * n_window, statistics.observed, gain_shape=0.0)
        readout = replace(readout, weights=readout.weights * np.float32(n_window))
    else:
        readout = fit_lda(statistics, DEFAULT_SHRINKAGE)
    return Emission(True, readout.weights, readout.bias, n_window, False, 1.0, DEFAULT_JUMP, DEFAULT_JUMP)


def emission_candidates(data: TrainingSet) -> list[EmissionSettings]:
    """Return the candidate readouts of single samples; of slow signals and a movie, of a few samples too."""
    smoothings = candidate_smoothings(data)
    smoothings = smoothings[1:] if data.movie_rate_hz and len(smoothings) > 1 else smoothings
    singles = [EmissionSettings(1, smoothing) for smoothing in smoothings]
    slow = data.movie_rate_hz > 0 and data.kind is not Kind.SPIKES
    n_slow = round(SLOW_SIGNAL_WINDOW_S * data.rate_hz) if slow else 1
    return [*singles, EmissionSettings(n_slow, smoothings[0])] if n_slow > 1 else singles


def posterior_evidence(data: TrainingSet, settings: ReadoutSettings) -> EvidenceFunction:
    """Return a function that fits the frame decoder, which computes evidence.

    Parameters
    ----------
    data
        Training data.
    settings
        Settings of the frame decoder.
    """

    def fit(train: NDArray[np.bool_]) -> Evidence:
        readout = fit_readout(data, train, settings)

        def evidence(clean: NDArray[np.float32], boundary: NDArray[np.bool_]) -> NDArray[np.float32]:
            sums, fullness = settings.windows(clean, boundary)
            return readout.logits(sums) * fullness[:, None]

        return evidence

    return fit


def sample_evidence(data: TrainingSet, settings: EmissionSettings) -> EvidenceFunction:
    """Return a function that fits a readout of single samples, which computes evidence.

    Parameters
    ----------
    data
        Training data.
    settings
        Settings of the readout.
    """

    def fit(train: NDArray[np.bool_]) -> Evidence:
        emission = fit_emission(data, train, settings)

        def evidence(clean: NDArray[np.float32], boundary: NDArray[np.bool_]) -> NDArray[np.float32]:
            sums, fullness = window_sums(clean, boundary, emission.n_window)
            features = Scaling(emission.n_window, emission.root).features(sums)
            return emission.similarity(features) * fullness[:, None]

        return evidence

    return fit


def held_out_evidence(data: TrainingSet, fit: EvidenceFunction, seed: int) -> list[SequenceEvidence]:
    """Return the evidence for the validation sequences of every fold.

    Parameters
    ----------
    data
        Training data.
    fit
        Fits a decoder on the other folds.
    seed
        Random seed of the shuffled scenes.
    """
    out = []
    for train, test in cross_validation_folds(data):
        evidence_of = fit(train)
        for sequence in validation_sequences(data, test, np.random.default_rng(seed)):
            evidence = evidence_of(sequence.clean, sequence.boundary)
            out.append(
                SequenceEvidence(train, sequence, np.maximum(evidence, UNOBSERVED_LOGIT).astype(np.float64))
            )
    return out
