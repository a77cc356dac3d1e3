"""Tests of `sandboxed_reader`, `sandboxed_child` and `read_limits`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from stream.errors import BadRecording, ShapeMismatch
from stream.io import sandboxed_reader
from stream.io.session_io import load_session, save_session
from stream.session import Session
from tests.stream.io import nwb_files
from tests.stream.strategies import assert_same

pytest.importorskip("h5py", reason="h5py (extra `nwb`) is not installed")
pytestmark = pytest.mark.live


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import os; os.abort()", "the library that reads it crashed .SIGABRT"),
        ("while True: pass", "timed out without progress"),
        ("b = bytearray(10 ** 10)", "needs more memory than its contents should take"),
        ("import os; os._exit(3)", "without a result"),
    ],
)
def test_a_child_that_fails_raises_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str
) -> None:
    module = tmp_path / "failing_reader.py"
    module.write_text(f"def read(path, limits, **options):\n    {body}\n")
    script = "import stream.io.sandboxed_child as child; child.READERS['x'] = 'failing_reader'; "
    script += "child.main('x', '/dev/zero', '{}')"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sandboxed_reader, "_PROGRAM", ("-c", script))
    with pytest.raises(BadRecording, match=message):
        sandboxed_reader.read_sandboxed("x", tmp_path, {})


@pytest.mark.parametrize(
    "body",
    [
        "open(path), open(path)",
        "open(path); import socket; socket.socket()",
        "file = open(path); open('/dev/null')",
        "file = open(path); import os; os.pipe()",
    ],
)
def test_a_reader_can_open_its_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    test_a_child_that_fails_raises_an_error(
        tmp_path, monkeypatch, f"first = {body}", "it needs another file, which is not read"
    )


def test_links_into_other_files_are_refused(tmp_path: Path, small_session: Session) -> None:
    h5py = pytest.importorskip("h5py")
    secret = tmp_path / "secret.h5"
    save_session(small_session, secret)
    for name, link in {
        "external": h5py.ExternalLink(str(secret), "/neural"),
        "relative": h5py.ExternalLink("secret.h5", "/neural"),
        "soft": h5py.SoftLink("/other/neural"),
        "nowhere": h5py.SoftLink("/none"),
    }.items():
        path = tmp_path / f"{name}.h5"
        shutil.copy(secret, path)
        with h5py.File(path, "a") as file:
            del file["neural"]
            file["other"] = h5py.ExternalLink(str(secret), "/")
            file["neural"] = link
        with pytest.raises(BadRecording, match=rf"{name}\.h5: 'neural' is a link (into|that leads)"):
            load_session(path)
    with h5py.File(tmp_path / "inside.h5", "w") as file, h5py.File(secret) as other:
        for key in other:
            other.copy(key, file)
        file.move("neural", "stored")
        file["neural"] = h5py.SoftLink("/stored")
    assert load_session(tmp_path / "inside.h5").n_samples == small_session.n_samples


def test_an_nwb_file_whose_units_lie_in_another_file_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    pytest.importorskip("pynwb")
    nwb_files.allen(tmp_path / "secret.nwb", more_stimuli=False)
    shutil.copy(tmp_path / "secret.nwb", tmp_path / "a.nwb")
    with h5py.File(tmp_path / "a.nwb", "a") as file:
        del file["units"]
        file["units"] = h5py.ExternalLink("secret.nwb", "/units")
    with pytest.raises(BadRecording, match=r"a\.nwb: it needs another file, which is not read"):
        load_session(tmp_path / "a.nwb")


def test_arrays_text_and_notes_arrive_unchanged(tmp_path: Path, small_session: Session) -> None:
    save_session(small_session, tmp_path / "a.h5")
    assert_same(load_session(tmp_path / "a.h5"), small_session)


def test_an_error_of_the_reader_keeps_its_type(tmp_path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    arrays = {"neural": np.ones((4, 2)), "stamps": np.arange(3.0), "frame": np.zeros(3)}
    scipy_io.savemat(tmp_path / "a.mat", arrays)
    with pytest.raises(ShapeMismatch, match="'stamps' has 3 entries, but 'neural' has 4"):
        load_session(tmp_path / "a.mat")
    scipy_io.savemat(tmp_path / "b.mat", {"neural": np.ones((4, 2))})
    with pytest.raises(BadRecording, match="it lacks 'stamps', 'frame'"):
        load_session(tmp_path / "b.mat")


@pytest.mark.parametrize(
    "content", [b"", b"\x89HDF\r\n\x1a\n", b"MATLAB 5.0 MAT-file" * 20, b"nonsense" * 100]
)
@pytest.mark.parametrize("suffix", [".h5", ".mat", ".nwb"])
def test_files_of_another_format_are_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(BadRecording) as caught:
        load_session(path)
    assert str(path) in str(caught.value)
