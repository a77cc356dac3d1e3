from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from decoders.embedding.encoder import Encoder
from decoders.embedding.linear import LinearEmbedding
from decoders.errors import BadModel
from decoders.model.parts import Emission
from decoders.readouts.classifiers import Prototypes, Scaling
from decoders.readouts.continuous import ContinuousReader
from decoders.readouts.kalman import Kalman
from decoders.readouts.secondary_classifier import SecondaryClassifier
from decoders.serialization import pack, unpack


@dataclass(frozen=True)
class Part:
    weights: NDArray[np.float32]
    inverse_temperature: float
    root: bool

    FILE_NAMES: ClassVar[dict[str, str]] = {"inverse_temperature": "factor"}


PART = Part(np.arange(3, dtype=np.float32), 0.5, root=True)


def test_a_part_survives_with_its_file_names() -> None:
    arrays = pack(PART, "part")
    assert set(arrays) == {"part.weights", "part.factor", "part.root"}
    again = unpack(Part, arrays, "part")
    assert np.array_equal(again.weights, PART.weights)
    assert (again.inverse_temperature, again.root) == (0.5, True)


def test_missing_and_misshapen_arrays_are_refused() -> None:
    arrays = pack(PART, "part")
    with pytest.raises(BadModel, match=r"part\.factor must be one number, but has shape \(2,\)"):
        unpack(Part, {**arrays, "part.factor": np.zeros(2)}, "part")
    del arrays["part.factor"]
    with pytest.raises(BadModel, match=r"lacks 'part\.factor'"):
        unpack(Part, arrays, "part")


@pytest.mark.parametrize(
    ("part", "names"),
    [
        (Scaling, "n_window root total"),
        (LinearEmbedding, "mean projection"),
        (Prototypes, "prototypes bias cosine"),
        (Encoder, "spans root mean projection first first_bias skip hidden hidden_bias last last_bias"),
        (Emission, "own weights bias n_window root power jump jump_ahead aside"),
        (ContinuousReader, "values ridge sharpness reach label interval"),
        (Kalman, "advance wander hear certainty middle start spread"),
        (SecondaryClassifier, "left weights bias factor"),
    ],
)
def test_names_in_model_files_never_change(part: type, names: str) -> None:
    values = {field.name: np.zeros(1) for field in fields(part)}
    assert list(pack(part(**values), "part")) == [f"part.{name}" for name in names.split()]
