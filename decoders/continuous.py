"""Continuous labels, such as position: read from the posterior over frames, or straight from the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHARPNESS = (1.0, 2.0, 4.0, 0.0)
"""Powers of the posterior that its mean is tried with; 0 stands for the likeliest frame alone."""

RIDGE = -1.0
"""Stands in place of a sharpness where ridge regression from the embedding is used."""

PENALTIES = (1.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True, slots=True, eq=False)
class ContinuousReader:
    """Reads every continuous label from one moment.

    Attributes
    ----------
    values
        Float64 [frames, columns]: each label's mean in each frame.
    ridge
        Float64 [dimensions + 1, columns], the last row the offset.
    sharpness
        Float64 [columns]: the power of the posterior, 0 for the likeliest frame, `RIDGE` for the embedding.
    """

    values: NDArray[np.float64]
    ridge: NDArray[np.float64]
    sharpness: NDArray[np.float64]

    def read(self, posterior: NDArray[np.floating[Any]], points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Estimates float32 [..., columns].

        Parameters
        ----------
        posterior
            Float [..., states].
        points
            Float32 [..., dimensions].
        """
        sharpnesses = set(self.sharpness.tolist())
        if sharpnesses == {RIDGE}:
            return np.asarray(points.dot(self.ridge[:-1]) + self.ridge[-1], np.float32)
        out = np.empty((*posterior.shape[:-1], self.values.shape[1]), np.float32)
        for sharpness in sharpnesses:
            columns = self.sharpness == sharpness
            if sharpness == RIDGE:
                out[..., columns] = points @ self.ridge[:-1, columns] + self.ridge[-1, columns]
            else:
                out[..., columns] = _from_frames(posterior[..., :-1], self.values[:, columns], sharpness)
        return out


def _from_frames(
    posterior: NDArray[np.floating[Any]], values: NDArray[np.float64], sharpness: float
) -> NDArray[np.float64]:
    if sharpness == 0:
        likeliest: NDArray[np.float64] = values[posterior.argmax(-1)]
        return likeliest
    weight = (posterior / np.maximum(posterior.max(-1, keepdims=True), 1e-300)) ** sharpness
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


def constant(label: NDArray[np.float32], n_dimensions: int) -> NDArray[np.float64]:
    """A label's median as a ridge regression that hears nothing, float64 [dimensions + 1, k]."""
    known = np.isfinite(label).all(1)
    middle = np.median(label[known], axis=0) if known.any() else np.zeros(label.shape[1])
    return np.vstack([np.zeros((n_dimensions, label.shape[1])), middle])


def median_error(estimate: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Median Euclidean distance, in the label's unit; NaN when no moment has a known truth."""
    distance = np.sqrt(((estimate - truth) ** 2).sum(-1))
    known = np.isfinite(distance)
    return float(np.median(distance[known])) if known.any() else float("nan")
