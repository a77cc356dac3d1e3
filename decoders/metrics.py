"""Scores of frame predictions: accuracy, frame error, log score, calibration.

They need numpy only, so that a running engine can compute them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.movie import Clip

N_CALIBRATION_BINS = 10
VALUES_AT_ONCE = 2_000_000
"""Probabilities that are worked on at a time."""

SMALLEST_PROBABILITY = 1e-9
"""Lower bound on the probability of the truth in log scores, so that a single blunder cannot dominate the mean."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameAxis:
    """The axis of movie frames: the clip of each frame, and how many frames make one second.

    Attributes
    ----------
    clip
        Int64 [n_frames], clip number of each frame.
    tolerance_frames
        Tolerance of one second, in frames; 0 when the frames are not a movie's.
    """

    clip: NDArray[np.int64]
    tolerance_frames: int

    @property
    def n_frames(self) -> int:
        """Number of frames, without "no stimulus"."""
        return len(self.clip)

    @property
    def tolerance_range(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Range of states within tolerance of each state and in its clip: the first, and one past the last.

        The last state, "no stimulus", has only itself within tolerance.
        """
        states = np.arange(self.n_frames)
        first = np.searchsorted(self.clip, self.clip)
        last = np.searchsorted(self.clip, self.clip, side="right")
        low = np.maximum(states - self.tolerance_frames, first)
        high = np.minimum(states + self.tolerance_frames + 1, last)
        return np.r_[low, self.n_frames], np.r_[high, self.n_frames + 1]


def frame_axis(n_frames: int, clips: Sequence[Clip]) -> FrameAxis:
    """Build the frame axis of a movie, or of frames that are not a movie's (places, categories).

    Parameters
    ----------
    n_frames
        Number of frames.
    clips
        Clips of the movie; empty when the frames are not a movie's, which leaves no tolerance.

    Examples
    --------
    >>> frame_axis(90, (Clip("a", 0, 60, 30.0), Clip("b", 60, 30, 30.0))).tolerance_frames
    30
    """
    if not clips:
        return FrameAxis(np.arange(n_frames), 0)
    ends = [clip.first_frame + clip.n_frames for clip in clips]
    return FrameAxis(np.searchsorted(ends, np.arange(n_frames), side="right"), round(clips[0].rate_hz))


def frame_errors(
    predicted: NDArray[np.integer[Any]],
    truth: NDArray[np.integer[Any]],
    clip: NDArray[np.int64],
    tolerance_frames: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Compute the distance between predicted and true frames.

    Parameters
    ----------
    predicted
        Int [time], predicted frames; -1 = no stimulus.
    truth
        Int [time], true frames (never -1); ``n_frames`` = one that the decoder does not know, which is always wrong.
    clip
        Int64 [n_frames], clip number of each frame.
    tolerance_frames
        Tolerance of one second of movie time, in frames.

    Returns
    -------
    error
        Int64 [time], in frames; ``n_frames``, more than any other, where "no stimulus" was predicted or the true frame
        is not known. Without a tolerance, frames are names without distances, and any error is 1.
    within
        Bool [time], true within the tolerance and in the same clip.

    Examples
    --------
    >>> error, within = frame_errors(np.array([3, 9, -1]), np.array([4, 4, 4]), np.zeros(10, np.int64), 2)
    >>> error.tolist(), within.tolist()
    ([1, 5, 10], [True, False, False])
    """
    last = len(clip) - 1
    comparable = (predicted >= 0) & (np.maximum(predicted, truth) <= last)
    if not tolerance_frames:
        right = comparable & (predicted == truth)
        return (~right).astype(np.int64), right
    error = np.where(comparable, np.abs(predicted - truth), len(clip)).astype(np.int64)
    same_clip = clip[np.clip(predicted, 0, last)] == clip[np.minimum(truth, last)]
    return error, comparable & same_clip & (error <= tolerance_frames)


def likeliest_states(posterior: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Return the decoded state of each posterior, int64 [time].

    It is "no stimulus" where that is likelier than all frames together, and the most probable frame elsewhere: a frame
    among many may be less probable than "no stimulus" although some frame is certainly shown.

    Parameters
    ----------
    posterior
        Float [time, n_frames + 1]; the last state is "no stimulus".

    Examples
    --------
    >>> likeliest_states(np.array([[0.3, 0.3, 0.4], [0.2, 0.2, 0.6]])).tolist()
    [0, 2]
    """
    blank = posterior.shape[1] - 1
    states: NDArray[np.int64] = np.where(posterior[:, blank] > 0.5, blank, posterior[:, :blank].argmax(1))
    return states


def likeliest(posterior: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the decoded frame of each posterior, int64 [time]; -1 = no stimulus (see `likeliest_states`)."""
    best = likeliest_states(posterior)
    frames: NDArray[np.int64] = np.where(best < posterior.shape[1] - 1, best, -1)
    return frames


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What scores need of the posteriors of a recording, which would take four bytes for each sample and state.

    Attributes
    ----------
    frame
        Int64 [time], decoded frames; -1 = no stimulus.
    confidence
        Float64 [time], see `confidence`.
    at_truth
        Float64 [time], probability of the true frame; 0 where the decoder does not know it, or none is shown.
    """

    frame: NDArray[np.int64]
    confidence: NDArray[np.float64]
    at_truth: NDArray[np.float64]

    @classmethod
    def of(cls, posterior: NDArray[np.float32], truth: NDArray[np.int32], axis: FrameAxis) -> Decoded:
        """Decode posteriors float32 [time, n_frames + 1], given the true frames int32 [time], -1 = none."""
        shown = np.where(truth >= 0, truth, axis.n_frames).astype(np.int64)
        n_rows = max(1, VALUES_AT_ONCE // posterior.shape[1])
        parts = [
            (likeliest(rows), confidence(rows, axis), probability_of(rows, shown[first : first + n_rows]))
            for first in range(0, max(len(posterior), 1), n_rows)
            for rows in (posterior[first : first + n_rows],)
        ]
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    @classmethod
    def pooled(cls, parts: Sequence[Decoded]) -> Decoded:
        """Concatenate the parts of a recording."""
        return cls(
            np.concatenate([part.frame for part in parts]),
            np.concatenate([part.confidence for part in parts]),
            np.concatenate([part.at_truth for part in parts]),
        )

    def take(self, which: NDArray[np.bool_]) -> Decoded:
        """Return some of the samples, bool [time]."""
        return Decoded(self.frame[which], self.confidence[which], self.at_truth[which])


def score(
    decoded: Decoded | NDArray[np.float32],
    frame: NDArray[np.int32],
    axis: FrameAxis,
    repeat: NDArray[np.int32] | None = None,
    evidence: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Score posteriors over all samples in which a frame was shown.

    Parameters
    ----------
    decoded
        Decoded samples, or their posteriors float32 [time, n_frames + 1]; the last state is "no stimulus".
    frame
        Int32 [time], true frame as its state; samples with -1 are left out. ``n_frames`` = one that the decoder does not
        know, which is always wrong.
    axis
        Frame axis, which defines the tolerance.
    repeat
        Int32 [time], repeat number; when given, each repeat is scored separately too.
    evidence
        Bool [time], false where no channel had a valid value: such a prediction is never right. None if all had.

    Returns
    -------
    scores
        ``accuracy_within_1s``, ``accuracy_exact``, ``median_frame_error``, ``mean_frame_error``, ``log_score_bits``
        (see `log_score_bits`), ``ece`` (expected calibration error of `confidence`, see `calibration_error`),
        ``mean_confidence``, and ``per_repeat`` when repeats are given.

    Examples
    --------
    >>> posterior = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1]], np.float32)
    >>> scores = score(posterior, np.array([0, 0], np.int32), frame_axis(2, ()))
    >>> scores["accuracy_exact"], scores["mean_frame_error"]
    (0.5, 0.5)
    """
    if not isinstance(decoded, Decoded):
        decoded = Decoded.of(decoded, frame, axis)
    shown = frame >= 0
    decoded, truth = decoded.take(shown), frame[shown].astype(np.int64)
    known = np.ones(len(truth), bool) if evidence is None else evidence[shown]
    scores: dict[str, Any] = _scores(decoded, truth, known, axis)
    if repeat is not None:
        repeat_shown = repeat[shown]
        scores["per_repeat"] = {
            str(r): _scores(decoded.take(of), truth[of], known[of], axis)
            for r in np.unique(repeat_shown).tolist()
            for of in (repeat_shown == r,)
        }
    return scores


def accuracy(predicted: NDArray[np.int64], frame: NDArray[np.int32], axis: FrameAxis) -> float:
    """Return the share of samples with a shown frame that are predicted within tolerance; NaN without such samples."""
    shown = frame >= 0
    if not shown.any():
        return float("nan")
    return float(frame_errors(predicted[shown], frame[shown], axis.clip, axis.tolerance_frames)[1].mean())


def _scores(
    decoded: Decoded, truth: NDArray[np.int64], evidence: NDArray[np.bool_], axis: FrameAxis
) -> dict[str, Any]:
    names = (
        "accuracy_within_1s",
        "accuracy_exact",
        "median_frame_error",
        "mean_frame_error",
        "log_score_bits",
        "ece",
        "mean_confidence",
    )
    if not len(truth):
        return dict.fromkeys(names, float("nan"))
    predicted = np.where(evidence, decoded.frame, -1)
    error, within = frame_errors(predicted, truth, axis.clip, axis.tolerance_frames)
    values = (
        within.mean(),
        (error == 0).mean(),
        np.median(error),
        error.mean(),
        bits_above_uniform(decoded.at_truth, axis.n_frames),
        calibration_error(decoded.confidence, within),
        decoded.confidence.mean(),
    )
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def log_score_bits(posterior: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Return the mean log2 probability of the true frame, relative to a uniform guess among the frames.

    A log score is a strictly proper scoring rule (Gneiting and Raftery 2007).

    Parameters
    ----------
    posterior
        Float32 [time, n_frames + 1].
    truth
        Int64 [time], true frames; ``n_frames`` = unknown, with probability 0.

    Examples
    --------
    >>> round(log_score_bits(np.array([[0.5, 0.25, 0.25, 0.0, 0.0]], np.float32), np.array([0])), 3)
    1.0
    """
    return bits_above_uniform(probability_of(posterior, truth), posterior.shape[1] - 1)


def bits_above_uniform(at_truth: NDArray[np.float64], n_frames: int) -> float:
    """Return the mean log2 of the probabilities of the truth, float64 [time], relative to a uniform guess."""
    return float(np.mean(np.log2(np.maximum(at_truth, SMALLEST_PROBABILITY))) + np.log2(n_frames))


def given_shown(posterior: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return the posterior given that a frame is shown: without "no stimulus", float32 [time, n_frames + 1].

    Parameters
    ----------
    posterior
        Float [time, n_frames + 1]; the last state is "no stimulus".

    Examples
    --------
    >>> given_shown(np.array([[0.4, 0.1, 0.5], [0.0, 0.0, 1.0]])).round(3).tolist()
    [[0.800000011920929, 0.20000000298023224, 0.0], [0.5, 0.5, 0.0]]
    """
    out = np.zeros(posterior.shape, np.float32)
    frames = posterior[:, :-1] + SMALLEST_PROBABILITY
    out[:, :-1] = frames / frames.sum(1, keepdims=True)
    return out


def probability_of(posterior: NDArray[np.float32], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the probability of the true frame, float64 [time]; 0 where the decoder does not know it.

    Parameters
    ----------
    posterior
        Float32 [time, n_frames + 1].
    truth
        Int64 [time], true frames; ``n_frames`` = unknown.
    """
    known = truth < posterior.shape[1] - 1
    return np.where(known, posterior[np.arange(len(truth)), truth], 0).astype(np.float64)


def confidence(posterior: NDArray[np.float32], axis: FrameAxis) -> NDArray[np.float64]:
    """Return the posterior probability within one second of the decoded state, float64 [time]."""
    low, high = axis.tolerance_range
    best = likeliest_states(posterior)
    total = np.zeros((len(posterior), posterior.shape[1] + 1))
    np.cumsum(posterior, axis=1, dtype=np.float64, out=total[:, 1:])
    rows = np.arange(len(best))
    mass: NDArray[np.float64] = total[rows, high[best]] - total[rows, low[best]]
    return mass


def calibration_error(confident: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Return the expected calibration error (Guo, Pleiss, Sun and Weinberger 2017, eq. 3).

    It is the mean gap between confidence and accuracy in `N_CALIBRATION_BINS` equally wide bins of confidence.

    Parameters
    ----------
    confident
        Float64 [time], confidence from 0 to 1.
    correct
        Bool [time], whether the prediction was correct.

    Examples
    --------
    >>> calibration_error(np.full(4, 0.75), np.array([True, True, False, False]))
    0.25
    """
    which = np.minimum((confident * N_CALIBRATION_BINS).astype(np.int64), N_CALIBRATION_BINS - 1)
    gap = np.bincount(which, confident - correct, N_CALIBRATION_BINS)
    return float(np.abs(gap).sum() / len(confident))
