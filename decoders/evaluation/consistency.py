"""Whether the embeddings of several models agree: other seeds, or other recordings of the same movie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.delays import delay_truth
from decoders.embedding.agreement import N_BINS, consistency_by_label
from decoders.evaluation.evaluate import EvaluateOptions, Evaluation, select_test_part
from decoders.model.model import Model
from stream.errors import ShapeMismatch
from stream.session import Session

N_DIMENSIONS = 8
"""Principal components of each embedding that are compared; more would fit anything."""

Points = tuple[NDArray[np.float32], NDArray[np.float64]]


def embedding_consistency(
    evaluation: Evaluation, others: Sequence[tuple[Model, Session]], options: EvaluateOptions
) -> dict[str, Any]:
    """R2 of linear maps between the embeddings of the same frames, as CEBRA's consistency.

    Parameters
    ----------
    evaluation
        Of the first model.
    others
        Models, each with a recording to ask it about; the channels may differ from model to model.
    options
        What to test on, in every recording.

    Returns
    -------
    agreement
        ``models`` (their hashes), ``r2`` (from the row's embedding to the column's), ``mean`` and, with the frames of
        each embedding turned round by another amount, ``chance``; the last two without the diagonal.

    Raises
    ------
    ShapeMismatch
        When the models know different numbers of frames.
    """
    models = [evaluation.model, *(model for model, _ in others)]
    if len({model.n_frames for model in models}) != 1:
        counts = ", ".join(str(model.n_frames) for model in models)
        raise ShapeMismatch(
            f"the models know {counts} frames; only embeddings of the same frames are compared."
        )
    predictions = evaluation.predictions
    n = len(predictions.embedding)
    each = [_leading(predictions.embedding, predictions.test.frame[-n:])]
    for model, session in others:
        test = select_test_part(model, session, options)
        late, kept = delay_truth(test, model.n_delay)
        each.append(_leading(model.predict(test, forecasts=False).embedding[kept], late.frame))
    points, frames = [p for p, _ in each], [f for _, f in each]
    n_frames = models[0].n_frames
    turned = [(frame + index * n_frames // len(frames)) % n_frames for index, frame in enumerate(frames)]
    n_bins = min(N_BINS, n_frames)
    r2 = consistency_by_label(points, frames, n_bins)
    return {
        "models": [model.hash for model in models],
        "r2": np.round(r2, 4).tolist(),
        "mean": _off_diagonal(r2),
        "chance": _off_diagonal(consistency_by_label(points, turned, n_bins)),
    }


def _leading(points: NDArray[np.float32], frame: NDArray[np.int32]) -> Points:
    """Principal components of the moments that show a frame."""
    shown = points[frame >= 0] - points[frame >= 0].mean(0)
    axes = np.linalg.svd(shown, full_matrices=False)[2][:N_DIMENSIONS]
    return shown @ axes.T, frame[frame >= 0].astype(np.float64)


def _off_diagonal(r2: NDArray[np.float64]) -> float:
    return round(float(r2[~np.eye(len(r2), dtype=bool)].mean()), 4)
