"""Plots of embeddings with matplotlib: points, training loss, consistency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from stream.errors import BadUsage

if TYPE_CHECKING:
    from decoders.embedding.estimator import Embedding

__all__ = ["consistency", "embedding", "loss"]


def embedding(
    points: ArrayLike,
    colour: ArrayLike | None = None,
    *,
    dimensions: Sequence[int] | None = None,
    ax: Any = None,
    size: float = 2.0,
    cmap: str = "viridis",
) -> Any:
    """Plot points of an embedding in two or three of its dimensions.

    Parameters
    ----------
    points
        Float [time, dimensions].
    colour
        Float [time], such as the frame or a label; None colours by time.
    dimensions
        Two or three dimensions to plot; None for the first three, or two if there are only two.
    ax
        Axes of matplotlib, three-dimensional for three dimensions; None makes a figure.
    size
        Size of a point, as in matplotlib.
    cmap
        Name of a colour map of matplotlib.

    Returns
    -------
    ax
        The axes; ``ax.figure.savefig("embedding.png")`` saves them.

    Raises
    ------
    BadUsage
        When there are no such dimensions.
    """
    x = np.asarray(points, np.float64)
    shown = tuple(dimensions) if dimensions is not None else tuple(range(min(3, x.shape[1])))
    if len(shown) not in (2, 3) or not all(0 <= d < x.shape[1] for d in shown):
        raise BadUsage(f"cannot plot dimensions {shown} of {x.shape[1]}; give two or three of them.")
    ax = ax if ax is not None else _axes(**({"projection": "3d"} if len(shown) == 3 else {}))
    values = np.arange(len(x)) if colour is None else np.asarray(colour)
    ax.scatter(*x[:, shown].T, c=values, s=size, cmap=cmap)
    ax.set(xlabel=f"dimension {shown[0]}", ylabel=f"dimension {shown[1]}")
    return ax


def loss(fitted: Embedding, *, ax: Any = None, **style: Any) -> Any:
    """Plot the training loss of a fitted embedding against the step.

    Parameters
    ----------
    fitted
        Fitted embedding of a contrastive mode.
    ax
        Axes of matplotlib; None makes a figure.
    style
        Passed on to ``ax.plot``.

    Returns
    -------
    ax
        The axes.
    """
    ax = ax if ax is not None else _axes()
    ax.plot(fitted.losses_, **style)
    ax.set(xlabel="step", ylabel="InfoNCE (nats)")
    return ax


def consistency(r2: ArrayLike, names: Sequence[str] | None = None, *, ax: Any = None) -> Any:
    """Plot a matrix of consistencies.

    Parameters
    ----------
    r2
        Float [runs, runs], from `neuroreel.metrics.consistency`.
    names
        Names of the runs or recordings.
    ax
        Axes of matplotlib; None makes a figure.

    Returns
    -------
    ax
        The axes.
    """
    matrix = np.asarray(r2, np.float64)
    ax = ax if ax is not None else _axes()
    image = ax.imshow(matrix, vmin=0, vmax=1)
    ticks = range(len(matrix))
    labels = [str(number) for number in ticks] if names is None else names
    ax.set_xticks(ticks, labels)
    ax.set_yticks(ticks, labels)
    ax.set(xlabel="predicted", ylabel="from")
    for row in ticks:
        for column in ticks:
            if row != column:
                ax.text(column, row, f"{matrix[row, column]:.2f}", ha="center", va="center")
    ax.figure.colorbar(image, label="R2")
    return ax


def _axes(**options: Any) -> Any:
    from matplotlib.figure import Figure

    return Figure(layout="constrained").add_subplot(**options)
