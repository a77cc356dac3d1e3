"""Projection of an embedding of many dimensions onto a rotating view of three."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

POINTS_FOR_BASIS = 1_000

MEAN_POINTS = 9
"""Length of the running mean over points, stated in the panel; single points are mostly noise."""


class Basis:
    """What is drawn of an embedding: three dimensions as they are, else the first three principal ones.

    The principal dimensions are those of the running mean, which is drawn; a rotation keeps them from flipping as the
    trail grows.

    Attributes
    ----------
    explained
        Share of the variance of the running mean that is drawn, 0 to 1.
    """

    def __init__(self) -> None:
        self._axes: NDArray[np.float64] | None = None
        self._mean: NDArray[np.float64] = np.zeros(0)
        self._scale = 1.0
        self.explained = 1.0

    def update(self, points: NDArray[np.float32]) -> None:
        """Estimate the axes from the trail.

        Parameters
        ----------
        points
            Embedded points, float32 [n, k].
        """
        k = points.shape[1]
        if k == 3:
            self._axes, self._mean, self._scale = np.eye(3), np.zeros(3), 1.0
            return
        smooth = running_mean(points, MEAN_POINTS)[:: max(1, len(points) // POINTS_FOR_BASIS)].astype(
            np.float64
        )
        mean = smooth.mean(0)
        centred = smooth - mean
        values, vectors = np.linalg.eigh(centred.T @ centred)
        axes = vectors[:, ::-1][:, :3]
        self.explained = float(values[::-1][:3].sum() / max(values.sum(), 1e-300))
        axes = np.pad(axes, ((0, 0), (0, 3 - axes.shape[1])))
        if self._axes is not None and self._axes.shape == axes.shape:
            left, _, right = np.linalg.svd(axes.T @ self._axes)
            axes = axes @ (left @ right)
        self._axes, self._mean = axes, mean
        self._scale = float(np.percentile(np.linalg.norm(centred @ axes, axis=1), 95)) or 1.0

    def project(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Project points [n, k] onto the axes: float32 [n, 3], three dimensions as they are, else of radius about 1."""
        assert self._axes is not None
        if points.shape[1] == 3:
            return points
        axes = (self._axes / self._scale).astype(np.float32)
        centre = (self._mean @ self._axes / self._scale).astype(np.float32)
        return running_mean(points @ axes - centre, MEAN_POINTS)


def running_mean(points: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Causal running mean over up to ``n`` points: float32 [n_points, k]."""
    total = np.cumsum(points, 0, dtype=np.float64)
    total[n:] -= total[:-n].copy()
    mean: NDArray[np.float32] = (total / np.minimum(np.arange(1, len(points) + 1), n)[:, None]).astype(
        np.float32
    )
    return mean


def rotate(points: NDArray[np.float32], yaw: float, pitch: float) -> NDArray[np.float32]:
    """Rotate points about the vertical axis, then tilt them towards the viewer.

    Parameters
    ----------
    points
        Float32 [n, 3].
    yaw, pitch
        Radians.

    Returns
    -------
    points
        Float32 [n, 3]: right, up, towards the viewer.
    """
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    turn = (
        np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]).T
        @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]]).T
    )
    turned: NDArray[np.float32] = points @ turn.astype(np.float32)
    return turned


def splat(
    points: NDArray[np.float32],
    colours: NDArray[np.uint8],
    size: tuple[int, int],
    ground: tuple[int, int, int],
    dot: int,
) -> NDArray[np.uint8]:
    """Draw points as squares into an image, the nearer ones over the farther ones.

    Parameters
    ----------
    points
        Float32 [n, 3], right and up in -1 to 1 of the shorter side, and towards the viewer.
    colours
        Uint8 [n, 3].
    size
        Width and height in pixels.
    ground
        Colour of the ground.
    dot
        Side of a square in pixels.

    Returns
    -------
    image
        Uint8 [height, width, 4], RGBA, opaque.
    """
    width, height = size
    image = np.empty((height, width, 4), np.uint8)
    image[:] = (*ground, 255)
    order = np.argsort(points[:, 2])
    radius = min(size) / 2
    x = (width / 2 + points[order, 0] * radius).astype(np.int32)
    y = (height / 2 - points[order, 1] * radius).astype(np.int32)
    inside = (x >= 0) & (x < width - dot) & (y >= 0) & (y < height - dot)
    x, y = x[inside], y[inside]
    colour = np.empty((len(x), 4), np.uint8)
    colour[:, :3] = colours[order][inside]
    colour[:, 3] = 255
    flat = image.reshape(-1, 4).view(np.uint32)[:, 0]
    packed = colour.view(np.uint32)[:, 0]
    at = y * width + x
    for row in range(dot):
        for column in range(dot):
            flat[at + row * width + column] = packed
    return image
