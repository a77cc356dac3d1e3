"""Positive and negative pairs of the contrastive training, and their InfoNCE on held-out data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.agreement import infonce_loss
from decoders.embedding.encoder import DIMENSIONS, Encoder
from decoders.embedding.sampler import (
    FramePositives,
    NearestPositives,
    Positives,
    Sampler,
    TimePositives,
    contiguous_runs,
)
from decoders.embedding.trainer import Samples
from decoders.errors import BadSplit
from stream.errors import BadRecording, BadUsage

NEAR_S = 1 / 3
"""Movie frames closer than this, in seconds, are never negatives of each other."""

N_TIME_NEIGHBOURS = 5
"""Samples closer than this are never negatives of each other in mode ``time``."""

N_PAIRS = 512
"""Held-out pairs on which InfoNCE is reported."""


@dataclass(frozen=True, slots=True)
class ContrastiveOptions:
    """How to train.

    Attributes
    ----------
    mode
        ``label``, ``time`` or ``hybrid``.
    positives
        Positive pairs in modes ``label`` and ``hybrid``: one of `decoders.fitting.options.POSITIVES`; ``auto`` uses the
        frames of a movie, and for other recordings the continuous labels where there are any.
    seed
        Random seed.
    resume
        File in which the training is stored and from which it resumes; None disables it.
    contexts
        Candidate contexts of the encoder in samples; empty for the window of the linear embedding.
    dimensions
        Dimensions of the embedding; None selects them on held-out data.
    """

    mode: str
    positives: str = "auto"
    seed: int = 0
    resume: Path | None = None
    contexts: tuple[int, ...] = ()
    dimensions: int | None = None


def check_trainable(data: TrainingSet, n_context: int, options: ContrastiveOptions) -> None:
    """Refuse training data without positives or negatives.

    Parameters
    ----------
    data
        Training data.
    n_context
        Context of the encoder in samples.
    options
        How to train.

    Raises
    ------
    BadUsage
        When more dimensions are requested than there are channels.
    BadSplit
        When no contiguous run is as long as the context.
    BadRecording
        When there is a single frame, or the labels are missing or never vary.
    """
    n_channels = data.clean.shape[1]
    if options.dimensions is not None and options.dimensions > n_channels:
        raise BadUsage(
            f"an embedding of {options.dimensions} dimensions needs as many usable channels, but the recording has "
            f"{n_channels}. Give --dimensions {DIMENSIONS[0]} to {n_channels}."
        )
    longest = int(np.bincount(contiguous_runs(data.boundary, data.block)).max())
    if longest < n_context:
        raise BadSplit(
            f"the longest contiguous run has {longest} samples, fewer than the context of {n_context}. Give a shorter "
            "--context-s."
        )
    if options.mode == "time":
        return
    kind = kind_of_positives(data, options)
    if kind != "labels" and len(np.unique(data.state[data.state < data.n_frames])) < 2:
        raise BadRecording(
            "the training data show a single frame, so contrastive training has no negatives. "
            "Train on more frames."
        )
    if kind != "frames":
        labels = _labels(data)
        if labels.shape[1] == 0:
            raise BadRecording(
                f"positives {options.positives!r} need continuous labels, but the recording has none. "
                "Use --positives frames."
            )
        known = np.isfinite(labels).all(1)
        if not known.any() or not np.any(labels[known].std(0) > 0):
            raise BadRecording(
                f"the labels {', '.join(data.labels)} never vary, so contrastive training has no negatives. Use "
                "--positives frames or --mode time."
            )


def kind_of_positives(data: TrainingSet, options: ContrastiveOptions) -> str:
    """Return ``frames``, ``labels`` or ``both``, resolving ``auto``."""
    if options.positives != "auto":
        return options.positives
    return "labels" if data.movie is None and data.labels else "frames"


def _labels(data: TrainingSet) -> NDArray[np.float32]:
    return np.concatenate([np.zeros((len(data.state), 0), np.float32), *data.labels.values()], 1)


def pair_sampler(
    data: TrainingSet, keep: NDArray[np.bool_], n_context: int, options: ContrastiveOptions
) -> Sampler:
    """Return a sampler of positive pairs.

    Parameters
    ----------
    data
        Training data.
    keep
        Bool [time], samples to draw from.
    n_context
        Context of the encoder in samples.
    options
        Mode, positives and random seed.
    """
    labels = _labels(data)
    kind = kind_of_positives(data, options)
    if options.mode != "time" and kind != "frames":
        keep = keep & np.isfinite(labels).all(1)
    index = np.flatnonzero(keep)
    run = contiguous_runs(data.boundary, data.block)
    n_offset = max(N_TIME_NEIGHBOURS, n_context)
    positives: list[Positives] = []
    if options.mode in ("label", "hybrid") and kind == "frames":
        positives.append(FramePositives(index, data.state, data.block))
    elif options.mode in ("label", "hybrid"):
        state = data.state if kind == "both" else None
        positives.append(NearestPositives(index, labels, data.block, run, n_offset, state))
    if options.mode in ("time", "hybrid"):
        positives.append(TimePositives(index, run, n_offset))
    return Sampler(index, tuple(positives), options.seed)


def training_samples(data: TrainingSet, inputs: NDArray[np.float32], options: ContrastiveOptions) -> Samples:
    """Return the samples with the pairs that are never negatives: near frames of a movie, or the same frame.

    Parameters
    ----------
    data
        Training data.
    inputs
        Float32 [time, inputs], whitened windows of all samples.
    options
        Mode and positives.
    """
    if options.mode == "time":
        return Samples((inputs,), np.arange(len(data.state)), N_TIME_NEIGHBOURS)
    if kind_of_positives(data, options) != "frames":
        return Samples((inputs,))
    n_near = round(NEAR_S * data.movie_rate_hz)
    # Offsets keep frames of different clips, and "no stimulus", from being near.
    clip = np.r_[data.axis.clip, data.axis.clip.max(initial=0) + 1]
    return Samples((inputs,), data.state + clip[data.state] * (n_near + 1), n_near)


def held_out_infonce(
    data: TrainingSet,
    test: NDArray[np.bool_],
    encoder: Encoder,
    temperature: float,
    options: ContrastiveOptions,
) -> tuple[float, float]:
    """Return the InfoNCE loss of held-out pairs and its chance level, in nats.

    Parameters
    ----------
    data
        Training data.
    test
        Bool [time], held-out samples.
    encoder
        Trained encoder.
    temperature
        Temperature of the loss.
    options
        Mode, positives and random seed.
    """
    inputs = encoder.inputs(data.clean, data.boundary)
    points, samples = encoder.project(inputs), training_samples(data, inputs, options)
    both = [
        infonce_loss(points[anchor], points[partner], samples.excluded(anchor, partner), temperature)
        for anchor, partner in pair_sampler(data, test, encoder.n_context, options).batch(0, N_PAIRS)
    ]
    loss, chance = np.mean(both, axis=0)
    return float(loss), float(chance)
