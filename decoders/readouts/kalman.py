"""Continuous labels that move smoothly, heard through the embedding: a Kalman filter.

The state is every label and its change since the sample before; the embedded point is linear in it, with Gaussian noise
(Wu, Gao, Bienenstock, Donoghue and Black 2006, Neural Computation 18, 80).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

NOISE_INFLATION = (1.0, 4.0, 16.0)
"""How many times in a row overlapping windows say the same: the noise of a point is taken for that much larger."""

_PENALTY = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Kalman:
    """What moves, and how it is heard.

    Attributes
    ----------
    advance, wander
        Float64 [2 * columns, 2 * columns]: where a state goes in one sample, and the covariance of what is added.
    hear
        Float64 [dimensions, 2 * columns]: what a point says for each part of the state, by its noise.
    certainty
        Float64 [2 * columns, 2 * columns]: how much one point says (its Fisher information).
    middle
        Float64 [dimensions], the point of a state of zero.
    start, spread
        Float64 [2 * columns] and [2 * columns, 2 * columns]: mean and covariance where a segment begins.
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
    slowness: float,
) -> Kalman | None:
    """Fit by least squares; None when too few moments have known labels.

    Parameters
    ----------
    points
        Float32 [time, dimensions], embedded.
    labels
        Float32 [time, columns], every continuous label.
    border
        Bool [time], true where a segment begins.
    keep
        Bool [time], which samples to use.
    slowness
        See `NOISE_INFLATION`.
    """
    known = keep & np.isfinite(labels).all(1)
    moving = known & ~boundary
    moving[1:] &= known[:-1]
    moving[:1] = False
    follows = moving.copy()
    follows[1:] &= moving[:-1]
    n = 2 * labels.shape[1]
    if follows.sum() < 10 * (n + 1):
        return None
    change = np.diff(labels, axis=0, prepend=labels[:1])
    state = np.hstack([labels, change]).astype(np.float64)
    before, now = state[np.flatnonzero(follows) - 1], state[follows]
    here, heard = state[moving], points[moving].astype(np.float64)
    middle = here.mean(0)
    scale = np.maximum(here.std(0), 1e-12)
    advance = _regress((before - middle) / scale, now - middle).T / scale
    wander = _covariance(now - middle - (before - middle) @ advance.T)
    loud = _regress((here - middle) / scale, heard - heard.mean(0)).T / scale
    noise = _covariance(heard - heard.mean(0) - (here - middle) @ loud.T)
    noise += 0.1 * np.trace(noise) / len(noise) * np.eye(len(noise))
    hear = np.linalg.solve(noise, loud) / slowness
    # Means are kept apart from the dynamics, which go around them.
    return Kalman(advance, wander, hear, loud.T @ hear, heard.mean(0), middle, _covariance(here - middle))


class KalmanStream:
    """The filter, one sample after the other.

    Parameters
    ----------
    kalman
        Fitted.
    """

    def __init__(self, kalman: Kalman) -> None:
        self.kalman = kalman
        self.reset()

    def reset(self) -> None:
        """Start a new segment."""
        self._mean = np.zeros(len(self.kalman.initial_mean))
        self._spread: NDArray[np.float64] | None = None

    def take_over(self, other: KalmanStream) -> None:
        """Go on from where another one of the same labels stands.

        Parameters
        ----------
        other
            Stays as it is.
        """
        self._mean = other._mean + other.kalman.initial_mean - self.kalman.initial_mean
        self._spread = other._spread

    def step(self, point: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Take in one embedded point and say where the labels are, float32 [columns].

        Parameters
        ----------
        point
            Float32 [dimensions]; None when the sample says nothing.
        """
        k = self.kalman
        if self._spread is None:
            spread = k.initial_covariance
        else:
            self._mean = k.transition @ self._mean
            spread = k.transition @ self._spread @ k.transition.T + k.process_noise
        if point is not None:
            gained = np.linalg.inv(np.eye(len(spread)) + spread @ k.information)
            spread = gained @ spread
            said = (point - k.mean_point) @ k.weighted_observation
            self._mean = gained @ self._mean + spread @ said
        self._spread = 0.5 * (spread + spread.T)
        return (self._mean + k.initial_mean)[: len(self._mean) // 2].astype(np.float32)


def filter_points(
    kalman: Kalman, points: NDArray[np.float32], boundary: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """What `KalmanStream` says of a whole recording, float32 [time, columns].

    Parameters
    ----------
    kalman
        Fitted.
    points
        Float32 [time, dimensions].
    border
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
