from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from stream.errors import BadRecording, ShapeMismatch
from stream.io.session_io import ReadOptions, load_session, load_session_with_notes
from stream.session import Kind
from tests.stream.io.plain_arrays import plain_arrays

h5py = pytest.importorskip("h5py", reason="h5py (extra `nwb`) is not installed")
pytestmark = pytest.mark.usefixtures("in_process")


def test_version_5_files_are_read(tmp_path: Path) -> None:
    names = np.array(["a", "bb", "ü"], object)
    more = {"channel_names": names, "kind": "eeg", "rate_hz": 4.0, "label_x": np.ones(10), "other": {"a": 1}}
    for number, options in enumerate([{}, {"do_compression": True}, {"oned_as": "column"}]):
        path = tmp_path / f"{number}.mat"
        scipy.io.savemat(path, plain_arrays() | more, **options)  # type: ignore[arg-type]
        session = load_session(path)
        np.testing.assert_array_equal(session.neural, plain_arrays()["neural"])
        assert session.channel_names == ("a", "bb", "ü")
        assert (session.kind, session.rate_hz, session.n_frames) == (Kind.EEG, 4.0, 3)
        assert session.repeat.tolist() == [-1, 0, 0, -1, 1, 1, 1, 2, 2, -1]
        assert session.labels["x"].shape == (10, 1)
    scipy.io.savemat(
        tmp_path / "t.mat", plain_arrays() | {"neural": plain_arrays()["neural"].T, "channel_names": "abc"}
    )
    with pytest.raises(ShapeMismatch, match="3 names, one per channel of 'neural', got 1"):
        load_session(tmp_path / "t.mat")
    scipy.io.savemat(tmp_path / "u.mat", plain_arrays() | {"neural": plain_arrays()["neural"].T})
    session, notes = load_session_with_notes(tmp_path / "u.mat", ReadOptions())
    np.testing.assert_array_equal(session.neural, plain_arrays()["neural"])
    assert notes == ["'neural' had shape [3, 10] for 10 timestamps and was transposed"]


def test_version_7_3_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in plain_arrays().items():
            file[name] = np.atleast_2d(np.asarray(array, float)).T
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
        file["stamps"][...] = plain_arrays()["stamps"][:, None]
        texts = [file.create_dataset(f"#refs#/{text}", data=_codes(text)) for text in ("a", "bb", "ü")]
        names = file.create_dataset("channel_names", (1, 3), h5py.ref_dtype)
        names[0] = [text.ref for text in texts]
        names.attrs["MATLAB_class"] = np.bytes_("cell")
        file["kind"] = _codes("spikes")
        file["kind"].attrs["MATLAB_class"] = np.bytes_("char")
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(512))
    session = load_session(path)
    np.testing.assert_array_equal(session.neural, plain_arrays()["neural"])
    assert (session.channel_names, session.kind) == (("a", "bb", "ü"), Kind.SPIKES)
    with h5py.File(path, "r+") as file:
        file["kind"].attrs["MATLAB_class"] = np.bytes_("function_handle")
    with pytest.raises(BadRecording, match="'kind' is a MATLAB function_handle"):
        load_session(path)


def _codes(text: str) -> np.ndarray[Any, Any]:
    return np.frombuffer(text.encode("utf-16-le"), np.uint16)[:, None]


def test_unsupported_contents_are_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", plain_arrays() | {"kind": {"a": 1}})
    with pytest.raises(BadRecording, match="'kind' is a MATLAB struct"):
        load_session(tmp_path / "a.mat")
    scipy.io.savemat(tmp_path / "b.mat", {"neural": np.ones((2, 2)), "x": 1})
    with pytest.raises(BadRecording, match="it lacks 'stamps', 'frame'; it holds neural, x"):
        load_session(tmp_path / "b.mat")
    scipy.io.savemat(tmp_path / "c.mat", plain_arrays(), format="4")
    with pytest.raises(BadRecording, match=r"version 5 to 7\.3"):
        load_session(tmp_path / "c.mat")
