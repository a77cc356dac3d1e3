from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.errors import BadModel
from decoders.model import training_archive
from decoders.model.model import Model
from decoders.model.training_archive import archive_training, restore_training
from stream.session import Session


def with_arrays(model: Model, arrays: dict[str, np.ndarray]) -> Model:
    return Model(replace(model.parts, extra={**model.parts.extra, **arrays}), model.card)


def test_training_data_come_back_from_the_model(model: Model, watched: Session) -> None:
    data = restore_training(model)
    train = watched.select_repeats(range(5))
    np.testing.assert_array_equal(data.clean, train.neural[:, model.parts.preprocessor.valid])
    np.testing.assert_array_equal(data.state[train.frame >= 0], train.frame[train.frame >= 0])
    again = restore_training(with_arrays(model, archive_training(data)))
    for name in ("clean", "boundary", "state", "ticks", "fold", "block"):
        np.testing.assert_array_equal(getattr(again, name), getattr(data, name))


def test_counts_are_stored_as_bytes_and_other_samples_at_half_precision(model: Model) -> None:
    data = restore_training(model)
    assert archive_training(data)["memory.clean"].dtype == np.uint8
    assert archive_training(replace(data, clean=data.clean + 300))["memory.clean"].dtype == np.float16
    assert archive_training(replace(data, clean=data.clean - 0.5))["memory.clean"].dtype == np.float16


def test_of_a_large_recording_whole_blocks_are_kept(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    data = restore_training(model)
    monkeypatch.setattr(training_archive, "MAX_BYTES", data.clean.size // 2)
    arrays = archive_training(data)
    kept = np.unique(arrays["memory.block"])
    assert 0 < len(kept) < len(np.unique(data.block))
    np.testing.assert_array_equal(arrays["memory.clean"], data.clean[np.isin(data.block, kept)])
    restored = restore_training(with_arrays(model, arrays))
    assert restored.boundary[0]


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("memory.clean", np.zeros((5, 2), np.uint8), "shape"),
        ("memory.fold", np.zeros(3, np.int32), "differ in length"),
        ("memory.state", None, "frames that it does not have"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    model: Model, name: str, array: np.ndarray | None, message: str
) -> None:
    if array is None:
        array = np.full_like(model.parts.extra[name], model.n_frames + 1)
    with pytest.raises(BadModel, match=message):
        restore_training(with_arrays(model, {name: array}))
