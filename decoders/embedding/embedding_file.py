"""File of a fitted `decoders.embedding.estimator.Embedding`: arrays and JSON in safetensors, never code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from decoders.embedding.arrays import LabelStates
from decoders.embedding.encoder import Encoder, check_encoder
from decoders.errors import BadModel
from decoders.serialization import Arrays, need, pack, unpack
from stream.output_files import replacing

_KEY = "neuroreel-embedding"
FORMAT_VERSION = 1


def write(path: Path | str, embedding: Any, *, force: bool) -> None:
    """Write a fitted embedding; an existing file is overwritten with ``force`` only."""
    arrays: Arrays = {"losses": embedding.losses_}
    for i, encoder in enumerate(embedding.encoders_):
        means, count = embedding.references_[i]
        arrays |= pack(encoder, f"{i}.encoder")
        arrays |= {f"{i}.mean": embedding.means_[i], f"{i}.reference": means, f"{i}.count": count}
    states: LabelStates | None = embedding.states_
    facts = {
        "version": FORMAT_VERSION,
        "parameters": embedding.get_params(),
        "recordings": len(embedding.encoders_),
        "classes": None if states is None else states.classes.tolist(),
    }
    if states is not None:
        arrays |= {n: a for n, a in (("edges", states.edges), ("values", states.values)) if a is not None}
    with replacing(path, force=force) as partial:
        partial.write_bytes(safetensors.numpy.save(arrays, {_KEY: json.dumps(facts)}))


def read(path: Path | str, cls: Any) -> Any:
    """Read an embedding of a class from a file."""
    try:
        with safetensors.safe_open(path, "numpy") as file:
            facts = json.loads((file.metadata() or {})[_KEY])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (the file is no dict)
        return _embedding(cls, facts, arrays)
    except (
        safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError
    ) as error:  # fmt: skip
        raise BadModel(
            f"{path} is not a readable embedding: {error!r}. Save it again with Embedding.save."
        ) from error


def _embedding(cls: Any, facts: dict[str, Any], arrays: Arrays) -> Any:
    if facts["version"] != FORMAT_VERSION:
        raise BadModel(f"the embedding has format {facts['version']!r}; this version reads {FORMAT_VERSION}.")
    if not all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f"):
        raise BadModel("the embedding has values that are not finite. Fit it again.")
    embedding = cls(**facts["parameters"])
    classes = facts["classes"]
    embedding.states_ = (
        None if classes is None else LabelStates(np.array(classes), arrays.get("edges"), arrays.get("values"))
    )
    embedding.losses_ = need(arrays, "losses")
    embedding.encoders_, embedding.means_, embedding.references_ = [], [], []
    for i in range(facts["recordings"]):
        encoder, mean = unpack(Encoder, arrays, f"{i}.encoder"), need(arrays, f"{i}.mean")
        check_encoder(encoder, len(mean))
        embedding.encoders_.append(encoder)
        embedding.means_.append(mean)
        embedding.references_.append((need(arrays, f"{i}.reference"), need(arrays, f"{i}.count")))
    embedding.n_features_in_ = len(embedding.means_[0])
    return embedding
