"""Calibration and log score of candidate frame decoders on held-out data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.data.training_statistics import windows_at
from decoders.fitting.settings import MAX_HELD_OUT, ReadoutSettings, add_to_blank, evenly_spaced
from decoders.fitting.validation_sequences import moment_weights, validation_sequences
from decoders.metrics import likeliest_states
from decoders.readouts.classifiers import UNOBSERVED_LOGIT, calibrate, log_posterior
from decoders.readouts.smoothing import OCCUPANCY_WEIGHT, log_occupancy

CONFIDENCE_SCALES = tuple(np.geomspace(0.5, 2.0, 15).tolist())
"""Candidate factors on the inverse temperature of the selected decoder; calibrated confidence decides."""

GUESS_RATE = 0.01
"""Share of predictions assumed to be guesses in the log score within tolerance."""

MAX_BLANK_BIAS, BLANK_BIAS_PRECISION = 10.0, 0.01
"""Largest bias of "no stimulus" in nats, and how exactly it is found."""

Folds = list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]
"""Training and held-out mask of each cross-validation fold."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutWindows:
    """Held-out windows of one fold.

    Attributes
    ----------
    sums
        Float32 [time, channels], window sums.
    fullness
        Float32 [time], 0 to 1.
    state
        Int64 [time], true states.
    """

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
    folds
        Training and held-out mask of each fold.
    held_out
        Held-out windows of each fold.
    fullness, truth
        Fullness float32 [time] and true states int64 [time] of all of them.
    weight
        Float64 [time], what each sample counts.
    """

    data: TrainingSet
    folds: Folds
    held_out: list[HeldOutWindows]
    fullness: NDArray[np.float32]
    truth: NDArray[np.int64]
    weight: NDArray[np.float64]

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
        fullness = np.concatenate([fold.fullness for fold in held_out])
        truth = np.concatenate([fold.state for fold in held_out])
        return cls(data, folds, held_out, fullness, truth, moment_weights(truth, data.n_frames))

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
        inverse_temperature, _ = calibrate(logits, self.fullness, self.truth, self.weight, reach)
        calibrated = logits * np.float32(inverse_temperature)
        bias = self.blank_bias(calibrated)
        score = self._log_score(add_to_blank(calibrated, bias) * self.fullness[:, None])
        return inverse_temperature, ScoredCandidate(
            replace(settings, log_score=score, blank_bias=bias), calibrated
        )

    def blank_bias(self, logits: NDArray[np.float32]) -> float:
        """Return what to add to the logit of "no stimulus" for the best log score: a logistic regression's intercept.

        Parameters
        ----------
        logits
            Float32 [time, states], calibrated, of all held-out samples.
        """
        blank = self.truth == self.data.n_frames
        if blank.all() or not blank.any():
            return 0.0
        full = self.fullness.astype(np.float64)
        weighted = logits.astype(np.float64) * full[:, None]
        highest = weighted[:, :-1].max(1)
        shown = highest + np.log(np.exp(weighted[:, :-1] - highest[:, None]).sum(1))
        ahead, share = weighted[:, -1] - shown, self.weight * full

        def slope(bias: float) -> float:
            return float(share @ (blank - 1 / (1 + np.exp(-np.clip(ahead + bias * full, -50, 50)))))

        low, high = -MAX_BLANK_BIAS, MAX_BLANK_BIAS
        while high - low > BLANK_BIAS_PRECISION:
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle) > 0 else (low, middle)
        return (low + high) / 2

    def calibrate_logits(self, logits: NDArray[np.float32], reach: float = 1000.0) -> tuple[float, float]:
        """Return the inverse temperature with the best log score, and the score at it in nats.

        Parameters
        ----------
        logits, reach
            See `calibrate`.
        """
        inverse_temperature, _ = calibrate(logits, self.fullness, self.truth, self.weight, reach)
        return inverse_temperature, self._log_score(logits * (inverse_temperature * self.fullness[:, None]))

    def calibrate_confidence(self, candidate: ScoredCandidate) -> ReadoutSettings:
        """Rescale the inverse temperatures so that posterior and confidence together are likeliest.

        The confidence is the probability within one second of the likeliest state.

        Parameters
        ----------
        candidate
            Selected decoder.
        """
        fullness, truth = self.fullness, self.truth
        biased = add_to_blank(candidate.logits, candidate.settings.blank_bias)
        low, high = self.data.axis.tolerance_range
        rows = np.arange(len(truth))
        scores = []
        for scale in CONFIDENCE_SCALES:
            logs = log_posterior((biased * np.float32(scale)) * fullness[:, None])
            posterior = np.exp(logs)
            cumulative, best = _cumulative(posterior), likeliest_states(posterior)
            confidence = np.clip(cumulative[rows, high[best]] - cumulative[rows, low[best]], 1e-3, 1 - 1e-3)
            correct = (truth >= low[best]) & (truth < high[best])
            at_truth = np.maximum(logs[rows, truth], np.log(1e-3 / logs.shape[1]))
            of_confidence = np.log(np.where(correct, confidence, 1 - confidence))
            scores.append(float(self.weight @ (at_truth + of_confidence)))
        scale = CONFIDENCE_SCALES[int(np.argmax(scores))]
        settings, secondary = candidate.settings, candidate.settings.secondary
        if secondary is not None:
            secondary = replace(secondary, inverse_temperature=secondary.inverse_temperature * scale)
        return replace(
            settings,
            inverse_temperature=settings.inverse_temperature * scale,
            secondary=secondary,
            prior_weight=self._prior_weight(biased * np.float32(scale)),
            blank_bias=settings.blank_bias * scale,
        )

    def _prior_weight(self, logits: NDArray[np.float32]) -> float:
        """Return `OCCUPANCY_WEIGHT` without a movie where it improves the held-out log score, else 0."""
        if self.data.movie is not None:
            return 0.0
        occupancy = [log_occupancy(self.data.state[train], self.data.n_states) for train, _ in self.folds]
        of_sample = np.repeat(np.stack(occupancy), [len(fold.state) for fold in self.held_out], axis=0)
        rows = np.arange(len(self.truth))
        without, with_prior = (
            float(
                self.weight
                @ log_posterior(logits * self.fullness[:, None] + np.float32(weight) * of_sample)[
                    rows, self.truth
                ]
            )
            for weight in (0.0, OCCUPANCY_WEIGHT)
        )
        return OCCUPANCY_WEIGHT if with_prior > without else 0.0

    def _log_score(self, logits: NDArray[np.float32]) -> float:
        """Return the mean of the log probabilities of the true state, and of all states within one second of it.

        Samples of a state that the fold's training data lack are left out of the first, as in `calibrate`; `GUESS_RATE`
        is mixed into the second.
        """
        logs = log_posterior(logits)
        cumulative = _cumulative(np.exp(logs))
        low, high = (bound[self.truth] for bound in self.data.axis.tolerance_range)
        rows = np.arange(len(self.truth))
        near = cumulative[rows, high] - cumulative[rows, low]
        guess = GUESS_RATE * (high - low) / logs.shape[1]
        exact = logs[rows, self.truth]
        observed = (exact > UNOBSERVED_LOGIT / 1e3) * self.weight
        if not observed.sum() > 0:
            return -np.inf
        within = float(self.weight @ np.log((1 - GUESS_RATE) * near + guess))
        return 0.5 * float(observed @ np.maximum(exact, UNOBSERVED_LOGIT) / observed.sum()) + 0.5 * within


def _held_out_windows(
    data: TrainingSet,
    test: NDArray[np.bool_],
    base: ReadoutSettings,
    n_most: int,
    seed: int,
) -> HeldOutWindows:
    """Return at most ``n_most`` windows of a fold's validation sequences, evenly spaced over what is shown."""
    parts = []
    for sequence in validation_sequences(data, test, np.random.default_rng(seed), alone=True):
        sums, fullness = (
            windows_at(data, base.layout, sequence.index)
            if sequence.in_order
            else base.windows(sequence.clean, sequence.boundary)
        )
        parts.append((sums, fullness, sequence.state))
    sums, fullness, state = (np.concatenate(column) for column in zip(*parts, strict=True))
    blank = state == data.n_frames
    n_blank = n_most // 10 if blank.any() and not blank.all() else 0
    index = np.r_[evenly_spaced(~blank, n_most - n_blank), evenly_spaced(blank, n_blank or n_most)]
    return HeldOutWindows(sums[index], fullness[index], state[index])


def _cumulative(posterior: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return cumulative sums over states with a leading zero, float64 [time, states + 1]."""
    out = np.zeros((len(posterior), posterior.shape[1] + 1))
    np.cumsum(posterior, axis=1, out=out[:, 1:])
    return out
