"""Continuous labels, such as position: read from the posterior over frames, or straight from the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

SHARPNESS = (1.0, 2.0, 4.0, 0.0)
"""Powers of the posterior that its mean is tried with; 0 stands for the likeliest frame alone."""

RIDGE = -1.0
"""Stands in place of a sharpness where ridge regression from the embedding is used."""

LOCAL_MEAN = -2.0
"""Stands in place of a sharpness where the mean goes over the surroundings of the densest frame only."""

KALMAN = -3.0
"""Stands in place of a sharpness where a Kalman filter follows the label; without one, the mean of the posterior."""

RADII = (0.7, 1.0, 1.5, 2.0, 3.0, 4.0)
"""How far those surroundings reach, in distances between neighbouring frames."""

MAX_LOCAL_FRAMES = 512
"""Frames up to which they are tried: each moment costs that many products squared."""

INTERVAL = 0.8
"""Share of held-out truths that the interval around an estimate holds."""

_TINY = np.float32(1e-30)

PENALTIES = (1.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True, eq=False)
class ContinuousReader:
    """Reads every continuous label from one moment.

    Attributes
    ----------
    values
        Float64 [frames, columns]: each label's mean in each frame.
    ridge
        Float64 [dimensions + 1, columns], the last row the offset.
    sharpness
        Float64 [columns]: the power of the posterior, 0 for the likeliest frame, `RIDGE` for the embedding, `LOCAL_MEAN`
        or `KALMAN`.
    radius
        Float64 [columns]: of the surroundings, in the label's unit.
    label
        Int64 [columns], which label each column belongs to.
    interval
        Float64 [2, columns]: how the posterior's spread becomes the half-width of an interval, see `half_width`.
    """

    values: NDArray[np.float64]
    ridge: NDArray[np.float64]
    sharpness: NDArray[np.float64]
    radius: NDArray[np.float64]
    label: NDArray[np.int64]
    interval: NDArray[np.float64]

    FILE_NAMES: ClassVar[dict[str, str]] = {"radius": "reach"}

    @classmethod
    def without_intervals(
        cls, values: NDArray[np.float64], ridge: NDArray[np.float64], sharpness: NDArray[np.float64]
    ) -> ContinuousReader:
        """A reader of one label, without surroundings or intervals.

        Parameters
        ----------
        values, ridge, sharpness
            See the attributes.
        """
        k = len(sharpness)
        return cls(values, ridge, sharpness, np.zeros(k), np.zeros(k, np.int64), np.full((2, k), np.nan))

    @cached_property
    def _surroundings(self) -> list[tuple[NDArray[np.bool_], NDArray[np.float32]]]:
        """For each label read so, its columns and how near each frame is to each other one, [frames, frames]."""
        out = []
        for number in np.unique(self.label[self.sharpness == LOCAL_MEAN]):
            columns = self.label == number
            squared = distances(self.values[:, columns]) ** 2
            out.append((columns, np.exp(-0.5 * squared / self.radius[columns][0] ** 2).astype(np.float32)))
        return out

    @cached_property
    def _without_interval(self) -> bool:
        return bool(np.isnan(self.interval[0]).all())

    @cached_property
    def _middle(self) -> NDArray[np.float64]:
        return np.asarray(self.values.mean(0), np.float64)

    @cached_property
    def _powers(self) -> NDArray[np.float32]:
        """First and second power of every value, and one, float32 [frames, 2 * columns + 1]."""
        centred = self.values - self._middle
        return np.hstack([centred, centred**2, np.ones((len(centred), 1))]).astype(np.float32)

    def read(
        self,
        posterior: NDArray[np.floating[Any]],
        points: NDArray[np.float32],
        followed: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Estimates float32 [..., columns].

        Parameters
        ----------
        posterior
            Float [..., states].
        points
            Float32 [..., dimensions].
        followed
            Float32 [..., columns], what a Kalman filter says; None where nothing may be carried from before.
        """
        sharpnesses = set(self.sharpness.tolist())
        if sharpnesses == {RIDGE}:
            return np.asarray(points.dot(self.ridge[:-1]) + self.ridge[-1], np.float32)
        out = np.empty((*posterior.shape[:-1], self.values.shape[1]), np.float32)
        for columns, near in self._surroundings:
            out[..., columns] = _nearby(posterior[..., :-1], self.values[:, columns], near)
        for sharpness in sharpnesses - {LOCAL_MEAN}:
            columns = self.sharpness == sharpness
            if sharpness == KALMAN and followed is not None:
                out[..., columns] = followed[..., columns]
            elif sharpness == KALMAN:
                out[..., columns] = _from_frames(posterior[..., :-1], self.values[:, columns], 1.0)
            elif sharpness == RIDGE:
                out[..., columns] = points @ self.ridge[:-1, columns] + self.ridge[-1, columns]
            else:
                out[..., columns] = _from_frames(posterior[..., :-1], self.values[:, columns], sharpness)
        return out

    def half_width(
        self, posterior: NDArray[np.floating[Any]], estimate: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Half-widths of intervals that hold the truth in `INTERVAL` of all moments, float32 [..., columns].

        The posterior's second moment around the estimate says when to be careful; a constant part and a factor, both
        from held-out data, say how careful. NaN where nothing could be held out.

        Parameters
        ----------
        posterior
            Float [..., states].
        estimate
            Float32 [..., columns], from `read`.
        """
        if self._without_interval:
            return np.full(estimate.shape, np.nan, np.float32)
        return np.asarray(self.interval[0] * self.spread(posterior, estimate), np.float32)

    def spread(
        self, posterior: NDArray[np.floating[Any]], estimate: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Root of the posterior's second moment around the estimate and the constant part, float64 [..., columns]."""
        k = self.values.shape[1]
        sums = posterior[..., :-1] @ self._powers  # one product, of what is needed of every frame
        apart = estimate - self._middle
        second = sums[..., k:-1] - 2 * apart * sums[..., :k] + sums[..., -1:] * apart**2
        return np.asarray(np.sqrt(np.maximum(second, 0) + self.interval[1] ** 2), np.float64)


def _nearby(
    posterior: NDArray[np.floating[Any]], values: NDArray[np.float64], near: NDArray[np.float32]
) -> NDArray[np.float64]:
    weight = posterior * near[(posterior @ near).argmax(-1)]
    mean: NDArray[np.float64] = (weight @ values) / np.maximum(weight.sum(-1, keepdims=True), 1e-30)
    return mean


def distances(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Between frames in a label, float64 [frames, frames].

    Parameters
    ----------
    values
        Float64 [frames, k].
    """
    return np.asarray(np.linalg.norm(values[:, None] - values[None], axis=-1), np.float64)


def spacing(values: NDArray[np.float64]) -> float:
    """The usual distance from a frame to its second nearest other one (two may be one place, passed both ways).

    Parameters
    ----------
    values
        Float64 [frames, k].
    """
    apart = distances(values)
    positive = apart[apart > 0]
    if not len(positive):
        return 1.0
    return float(np.median(np.sort(apart, 1)[:, min(2, len(apart) - 1)])) or float(np.median(positive))


def _from_frames(
    posterior: NDArray[np.floating[Any]], values: NDArray[np.float64], sharpness: float
) -> NDArray[np.float64]:
    if sharpness == 0:
        likeliest: NDArray[np.float64] = values[posterior.argmax(-1)]
        return likeliest
    # Where "no stimulus" is certain no frame has any probability left, and all count alike.
    weight = (posterior / np.maximum(posterior.max(-1, keepdims=True), _TINY)) ** sharpness + _TINY
    mean: NDArray[np.float64] = (weight @ values) / weight.sum(-1, keepdims=True)
    return mean


def frame_values(label: NDArray[np.float32], state: NDArray[np.int64], n_frames: int) -> NDArray[np.float64]:
    """Each label's mean in each frame, float64 [frames, k]; frames never seen get the overall mean."""
    known = np.isfinite(label).all(1) & (state < n_frames)
    count = np.bincount(state[known], minlength=n_frames).astype(np.float64)
    total = np.stack([np.bincount(state[known], column[known], n_frames) for column in label.T], axis=1)
    overall = label[known].mean(0) if known.any() else np.zeros(label.shape[1])
    return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], overall)


def fit_ridge(points: NDArray[np.float32], label: NDArray[np.float32], penalty: float) -> NDArray[np.float64]:
    """Ridge regression, float64 [dimensions + 1, k]; the last row is the offset."""
    known = np.isfinite(label).all(1)
    x, y = points[known].astype(np.float64), label[known].astype(np.float64)
    if not len(x):
        return np.zeros((points.shape[1] + 1, label.shape[1]))
    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y = x - mean_x, y - mean_y
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    return np.vstack([weights, mean_y - mean_x @ weights])


def median_prediction(label: NDArray[np.float32], n_dimensions: int) -> NDArray[np.float64]:
    """A label's median as a ridge regression that hears nothing, float64 [dimensions + 1, k]."""
    known = np.isfinite(label).all(1)
    middle = np.median(label[known], axis=0) if known.any() else np.zeros(label.shape[1])
    return np.vstack([np.zeros((n_dimensions, label.shape[1])), middle])


def median_error(estimate: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Median Euclidean distance, in the label's unit; NaN when no moment has a known truth."""
    distance = np.sqrt(((estimate - truth) ** 2).sum(-1))
    known = np.isfinite(distance)
    return float(np.median(distance[known])) if known.any() else float("nan")
