"""Scores of frame predictions. Numpy only, so that a running engine can use them too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.movie import Clip

N_CALIBRATION_BINS = 10
SMALLEST_PROBABILITY = 1e-9
"""A truth that was given less counts as this much: one blunder may not decide a log score."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameAxis:
    """What counts as near on the axis of frames.

    Attributes
    ----------
    clip
        Int64 [n_frames], the clip of each frame.
    tolerance_frames
        Frames that are within one second; 0 when frames are not a movie.
    """

    clip: NDArray[np.int64]
    tolerance_frames: int

    @property
    def n_frames(self) -> int:
        """Frames, without "no stimulus"."""
        return len(self.clip)

    @property
    def tolerance_range(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First state, and one past the last, within tolerance of each state and in its clip; the last is alone."""
        states = np.arange(self.n_frames)
        first = np.searchsorted(self.clip, self.clip)
        last = np.searchsorted(self.clip, self.clip, side="right")
        low = np.maximum(states - self.tolerance_frames, first)
        high = np.minimum(states + self.tolerance_frames + 1, last)
        return np.r_[low, self.n_frames], np.r_[high, self.n_frames + 1]


def frame_axis(n_frames: int, clips: Sequence[Clip]) -> FrameAxis:
    """The axis of a movie's frames, or of frames that are not a movie.

    Parameters
    ----------
    n_frames
        Frames.
    clips
        Of the movie; none when frames do not follow each other, and then only the exact one is near.
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
    """How far off predictions are.

    Parameters
    ----------
    predicted
        Int [time]; -1 = no stimulus.
    truth
        Int [time], frames (never -1).
    clip
        Int64 [n_frames], the clip of each frame.
    tolerance_frames
        Frames that are within one second of movie time.

    Returns
    -------
    error
        Int64 [time], frames; ``n_frames``, the most there is, for an answer of "no stimulus".
    within
        Bool [time], whether within the tolerance and in the same clip.
    """
    answered = predicted >= 0
    error = np.where(answered, np.abs(predicted - truth), len(clip)).astype(np.int64)
    same_clip = clip[np.maximum(predicted, 0)] == clip[truth]
    return error, answered & same_clip & (error <= tolerance_frames)


def likeliest(posterior: NDArray[np.float32]) -> NDArray[np.int64]:
    """The likeliest frame of each posterior, int64 [time]; -1 = no stimulus."""
    best = posterior.argmax(1)
    return np.where(best < posterior.shape[1] - 1, best, -1).astype(np.int64)


def score(
    posterior: NDArray[np.float32],
    frame: NDArray[np.int32],
    axis: FrameAxis,
    repeat: NDArray[np.int32] | None = None,
) -> dict[str, Any]:
    """Every score of a series of posteriors, over the moments in which a frame was shown.

    Parameters
    ----------
    posterior
        Float32 [time, n_frames + 1].
    frame
        Int32 [time], the truth; moments with -1 are left out.
    axis
        What counts as near.
    repeat
        Int32 [time]; given, each showing is scored alone too.

    Returns
    -------
    scores
        ``accuracy_within_1s``, ``accuracy_exact``, ``median_frame_error``, ``mean_frame_error``, ``log_score_bits``
        (mean log2 probability of the truth, above uniform), ``ece`` (expected calibration error of the confidence that
        the answer is within one second), ``mean_confidence``, and ``per_repeat``.
    """
    shown = frame >= 0
    posterior, truth = posterior[shown], frame[shown].astype(np.int64)
    scores: dict[str, Any] = _scores(posterior, truth, axis)
    if repeat is not None:
        at = repeat[shown]
        scores["per_repeat"] = {
            str(r): _scores(posterior[at == r], truth[at == r], axis) for r in np.unique(at).tolist()
        }
    return scores


def accuracy(predicted: NDArray[np.int64], frame: NDArray[np.int32], axis: FrameAxis) -> float:
    """The share of shown moments answered within tolerance."""
    shown = frame >= 0
    if not shown.any():
        return float("nan")
    return float(frame_errors(predicted[shown], frame[shown], axis.clip, axis.tolerance_frames)[1].mean())


def _scores(posterior: NDArray[np.float32], truth: NDArray[np.int64], axis: FrameAxis) -> dict[str, Any]:
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
    predicted = likeliest(posterior)
    error, within = frame_errors(predicted, truth, axis.clip, axis.tolerance_frames)
    confident = confidence(posterior, axis)
    values = (
        within.mean(),
        (error == 0).mean(),
        np.median(error),
        error.mean(),
        log_score_bits(posterior, truth),
        calibration_error(confident, within),
        confident.mean(),
    )
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def log_score_bits(posterior: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Mean log2 probability of the truth, above that of a uniform guess among the frames.

    Parameters
    ----------
    posterior
        Float32 [time, n_frames + 1].
    truth
        Int64 [time].
    """
    at_truth = posterior[np.arange(len(truth)), truth].astype(np.float64)
    return float(
        np.mean(np.log2(np.maximum(at_truth, SMALLEST_PROBABILITY))) + np.log2(posterior.shape[1] - 1)
    )


def confidence(posterior: NDArray[np.float32], axis: FrameAxis) -> NDArray[np.float64]:
    """Probability within one second of the likeliest frame, float64 [time]."""
    low, high = axis.tolerance_range
    best = posterior.argmax(1)
    total = np.zeros((len(posterior), posterior.shape[1] + 1))
    np.cumsum(posterior, axis=1, dtype=np.float64, out=total[:, 1:])
    rows = np.arange(len(best))
    mass: NDArray[np.float64] = total[rows, high[best]] - total[rows, low[best]]
    return mass


def calibration_error(confident: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy in equally wide bins (Guo et al. 2017).

    Parameters
    ----------
    confident
        Float64 [time], 0 to 1.
    correct
        Bool [time].
    """
    which = np.minimum((confident * N_CALIBRATION_BINS).astype(np.int64), N_CALIBRATION_BINS - 1)
    gap = np.bincount(which, confident - correct, N_CALIBRATION_BINS)
    return float(np.abs(gap).sum() / len(confident))
