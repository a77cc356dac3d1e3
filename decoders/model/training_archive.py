"""The training data inside a model file, in compact form, from which baselines and controls are refitted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.errors import BadModel
from decoders.model.model import Model
from decoders.serialization import Arrays, need
from stream.movie import Movie
from stream.session import NO_FRAME, Kind, Session

MAX_BYTES = 64_000_000
"""Of a larger recording, only evenly spaced whole repeats are kept."""

_NUMBERS = ("state", "ticks", "fold", "block")
_BOUNDARY = "memory.border"  # the name in model files


def archive_training(data: TrainingSet) -> Arrays:
    """Pack training data into arrays of a model file: counts up to 255 as bytes, other samples at half precision.

    Parameters
    ----------
    data
        Training data.
    """
    counts = bool(np.all(data.clean == np.rint(data.clean))) and float(data.clean.max(initial=0)) <= 255
    clean = data.clean.astype(np.uint8 if counts else np.float16)
    keep = _samples_to_keep(data.block, clean.nbytes)
    whole = {name: getattr(data, name)[keep] for name in _NUMBERS}
    begins = np.r_[True, np.diff(np.flatnonzero(keep)) > 1]
    out: Arrays = {"memory.clean": clean[keep], _BOUNDARY: data.boundary[keep] | begins}
    out.update({f"memory.{name}": array.astype(np.int32) for name, array in whole.items()})
    out.update({f"memory.label.{name}": label[keep] for name, label in data.labels.items()})
    return out


def restore_training(model: Model) -> TrainingSet:
    """Unpack the training data of a model.

    Parameters
    ----------
    model
        Fitted model.

    Raises
    ------
    BadModel
        If the arrays do not fit together.
    """
    extra = model.parts.extra
    clean = need(extra, "memory.clean")
    if clean.ndim != 2 or clean.shape[1] != model.parts.preprocessor.n_used:
        raise BadModel(
            f"the model's training samples have shape {clean.shape}, which does not fit. Fit the model again."
        )
    arrays = {name: need(extra, f"memory.{name}") for name in _NUMBERS}
    boundary = need(extra, _BOUNDARY)
    labels = {str(name): need(extra, f"memory.label.{name}") for name, _ in model.card["labels"]}
    if any(len(array) != len(clean) for array in (boundary, *arrays.values(), *labels.values())):
        raise BadModel("the arrays of the model's training data differ in length. Fit the model again.")
    state = arrays["state"].astype(np.int64)
    if len(state) and not (state.min() >= 0 and state.max() <= model.n_frames):
        raise BadModel("the model's training data contain frames that it does not have. Fit the model again.")
    clips = model.clips
    return TrainingSet(
        clean=clean.astype(np.float32),
        boundary=boundary.astype(bool),
        state=state,
        ticks=arrays["ticks"].astype(np.int64),
        fold=arrays["fold"].astype(np.int64),
        block=arrays["block"].astype(np.int64),
        labels=labels,
        n_frames=model.n_frames,
        kind=model.parts.preprocessor.kind,
        rate_hz=model.rate_hz,
        movie=Movie(clips) if clips else None,
        preprocessor=model.parts.preprocessor,
    )


def archived_repeats(model: Model) -> list[Session]:
    """Return the repeats that a model was trained on, oldest first, channels without use as zeros.

    Only spike counts are stored as they were recorded; of other kinds, and with a delay, there are none.

    Parameters
    ----------
    model
        Fitted model.
    """
    preprocessor = model.parts.preprocessor
    if preprocessor.kind is not Kind.SPIKES or model.n_delay or "memory.clean" not in model.parts.extra:
        return []
    data = restore_training(model)
    neural = np.zeros((len(data.clean), len(preprocessor.valid)), np.float32)
    neural[:, preprocessor.valid] = data.clean
    frame = np.r_[model.states.frames, NO_FRAME].astype(np.int32)[data.state]
    whole = Session(
        neural=neural,
        stamps=np.arange(len(frame)) / (model.rate_hz or 1),
        frame=frame,
        repeat=np.where(frame >= 0, data.block, -1).astype(np.int32),
        segment=np.cumsum(data.boundary).astype(np.int32),
        channel_names=model.channel_names,
        kind=preprocessor.kind,
        rate_hz=model.rate_hz,
        labels=data.labels,
        movie=data.movie,
        simulated=model.simulated,
    )
    return [whole.take(data.block == number) for number in np.unique(data.block)]


def _samples_to_keep(block: NDArray[np.int64], n_bytes: int) -> NDArray[np.bool_]:
    """The samples to keep, bool [time]: all, or as many evenly spaced blocks as fit in `MAX_BYTES`."""
    if n_bytes <= MAX_BYTES:
        return np.ones(len(block), bool)
    blocks = np.unique(block)
    n_kept = max(1, int(len(blocks) * MAX_BYTES / n_bytes))
    return np.isin(block, blocks[np.linspace(0, len(blocks) - 1, n_kept).astype(np.int64)])
