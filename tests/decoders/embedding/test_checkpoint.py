"""The file of a training that can be resumed; trainings resume in tests/decoders/fitting/test_fit_contrastive.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from decoders.embedding.checkpoint import Checkpoint
from stream.errors import BadRecording, OutputExists

KEY = {"trained_on": "ab12", "channel_names": ("a", "b"), "mode": "label", "seed": 0}

NAMES = st.text("abcdef.|_0123", min_size=1, max_size=8)
JSON = st.dictionaries(
    NAMES, st.integers(-5, 5) | st.floats(allow_nan=False) | st.text() | st.none(), max_size=3
)
ARRAYS = st.dictionaries(
    NAMES,
    st.sampled_from([np.float32, np.float64, np.int64, np.uint8]).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=1, max_dims=3, max_side=4))
    ),
    max_size=3,
)


@settings(max_examples=10)  # each writes and reads a file
@given(
    stages=st.dictionaries(st.text("abc =,.5", min_size=1, max_size=6), st.tuples(JSON, ARRAYS), max_size=3)
)
def test_what_was_saved_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, stages: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("checkpoint") / "training.safetensors"
    first = Checkpoint(path, KEY)
    assert first.notes == {}
    for stage, (notes, contents) in stages.items():
        first.save(stage, notes, contents)
    again = Checkpoint(path, KEY)
    assert again.notes == {stage: notes for stage, (notes, _) in stages.items()}
    for stage, (_, contents) in stages.items():
        if contents:
            read = again.arrays(stage)
            assert read.keys() == contents.keys()
            for name, array in contents.items():
                assert read[name].dtype == array.dtype
                np.testing.assert_array_equal(read[name], array)


def test_a_stage_replaces_its_former_state_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    checkpoint = Checkpoint(path, KEY)
    checkpoint.save("one", {"step": 1}, {"w": np.zeros(3, np.float32), "old": np.zeros(1)})
    checkpoint.save("two", {"step": 7}, {"w": np.ones(2, np.float32)})
    checkpoint.save("one", {"step": 2}, {"w": np.full(3, 5, np.float32)})
    again = Checkpoint(path, KEY)
    assert again.notes == {"one": {"step": 2}, "two": {"step": 7}}
    assert list(again.arrays("one")) == ["w"]
    np.testing.assert_array_equal(again.arrays("one")["w"], np.full(3, 5, np.float32))
    np.testing.assert_array_equal(again.arrays("two")["w"], np.ones(2, np.float32))


def test_a_full_disk_leaves_the_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "training.safetensors"
    checkpoint = Checkpoint(path, KEY)
    checkpoint.save("one", {"step": 1}, {"w": np.zeros(3)})
    before = path.read_bytes()

    def fail(file: Path, data: bytes) -> int:
        with file.open("wb") as out:
            out.write(data[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fail)
        with pytest.raises(Exception, match="No space left"):
            checkpoint.save("one", {"step": 2}, {"w": np.ones(3)})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert Checkpoint(path, KEY).notes == {"one": {"step": 1}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trained_on": "cd34"}, "holds a training on other data"),
        ({"channel_names": ("a", "c")}, "holds a training on other data"),
        ({"trained_on": "cd34", "mode": "hybrid"}, "holds a training on other data"),
        ({"mode": "hybrid"}, "holds a training with mode label, not hybrid"),
        ({"seed": 1}, "holds a training with seed 0, not 1"),
        ({"contexts": [3]}, r"holds a training with contexts None, not \[3\]"),
    ],
)
def test_a_training_on_other_data_or_settings_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "training.safetensors"
    Checkpoint(path, KEY).save("one", {}, {})
    before = path.read_bytes()
    with pytest.raises(BadRecording, match=message) as caught:
        Checkpoint(path, KEY | changes)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_a_key_equals_itself_after_it_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    Checkpoint(path, {"tuple": (1, 2), "nested": {"a": [(3,)]}}).save("one", {"step": 1}, {})
    again = Checkpoint(path, {"nested": {"a": [[3]]}, "tuple": [1, 2]})
    assert again.notes == {"one": {"step": 1}}


def stored(metadata: dict[str, str] | None) -> bytes:
    data: bytes = safetensors.numpy.save({"one|w": np.zeros(3)}, metadata)
    return data


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"nonsense",
        b"\xff" * 500,
        stored(None),
        stored({"neuroreel-training": "{}"}),
        stored({"neuroreel-training": "{", "notes": "{}"}),
        stored({"neuroreel-training": "[]", "notes": "{}"}),
        stored({"neuroreel-training": "null", "notes": "{}"}),
        stored({"neuroreel-training": "{}", "notes": "[1]"}),
        stored({"neuroreel-training": "{}", "notes": '{"one": 3}'}),
        stored({"neuroreel-training": "[" * 100_000, "notes": "{}"}),
        stored({"neuroreel-training": "{}", "notes": "{}"})[:-5],
    ],
    ids=range(12),
)
def test_a_file_that_is_no_training_is_refused_and_kept(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(contents)
    with pytest.raises(OutputExists, match=r"model\.safetensors exists but is not a training to resume"):
        Checkpoint(path, {})
    assert path.read_bytes() == contents


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputExists, match="not a training to resume"):
        Checkpoint(tmp_path, KEY)
