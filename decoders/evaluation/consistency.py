"""Consistency of embeddings between models, trained with other seeds or on other recordings of the same movie."""

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
"""Principal components compared; with more, any two embeddings would fit each other."""

Points = tuple[NDArray[np.float32], NDArray[np.float64]]


def embedding_consistency(
    evaluation: Evaluation, others: Sequence[tuple[Model, Session]], options: EvaluateOptions
) -> dict[str, Any]:
    """Return R2 of linear maps between embeddings of the same frames, as CEBRA's consistency (Schneider et al. 2023).

    Parameters
    ----------
    evaluation
        Evaluation of the first model.
    others
        Further models, each with a recording to embed; channels may differ from model to model.
    options
        Test part of every recording.

    Returns
    -------
    consistency
        ``models`` (hashes), ``r2`` (from the row's embedding to the column's), and the means off the diagonal: ``mean``
        and ``chance``, for which the frames of each embedding are rotated by a different amount.

    Raises
    ------
    ShapeMismatch
        When the models decode different frames.
    """
    models = [evaluation.model, *(model for model, _ in others)]
    frames = {str(model.states) for model in models}
    if len(frames) != 1:
        raise ShapeMismatch(
            f"the models decode frames {' and '.join(sorted(frames))[:200]}, but only embeddings of the same movie can "
            "be compared."
        )
    predictions = evaluation.predictions
    n = len(predictions.embedding)
    embeddings = [_principal_components(predictions.embedding, predictions.test.frame[-n:])]
    for model, session in others:
        test = select_test_part(model, session, options)
        delayed, kept = delay_truth(model.states.translated(test), model.n_delay)
        embeddings.append(
            _principal_components(model.predict(test, forecasts=False).embedding[kept], delayed.frame)
        )
    points, shown = [p for p, _ in embeddings], [f for _, f in embeddings]
    n_frames = models[0].n_frames
    rotated = [(frame + index * n_frames // len(shown)) % n_frames for index, frame in enumerate(shown)]
    n_bins = min(N_BINS, n_frames)
    r2 = consistency_by_label(points, shown, n_bins)
    return {
        "models": [model.hash for model in models],
        "r2": np.round(r2, 4).tolist(),
        "mean": _off_diagonal(r2),
        "chance": _off_diagonal(consistency_by_label(points, rotated, n_bins)),
    }


def _principal_components(points: NDArray[np.float32], frame: NDArray[np.int32]) -> Points:
    """Return the leading components of samples that show a frame, float32 [time, components], and their states."""
    shown = points[frame >= 0] - points[frame >= 0].mean(0)
    axes = np.linalg.svd(shown, full_matrices=False)[2][:N_DIMENSIONS]
    return shown @ axes.T, frame[frame >= 0].astype(np.float64)


def _off_diagonal(r2: NDArray[np.float64]) -> float:
    return round(float(r2[~np.eye(len(r2), dtype=bool)].mean()), 4)
