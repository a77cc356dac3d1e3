"""Calibration and log score of candidate frame decoders on held-out data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.fitting.settings import MAX_HELD_OUT, ReadoutSettings, Windows, evenly_spaced
from decoders.fitting.validation_sequences import validation_sequences
from decoders.readouts.classifiers import calibrate, log_posterior
from decoders.readouts.graph_smoothing import OCCUPANCY_WEIGHT, log_occupancy

CONFIDENCE_SCALES = tuple(np.geomspace(0.5, 2.0, 15).tolist())
"""Candidate factors on the inverse temperature of the selected decoder; calibrated confidence decides."""

GUESS_RATE = 0.01
"""Share of predictions assumed to be guesses in the log score within tolerance."""

Folds = list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]
"""Training and held-out mask of each cross-validation fold."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutWindows:
    """Window sums float32 [time, channels], their fullness float32 [time] and true states int64 [time] of one fold."""

    sums: NDArray[np.float32]
    fullness: NDArray[np.float32]
    state: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ScoredCandidate:
    """Candidate settings with their log score, and their calibrated held-out logits float32 [time, states]."""

    settings: ReadoutSettings
    logits: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class CandidateScorer:
    """Calibrates and scores candidates that share a window, on the held-out samples of all folds.

    Attributes
    ----------
    data
        Training data.
    windows
        Its window sums and their fullness.
    folds
        Training and held-out mask of each fold.
    held_out
        Held-out windows of each fold.
    """

    data: TrainingSet
    windows: Windows
    folds: Folds
    held_out: list[HeldOutWindows]

    @classmethod
    def for_window(cls, data: TrainingSet, base: ReadoutSettings, folds: Folds, seed: int) -> CandidateScorer:
        """Compute the windows of the training data and of every fold's validation sequences.

        Parameters
        ----------
        data
            Training data.
        base
            Settings with the window.
        folds
            Training and held-out mask of each fold.
        seed
            Random seed of the shuffled scenes.
        """
        n_most = MAX_HELD_OUT // len(folds)
        held_out = [_held_out_windows(data, test, base, n_most, seed) for _, test in folds]
        return cls(data, base.windows(data.clean, data.boundary), folds, held_out)

    @property
    def fullness(self) -> NDArray[np.float32]:
        """Fullness of all held-out windows, float32 [time]."""
        return np.concatenate([fold.fullness for fold in self.held_out])

    @property
    def truth(self) -> NDArray[np.int64]:
        """True states of all held-out samples, int64 [time]."""
        return np.concatenate([fold.state for fold in self.held_out])

    def calibrate(
        self, settings: ReadoutSettings, logits: NDArray[np.float32], reach: float = 1000.0
    ) -> tuple[float, ScoredCandidate]:
        """Find the inverse temperature with the best log score, and score the candidate at it.

        Parameters
        ----------
        settings
            Candidate.
        logits
            Float32 [time, states], of all held-out samples.
        reach
            Largest inverse temperature; one over it is the smallest.
        """
        fullness, truth = self.fullness, self.truth
        inverse_temperature, exact = calibrate(logits, fullness, truth, reach)
        weighted = (logits * np.float32(inverse_temperature)) * fullness[:, None]
        score = 0.5 * exact + 0.5 * self._log_score_within_tolerance(weighted, truth)
        calibrated = logits * np.float32(inverse_temperature)
        return inverse_temperature, ScoredCandidate(replace(settings, log_score=score), calibrated)

    def calibrate_confidence(self, candidate: ScoredCandidate) -> ReadoutSettings:
        """Rescale the inverse temperatures so that posterior and confidence together are likeliest.

        The confidence is the probability within one second of the likeliest state.

        Parameters
        ----------
        candidate
            Selected decoder.
        """
        fullness, truth = self.fullness, self.truth
        low, high = self.data.axis.tolerance_range
        rows = np.arange(len(truth))
        scores = []
        for scale in CONFIDENCE_SCALES:
            logs = log_posterior((candidate.logits * np.float32(scale)) * fullness[:, None])
            cumulative = _cumulative(np.exp(logs))
            best = logs.argmax(1)
            confidence = np.clip(cumulative[rows, high[best]] - cumulative[rows, low[best]], 1e-3, 1 - 1e-3)
            correct = (truth >= low[best]) & (truth < high[best])
            at_truth = np.maximum(logs[rows, truth], np.log(1e-3 / logs.shape[1]))
            of_confidence = np.log(np.where(correct, confidence, 1 - confidence))
            scores.append(float(np.mean(at_truth) + np.mean(of_confidence)))
        scale = CONFIDENCE_SCALES[int(np.argmax(scores))]
        settings, secondary = candidate.settings, candidate.settings.secondary
        if secondary is not None:
            secondary = replace(secondary, inverse_temperature=secondary.inverse_temperature * scale)
        return replace(
            settings,
            inverse_temperature=settings.inverse_temperature * scale,
            secondary=secondary,
            prior_weight=self._prior_weight(candidate.logits * np.float32(scale), fullness, truth),
        )

    def _prior_weight(
        self, logits: NDArray[np.float32], fullness: NDArray[np.float32], truth: NDArray[np.int64]
    ) -> float:
        """Return `OCCUPANCY_WEIGHT` without a movie where it improves the held-out log score, else 0."""
        if self.data.movie is not None:
            return 0.0
        occupancy = [log_occupancy(self.data.state[train], self.data.n_states) for train, _ in self.folds]
        of_sample = np.repeat(np.stack(occupancy), [len(fold.state) for fold in self.held_out], axis=0)
        rows = np.arange(len(truth))
        without, with_prior = (
            float(
                log_posterior(logits * fullness[:, None] + np.float32(weight) * of_sample)[rows, truth].mean()
            )
            for weight in (0.0, OCCUPANCY_WEIGHT)
        )
        return OCCUPANCY_WEIGHT if with_prior > without else 0.0

    def _log_score_within_tolerance(self, logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
        """Return the mean log probability within one second of the truth, with `GUESS_RATE` mixed in."""
        posterior = np.exp(log_posterior(logits))
        cumulative = _cumulative(posterior)
        low, high = (bound[truth] for bound in self.data.axis.tolerance_range)
        rows = np.arange(len(truth))
        near = cumulative[rows, high] - cumulative[rows, low]
        guess = GUESS_RATE * (high - low) / posterior.shape[1]
        return float(np.mean(np.log((1 - GUESS_RATE) * near + guess)))


def _held_out_windows(
    data: TrainingSet, test: NDArray[np.bool_], base: ReadoutSettings, n_most: int, seed: int
) -> HeldOutWindows:
    """Return at most ``n_most`` windows of a fold's validation sequences."""
    parts = []
    for sequence in validation_sequences(data, test, np.random.default_rng(seed)):
        parts.append((*base.windows(sequence.clean, sequence.boundary), sequence.state))
    sums, fullness, state = (np.concatenate(column) for column in zip(*parts, strict=True))
    index = evenly_spaced(np.ones(len(state), bool), n_most)
    return HeldOutWindows(sums[index], fullness[index], state[index])


def _cumulative(posterior: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return cumulative sums over states with a leading zero, float64 [time, states + 1]."""
    out = np.zeros((len(posterior), posterior.shape[1] + 1))
    np.cumsum(posterior, axis=1, out=out[:, 1:])
    return out
