from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from decoders.errors import BadModel
from decoders.model import file as model_file
from decoders.model.model import Model


def rewrite(path: Path, name: str, value: Any = None, **fields: Any) -> None:
    """Change an array or fields of the card of a model file."""
    arrays, card = model_file.read(path)
    if value is not None:
        arrays[name] = np.full_like(arrays[name], value)
    path.write_bytes(safetensors.numpy.save(arrays, {"neuroreel": json.dumps({**card, **fields})}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prototypes.prototypes", 3e38),
        ("embedding.projection", 3e38),
        ("factor", 1e300),
        ("emission.weights", 3e38),
    ],
)
def test_huge_weights_are_found_when_a_model_is_loaded(
    model: Model, tmp_path: Path, name: str, value: float
) -> None:
    path = tmp_path / "a.safetensors"
    model.save(path)
    Model.load(path)
    arrays, _ = model_file.read(path)
    if not arrays[name].size:
        pytest.skip("this model has no readout of its own")
    rewrite(path, name, value)
    with pytest.raises(BadModel, match=r"a\.safetensors: .* Fit the model again"):
        Model.load(path)


@pytest.mark.parametrize("fields", [{"rate_hz": 1e6}, {"movie_rate_hz": 1e308}, {"lag_ms": 10**400}])
def test_impossible_numbers_of_a_card_name_file_and_field(
    model: Model, tmp_path: Path, fields: dict[str, Any]
) -> None:
    path = tmp_path / "a.safetensors"
    model.save(path)
    rewrite(path, "", **fields)
    with pytest.raises(BadModel, match=rf"a\.safetensors: the model's card has {next(iter(fields))} = "):
        Model.load(path)


def test_a_loaded_model_decodes_as_if_it_had_never_been_probed(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "a.safetensors")
    loaded, sample = Model.load(tmp_path / "a.safetensors"), np.ones(len(model.channel_names), np.float32)
    model.reset()
    for index in range(5):
        mine, others = loaded.step(sample, index / 30), model.step(sample, index / 30)
        assert mine.posterior.tobytes() == others.posterior.tobytes()
