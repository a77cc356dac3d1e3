"""The arrays of a model file; `decoders.model.validation` is tested here too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.errors import BadModel
from decoders.model.model import Model
from decoders.model.parts import ModelParts
from decoders.serialization import Arrays


def test_names_of_the_arrays_in_a_file_do_not_change(model: Model) -> None:
    names = set(model.parts.arrays())
    emission = {"own", "weights", "bias", "n_window", "root", "power", "jump", "jump_ahead", "aside"}
    assert {f"emission.{name}" for name in emission} == {n for n in names if n.startswith("emission.")}
    assert {"factor", "likeness", "preprocess.valid", "embedding.projection", "playback.steps.row"} <= names


def test_parts_come_back_from_their_arrays(model: Model) -> None:
    parts = replace(
        model.parts,
        emission=replace(model.parts.emission, window_weight=0.25),
        prior=np.linspace(0, 1, model.n_frames + 1, dtype=np.float32),
    )
    again = ModelParts.from_file(parts.arrays(), model.card)
    assert again.emission.window_weight == 0.25
    assert again.emission.own_readout == parts.emission.own_readout
    assert again.inverse_temperature == parts.inverse_temperature
    arrays = again.arrays()
    for name, array in parts.arrays().items():
        np.testing.assert_array_equal(arrays[name], array)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prototypes.prototypes": np.zeros((2, 2), np.float32)}, "its card implies"),
        ({"emission.bias": np.zeros(3, np.int64)}, "its card implies"),
        ({"embedding.projection": None}, "lacks 'embedding.projection'"),
        ({"playback.steps.row": np.full(3, 9999, np.int32)}, "parts of different shapes"),
        ({"emission.n_window": np.array(10**12)}, "not a possible window"),
        ({"likeness": np.zeros(0)}, "scales are not positive"),
        ({"preprocess.valid": np.zeros(20, bool)}, "its card implies"),
        ({"pictures": np.zeros((2, 2, 2), np.uint8)}, "pictures have shape"),
        ({"spans": np.array([4, 2])}, "do not get longer"),
        ({"kalman.transition": np.zeros((1, 1))}, "Fit the model again"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    model: Model, changes: dict[str, np.ndarray | None], message: str
) -> None:
    arrays: Arrays = model.parts.arrays()
    for name, array in changes.items():
        if array is None:
            del arrays[name]
        else:
            arrays[name] = array
    with pytest.raises(BadModel, match=message):
        ModelParts.from_file(arrays, model.card)


def test_transitions_outside_the_states_are_refused(model: Model) -> None:
    arrays = model.parts.arrays()
    arrays["playback.steps.row"] = np.full_like(arrays["playback.steps.row"], 9999)
    with pytest.raises(BadModel, match="points outside"):
        ModelParts.from_file(arrays, model.card)
