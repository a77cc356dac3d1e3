"""Kalman filter of continuous labels (Kalman 1960), with embedded points as observations.

The state holds every label and its change since the previous sample; the observed point is linear in the state, with
Gaussian noise, as in the decoder of Wu, Gao, Bienenstock, Donoghue and Black (2006, Neural Computation 18, 80).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

NOISE_INFLATION = (1.0, 4.0, 16.0)
"""Candidate factors on the observation noise: overlapping windows repeat the same evidence."""

_PENALTY = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Kalman:
    """Parameters of the filter, in information form; states are relative to ``initial_mean``.

    With the observation matrix C [dimensions, states] and the noise covariance R, ``weighted_observation`` is R^-1 C and
    ``information`` is C' R^-1 C.

    Attributes
    ----------
    transition
        Float64 [states, states], where states are 2 * columns of labels.
    process_noise
        Float64 [states, states], covariance of the noise that each transition adds.
    weighted_observation
        Float64 [dimensions, states], observation matrix weighted by the noise precision.
    information
        Float64 [states, states], Fisher information of one point about the state.
    mean_point
        Float64 [dimensions], point observed at the mean state.
    initial_mean, initial_covariance
        Float64 [states] and [states, states], distribution of the state where a segment begins.
    """

    transition: NDArray[np.float64]
    process_noise: NDArray[np.float64]
    weighted_observation: NDArray[np.float64]
    information: NDArray[np.float64]
    mean_point: NDArray[np.float64]
    initial_mean: NDArray[np.float64]
    initial_covariance: NDArray[np.float64]

    FILE_NAMES: ClassVar[dict[str, str]] = {
        "transition": "advance",
        "process_noise": "wander",
        "weighted_observation": "hear",
        "information": "certainty",
        "mean_point": "middle",
        "initial_mean": "start",
        "initial_covariance": "spread",
    }


def fit_kalman(
    points: NDArray[np.float32],
    labels: NDArray[np.float32],
    boundary: NDArray[np.bool_],
    keep: NDArray[np.bool_],
    noise_inflation: float,
) -> Kalman | None:
    """Fit the filter by least squares; None when too few samples have known labels.

    Parameters
    ----------
    points
        Float32 [time, dimensions], embedded points.
    labels
        Float32 [time, columns], every continuous label.
    boundary
        Bool [time], true where a segment begins.
    keep
        Bool [time], samples to use.
    noise_inflation
        Factor on the observation noise (see `NOISE_INFLATION`).
    """
    known = keep & np.isfinite(labels).all(1)
    has_change = known & ~boundary
    has_change[1:] &= known[:-1]
    has_change[:1] = False
    follows = has_change.copy()
    follows[1:] &= has_change[:-1]
    n_states = 2 * labels.shape[1]
    if follows.sum() < 10 * (n_states + 1):
        return None
    change = np.diff(labels, axis=0, prepend=labels[:1])
    states = np.hstack([labels, change]).astype(np.float64)
    observed, point = states[has_change], points[has_change].astype(np.float64)
    mean, mean_point = observed.mean(0), point.mean(0)
    scale = np.maximum(observed.std(0), 1e-12)
    before, after = states[np.flatnonzero(follows) - 1] - mean, states[follows] - mean
    observed, point = observed - mean, point - mean_point
    transition = _regress(before / scale, after).T / scale
    process_noise = _covariance(after - before @ transition.T)
    observation = _regress(observed / scale, point).T / scale
    noise = _covariance(point - observed @ observation.T)
    noise += 0.1 * np.trace(noise) / len(noise) * np.eye(len(noise))
    weighted = np.linalg.solve(noise, observation) / noise_inflation
    return Kalman(
        transition=transition,
        process_noise=process_noise,
        weighted_observation=weighted,
        information=observation.T @ weighted,
        mean_point=mean_point,
        initial_mean=mean,
        initial_covariance=_covariance(observed),
    )


class KalmanStream:
    """Runs the filter sample by sample.

    Parameters
    ----------
    kalman
        Fitted filter.
    """

    def __init__(self, kalman: Kalman) -> None:
        self.kalman = kalman
        self.reset()

    def reset(self) -> None:
        """Start a new segment."""
        self._mean = np.zeros(len(self.kalman.initial_mean))
        self._covariance: NDArray[np.float64] | None = None

    def take_over(self, other: KalmanStream) -> None:
        """Copy the state of another filter of the same labels.

        Parameters
        ----------
        other
            Source; it stays unchanged.
        """
        self._mean = other._mean + other.kalman.initial_mean - self.kalman.initial_mean
        self._covariance = other._covariance

    def step(self, point: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Advance by one sample, update with its point, and return the label estimates, float32 [columns].

        Parameters
        ----------
        point
            Float32 [dimensions]; None when the sample holds no evidence.
        """
        k = self.kalman
        if self._covariance is None:
            covariance = k.initial_covariance
        else:
            self._mean = k.transition @ self._mean
            covariance = k.transition @ self._covariance @ k.transition.T + k.process_noise
        if point is not None:
            # The update in information form: the posterior precision is the prior one plus the point's information.
            gain = np.linalg.inv(np.eye(len(covariance)) + covariance @ k.information)
            covariance = gain @ covariance
            evidence = (point - k.mean_point) @ k.weighted_observation
            self._mean = gain @ self._mean + covariance @ evidence
        self._covariance = 0.5 * (covariance + covariance.T)
        return (self._mean + k.initial_mean)[: len(self._mean) // 2].astype(np.float32)


def filter_points(
    kalman: Kalman, points: NDArray[np.float32], boundary: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Compute the estimates that `KalmanStream` gives for a whole recording, float32 [time, columns].

    Parameters
    ----------
    kalman
        Fitted filter.
    points
        Float32 [time, dimensions], embedded points.
    boundary
        Bool [time], true where a segment begins.
    """
    stream = KalmanStream(kalman)
    out = np.empty((len(points), len(kalman.initial_mean) // 2), np.float32)
    for index, point in enumerate(points):
        if boundary[index]:
            stream.reset()
        out[index] = stream.step(point)
    return out


def _regress(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.solve(x.T @ x + _PENALTY * len(x) * np.eye(x.shape[1]), x.T @ y), np.float64)


def _covariance(residual: NDArray[np.float64]) -> NDArray[np.float64]:
    cov = residual.T @ residual / len(residual)
    return np.asarray(cov + 1e-9 * np.diag(np.diag(cov)) + 1e-12 * np.eye(len(cov)))
