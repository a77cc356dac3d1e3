from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from decoders.errors import BadModel
from decoders.model import file as model_file
from decoders.model.model import Model
from stream.errors import OutputExists


@pytest.fixture
def path(model: Model, tmp_path: Path) -> Path:
    target = tmp_path / "model.safetensors"
    model.save(target)
    return target


def rewritten(path: Path, **changes: np.ndarray | None) -> Path:
    arrays, card = model_file.read(path)
    for name, array in changes.items():
        key = name.replace("__", ".")
        if array is None:
            del arrays[key]
        else:
            arrays[key] = array
    model_file.write(path, arrays, card, force=True)
    return path


def test_round_trip(model: Model, path: Path, unseen) -> None:
    loaded = Model.load(path)
    assert loaded.hash == model.hash
    assert loaded.card == model.card
    assert loaded.pictures is not None
    np.testing.assert_allclose(loaded.predict(unseen).posterior, model.predict(unseen).posterior, atol=1e-5)


def test_an_existing_file_is_not_overwritten(model: Model, path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(OutputExists, match="--force"):
        model.save(path)
    assert path.read_bytes() == before
    model.save(path, force=True)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="no such model file"):
        Model.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 0.5, 0.99])
def test_truncated_files_are_refused(path: Path, keep: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(BadModel):
        Model.load(path)


def test_hostile_headers_are_refused(path: Path) -> None:
    for n_header in (2**63, 2**32, 3):
        path.write_bytes(struct.pack("<Q", n_header) + b"{}" * 40)
        with pytest.raises(BadModel):
            Model.load(path)
    huge = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path.write_bytes(struct.pack("<Q", len(huge)) + huge)
    with pytest.raises(BadModel):
        Model.load(path)
    deep = b"[" * 200_000
    path.write_bytes(struct.pack("<Q", len(deep)) + deep)
    with pytest.raises(BadModel):
        Model.load(path)


def test_a_pickle_is_not_loaded(path: Path, tmp_path: Path) -> None:
    path.write_bytes(pickle.dumps({"model": 1}))
    with pytest.raises(BadModel):
        Model.load(path)


def test_other_safetensors_files_are_refused(path: Path) -> None:
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(3, np.float32)}))
    with pytest.raises(BadModel, match="not a model of NeuroReel"):
        Model.load(path)


def test_another_format_version_is_refused(path: Path) -> None:
    arrays, card = model_file.read(path)
    model_file.write(path, arrays, {**card, "format_version": 99}, force=True)
    with pytest.raises(BadModel, match="format 99"):
        Model.load(path)


def test_values_that_are_not_finite_are_refused(path: Path) -> None:
    with pytest.raises(BadModel, match="not finite"):
        Model.load(rewritten(path, factor=np.array([np.nan])))


@pytest.mark.parametrize(
    "field", ["channel_names", "n_frames", "kind", "rate_hz", "clips", "labels", "context_ms"]
)
def test_invalid_cards_are_refused(path: Path, field: str) -> None:
    arrays, card = model_file.read(path)
    for value in (None, "x", [1, 2], -5):
        model_file.write(path, arrays, {**card, field: value}, force=True)
        with pytest.raises(BadModel):
            Model.load(path)
