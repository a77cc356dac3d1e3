from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from decoders.data.frame_states import FrameStates
from decoders.model.model import Model
from gui.client.movie_pictures import load_movie_pictures
from gui.state.snapshot import Source
from stream.movie import Clip

PICTURES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
CLIPS = (Clip("one", 0, 3, 30.0), Clip("two\x1b[2J", 3, 2, 30.0))


@pytest.fixture
def model_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a file that loads as a model with pictures and clips."""

    def write(**changes: Any) -> Path:
        model = {
            "hash": "abc",
            "pictures": PICTURES,
            "clips": CLIPS,
            "n_frames": 5,
            "states": FrameStates.counted(5),
            "parts": SimpleNamespace(continuous=None),
        } | changes
        path = tmp_path / "demo.safetensors"
        path.touch()
        monkeypatch.setattr(Model, "load", lambda wanted: SimpleNamespace(**model, path=wanted))
        return path

    return write


@pytest.mark.parametrize("given_by_user", [True, False])
def test_pictures_come_with_the_clip_of_each_frame(
    model_file: Callable[..., Path], given_by_user: bool
) -> None:
    path = model_file()
    source = Source(model_hash="abc", model_path="" if given_by_user else str(path))
    pictures, note = load_movie_pictures(path if given_by_user else None, source)
    assert note == ""
    assert pictures is not None
    assert (pictures.path, pictures.hash) == (path, "abc")
    assert pictures.pictures is PICTURES
    assert pictures.clip_of_frame.tolist() == [0, 0, 0, 1, 1]
    assert pictures.clip_names[0] == "one"
    assert all(name.isprintable() for name in pictures.clip_names)


def test_without_clips_all_frames_belong_to_one(model_file: Callable[..., Path]) -> None:
    pictures, _ = load_movie_pictures(model_file(clips=()), Source(model_hash="abc"))
    assert pictures is not None
    assert pictures.clip_of_frame.tolist() == [0] * 5


def test_a_model_without_pictures_says_so_and_still_names_the_clips(model_file: Callable[..., Path]) -> None:
    pictures, note = load_movie_pictures(model_file(pictures=None), Source(model_hash="abc"))
    assert pictures is not None
    assert pictures.pictures is None
    assert pictures.clip_of_frame.tolist() == [0, 0, 0, 1, 1]
    assert note == "demo.safetensors contains no pictures: frames are shown as numbers"


def test_pictures_of_another_model_are_not_shown(model_file: Callable[..., Path]) -> None:
    path = model_file(hash="def")
    pictures, note = load_movie_pictures(path, Source(model_hash="abc"))
    assert pictures is None
    assert note == "demo.safetensors is model def, the engine runs abc: its pictures do not apply"
    assert load_movie_pictures(path, Source())[0] is not None  # the engine does not say which model it runs


@pytest.mark.parametrize(
    "model_path", ["", "/nowhere/m.safetensors", "/", "https://example.org/m.safetensors"]
)
def test_a_path_to_no_file_on_this_computer(model_path: str) -> None:
    pictures, note = load_movie_pictures(None, Source(model_path=model_path))
    assert pictures is None
    assert note == "the model file is not on this computer: frames are shown as numbers"


@pytest.mark.parametrize(
    "name", ["m.safetensors", "a\x1b[2Jb.safetensors", "<h1>.txt", "\0", "\ud800", "x" * 5000]
)
def test_whatever_a_path_from_the_network_leads_to_is_a_note(tmp_path: Path, name: str) -> None:
    with contextlib.suppress(
        OSError, ValueError
    ):  # not every such file can be made, but its path may be sent
        (tmp_path / name).write_bytes(b"\xff" * 100)
    pictures, note = load_movie_pictures(None, Source(model_path=f"{tmp_path}/{name}"))
    assert pictures is None
    assert note
    assert note.isprintable()
    assert len(note) < 1_200


def test_a_file_that_the_user_gave_must_be_a_model(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(Exception, match=r"m\.safetensors"):
        load_movie_pictures(path, Source())
