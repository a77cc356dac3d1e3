"""Decoding of continuous labels, such as position, from the posterior over frames or from the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

SHARPNESS = (1.0, 2.0, 4.0, 0.0)
"""Candidate exponents of the posterior in its mean; 0 takes the most probable frame alone."""

RIDGE = -1.0
"""Sharpness that stands for ridge regression from the embedding."""

LOCAL_MEAN = -2.0
"""Sharpness that stands for the posterior mean over the neighbourhood with the most probability."""

KALMAN = -3.0
"""Sharpness that stands for a Kalman filter; where none may run, for the posterior mean."""

RADII = (0.7, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Candidate radii of those neighbourhoods, in units of the spacing between frames (see `spacing`)."""

MAX_LOCAL_FRAMES = 512
"""Largest number of frames for which neighbourhoods are tried: the cost is quadratic in it."""

INTERVAL = 0.8
"""Coverage of the interval around an estimate, on held-out data."""

PENALTIES = (1.0, 10.0, 100.0, 1000.0)
"""Candidate penalties of the ridge regression."""

_TINY = np.float32(1e-30)


@dataclass(frozen=True, eq=False)
class ContinuousReader:
    """Decodes every continuous label; a column is one component of a label.

    Attributes
    ----------
    values
        Float64 [frames, columns], mean of each label in each frame.
    ridge
        Float64 [dimensions + 1, columns], weights of the ridge regression; the last row is the intercept.
    sharpness
        Float64 [columns], exponent of the posterior in its mean; 0 takes the most probable frame. `RIDGE`, `LOCAL_MEAN`
        and `KALMAN` stand for other methods.
    radius
        Float64 [columns], radius of the neighbourhood in the label's unit, where `LOCAL_MEAN` is used.
    label
        Int64 [columns], number of the label that each column belongs to.
    interval
        Float64 [2, columns], factor and constant of `half_width`; NaN without held-out data.
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
        """Create a reader of one label, without neighbourhoods or intervals.

        Parameters
        ----------
        values, ridge, sharpness
            See the class.
        """
        k = len(sharpness)
        return cls(values, ridge, sharpness, np.zeros(k), np.zeros(k, np.int64), np.full((2, k), np.nan))

    @cached_property
    def _neighbourhoods(self) -> list[tuple[NDArray[np.bool_], NDArray[np.float32]]]:
        """Columns and Gaussian weights [frames, frames] of each label that uses `LOCAL_MEAN`."""
        out = []
        for number in np.unique(self.label[self.sharpness == LOCAL_MEAN]):
            columns = self.label == number
            squared = distances(self.values[:, columns]) ** 2
            out.append((columns, np.exp(-0.5 * squared / self.radius[columns][0] ** 2).astype(np.float32)))
        return out

    @cached_property
    def _sharpnesses(self) -> set[float]:
        return set(self.sharpness.tolist())

    @cached_property
    def _ridge(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        ridge = self.ridge.astype(np.float32)
        return ridge[:-1], ridge[-1]

    @cached_property
    def _lacks_interval(self) -> bool:
        return bool(np.isnan(self.interval[0]).all())

    @cached_property
    def _mean_value(self) -> NDArray[np.float64]:
        return np.asarray(self.values.mean(0), np.float64)

    @cached_property
    def _powers(self) -> NDArray[np.float32]:
        """Centred values, their squares, and one, float32 [frames, 2 * columns + 1]."""
        centred = self.values - self._mean_value
        return np.hstack([centred, centred**2, np.ones((len(centred), 1))]).astype(np.float32)

    def read(
        self,
        posterior: NDArray[np.floating[Any]],
        points: NDArray[np.float32],
        filtered: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Return estimates, float32 [..., columns].

        Parameters
        ----------
        posterior
            Float [..., states].
        points
            Float32 [..., dimensions], embedded points.
        filtered
            Float32 [..., columns], output of the Kalman filter; None where earlier samples must not be used.
        """
        sharpnesses = self._sharpnesses
        if sharpnesses == {RIDGE}:
            slope, intercept = self._ridge
            estimate: NDArray[np.float32] = points.dot(slope) + intercept
            return estimate
        out = np.empty((*posterior.shape[:-1], self.values.shape[1]), np.float32)
        for columns, weights in self._neighbourhoods:
            out[..., columns] = _local_mean(posterior[..., :-1], self.values[:, columns], weights)
        for sharpness in sharpnesses - {LOCAL_MEAN}:
            columns = self.sharpness == sharpness
            if sharpness == KALMAN and filtered is not None:
                out[..., columns] = filtered[..., columns]
            elif sharpness == KALMAN:
                out[..., columns] = _posterior_mean(posterior[..., :-1], self.values[:, columns], 1.0)
            elif sharpness == RIDGE:
                out[..., columns] = points @ self.ridge[:-1, columns] + self.ridge[-1, columns]
            else:
                out[..., columns] = _posterior_mean(posterior[..., :-1], self.values[:, columns], sharpness)
        return out

    def half_width(
        self, posterior: NDArray[np.floating[Any]], estimate: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return half-widths of intervals that cover the truth with probability `INTERVAL`, float32 [..., columns].

        The half-width is the posterior's spread around the estimate (see `spread`) times a factor from held-out data;
        NaN without held-out data.

        Parameters
        ----------
        posterior
            Float [..., states].
        estimate
            Float32 [..., columns], from `read`.
        """
        if self._lacks_interval:
            return np.full(estimate.shape, np.nan, np.float32)
        return np.asarray(self.interval[0] * self.spread(posterior, estimate), np.float32)

    def spread(
        self, posterior: NDArray[np.floating[Any]], estimate: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the root of the posterior's mean squared distance plus a constant, float64 [..., columns]."""
        k = self.values.shape[1]
        sums = posterior[..., :-1] @ self._powers
        offset = estimate - self._mean_value
        second = sums[..., k:-1] - 2 * offset * sums[..., :k] + sums[..., -1:] * offset**2
        return np.asarray(np.sqrt(np.maximum(second, 0) + self.interval[1] ** 2), np.float64)


def _local_mean(
    posterior: NDArray[np.floating[Any]], values: NDArray[np.float64], neighbourhood: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the posterior mean over the neighbourhood that holds the most probability."""
    weight = posterior * neighbourhood[(posterior @ neighbourhood).argmax(-1)]
    mean: NDArray[np.float64] = (weight @ values) / np.maximum(weight.sum(-1, keepdims=True), 1e-30)
    return mean


def distances(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Euclidean distances of a label's values between frames, float64 [frames, frames].

    Parameters
    ----------
    values
        Float64 [frames, k], mean of the label in each frame.

    Examples
    --------
    >>> distances(np.array([[0.0], [2.0]])).tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    return np.asarray(np.linalg.norm(values[:, None] - values[None], axis=-1), np.float64)


def spacing(values: NDArray[np.float64]) -> float:
    """Return the median distance of a frame to its second nearest neighbour.

    The nearest one may be the same place, passed in the other direction.

    Parameters
    ----------
    values
        Float64 [frames, k], mean of the label in each frame.

    Examples
    --------
    >>> spacing(np.array([[0.0], [0.0], [1.0], [1.0], [2.0], [2.0]]))
    1.0
    """
    between = distances(values)
    positive = between[between > 0]
    if not len(positive):
        return 1.0
    return float(np.median(np.sort(between, 1)[:, min(2, len(between) - 1)])) or float(np.median(positive))


def _posterior_mean(
    posterior: NDArray[np.floating[Any]], values: NDArray[np.float64], sharpness: float
) -> NDArray[np.float64]:
    """Return the mean under the posterior to the power ``sharpness``; 0 takes the most probable frame."""
    if sharpness == 0:
        likeliest: NDArray[np.float64] = values[posterior.argmax(-1)]
        return likeliest
    # Where "no stimulus" is certain, no frame has any probability: all get equal weight.
    weight = (posterior / np.maximum(posterior.max(-1, keepdims=True), _TINY)) ** sharpness + _TINY
    mean: NDArray[np.float64] = (weight @ values) / weight.sum(-1, keepdims=True)
    return mean


def frame_values(label: NDArray[np.float32], state: NDArray[np.int64], n_frames: int) -> NDArray[np.float64]:
    """Return a label's mean in each frame, float64 [frames, k]; frames without samples get the overall mean."""
    known = np.isfinite(label).all(1) & (state < n_frames)
    count = np.bincount(state[known], minlength=n_frames).astype(np.float64)
    total = np.stack([np.bincount(state[known], column[known], n_frames) for column in label.T], axis=1)
    overall = label[known].mean(0) if known.any() else np.zeros(label.shape[1])
    return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], overall)


def fit_ridge(points: NDArray[np.float32], label: NDArray[np.float32], penalty: float) -> NDArray[np.float64]:
    """Fit a ridge regression (Hoerl and Kennard 1970), float64 [dimensions + 1, k]; the last row is the intercept."""
    known = np.isfinite(label).all(1)
    x, y = points[known].astype(np.float64), label[known].astype(np.float64)
    if not len(x):
        return np.zeros((points.shape[1] + 1, label.shape[1]))
    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y = x - mean_x, y - mean_y
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    return np.vstack([weights, mean_y - mean_x @ weights])


def median_prediction(label: NDArray[np.float32], n_dimensions: int) -> NDArray[np.float64]:
    """Return regression weights that predict a label's median for every point, float64 [dimensions + 1, k]."""
    known = np.isfinite(label).all(1)
    median = np.median(label[known], axis=0) if known.any() else np.zeros(label.shape[1])
    return np.vstack([np.zeros((n_dimensions, label.shape[1])), median])


def median_error(estimate: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Return the median Euclidean error in the label's unit; NaN when no sample has a known truth."""
    distance = np.sqrt(((estimate - truth) ** 2).sum(-1))
    known = np.isfinite(distance)
    return float(np.median(distance[known])) if known.any() else float("nan")
