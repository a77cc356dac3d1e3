"""HDF5, CSV and MATLAB: what comes back, what cannot be held, what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings

from stream.errors import BadRecording, BadUsage, OutputExists, ShapeMismatch
from stream.io import lazy_array as on_disk
from stream.io import limits, sandboxed_reader
from stream.io import session_io as files
from stream.io.session_io import ReadOptions, load_session, load_session_with_notes, save_session
from stream.movie import one_clip
from stream.session import Kind, Session
from tests.stream.strategies import assert_same, sessions

h5py = pytest.importorskip("h5py", reason="h5py, of the extra nwb, is not installed")


@pytest.mark.parametrize(
    ("suffix", "n_examples"), [(".csv", 60), pytest.param(".h5", 12, marks=pytest.mark.live)]
)
def test_a_recording_comes_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, n_examples: int
) -> None:
    @given(sessions())
    @settings(
        max_examples=n_examples, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
    )
    def check(session: Session) -> None:
        path = tmp_path_factory.mktemp("formats") / f"a{suffix}"
        assert save_session(session, path) == []
        assert_same(load_session(path), session)

    check()


@pytest.mark.live
def test_a_label_may_have_any_name(tmp_path: Path, small_session: Session) -> None:
    names = ("hand/x", "/", "100%", "%2F", "%25/..", ".")
    labelled = replace(small_session, labels=dict.fromkeys(names, small_session.labels["position"]))
    for suffix in (".npz", ".h5", ".xdf", ".csv"):
        save_session(labelled, tmp_path / f"a{suffix}")
        assert_same(load_session(tmp_path / f"a{suffix}"), labelled)


@pytest.mark.live
def test_through_every_format_and_back(tmp_path: Path, small_session: Session) -> None:
    session = replace(small_session, neural=small_session.neural + np.float32(0.1))
    for number, suffix in enumerate([".npz", ".h5", ".xdf", ".csv", ".hdf5", ".npz"]):
        path = tmp_path / f"{number}{suffix}"
        save_session(session, path)
        session = load_session(path)
    assert_same(session, replace(small_session, neural=small_session.neural + np.float32(0.1)))


@pytest.mark.live
def test_pictures_are_kept_or_said_to_be_left(tmp_path: Path, small_session: Session) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (20, 6, 8), np.uint8)
    session = replace(small_session, movie=one_clip("scenes", pictures, 30.0))
    for suffix, held in {".h5": True, ".npz": True, ".csv": False, ".xdf": False}.items():
        left_out = save_session(session, tmp_path / f"a{suffix}")
        movie = load_session(tmp_path / f"a{suffix}").movie
        assert movie is not None
        assert movie.clips == session.movie.clips  # type: ignore[union-attr]
        if held:
            np.testing.assert_array_equal(movie.frames, pictures)
            assert left_out == []
        else:
            assert "pictures were not written" in left_out[0]


@pytest.mark.parametrize("suffix", [pytest.param(".h5", marks=pytest.mark.live), ".csv"])
def test_nothing_is_overwritten_unasked(tmp_path: Path, small_session: Session, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExists):
        save_session(small_session, path)
    assert path.read_bytes() == b"mine"
    save_session(small_session, path, force=True)
    assert_same(load_session(path), small_session)


def test_half_a_recording_is_not_left(tmp_path: Path, small_session: Session) -> None:
    bad = replace(small_session, channel_names=("time", *small_session.channel_names[1:]))
    with pytest.raises(BadUsage, match="'time' cannot be written as CSV"):
        save_session(bad, tmp_path / "a.csv")
    with pytest.raises(BadUsage, match=r"can only be read.*\.csv"):
        save_session(small_session, tmp_path / "a.mat")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.live
def test_large_activity_stays_on_disk(
    tmp_path: Path, small_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_session(small_session, tmp_path / "a.h5")
    data = on_disk.LazyArray(tmp_path / "a.h5", "neural")
    session = replace(small_session, neural=data)  # type: ignore[arg-type]
    keep = small_session.repeat >= 1
    assert_same(session.take(keep), small_session.take(keep))
    assert session.sha256() == small_session.sha256()
    np.testing.assert_array_equal(data[np.array([5, 2, 2])], small_session.neural[[5, 2, 2]])
    assert data[np.zeros(0, int)].shape == (0, 6)
    save_session(session, tmp_path / "b.h5")
    assert_same(load_session(tmp_path / "b.h5"), small_session)


@pytest.mark.live
def test_a_recording_larger_than_what_is_handed_over(tmp_path: Path) -> None:
    n_samples, n_channels = 70_000, 1000
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset(
            "neural", (n_samples, n_channels), np.float32, chunks=(1000, n_channels), compression="gzip"
        )
        for at in range(0, n_samples, 1000):
            data[at : at + 1000] = at
        file["stamps"] = np.arange(n_samples) / 30
        file["frame"] = np.full(n_samples, -1)
    session = load_session(tmp_path / "a.h5")
    assert isinstance(session.neural, on_disk.LazyArray)
    part = session.select_time(0.5, 0.501)
    assert isinstance(part.neural, np.ndarray)
    assert part.neural[0, 0] == 35_000


def _plain(n: int = 10) -> dict[str, Any]:
    frame = np.array([-1, 0, 1, -1, 0, 1, 2, 0, 1, -1])
    return {"neural": np.arange(3.0 * n).reshape(n, 3), "stamps": np.arange(n) / 4, "frame": frame[:n]}


@pytest.mark.live
def test_turned_arrays_are_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain = _plain()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["neural"], file["stamps"], file["frame"] = (
            plain["neural"].T,
            plain["stamps"][None],
            plain["frame"],
        )
        file["label_x"] = np.ones((2, 10))
    session, notes = load_session_with_notes(tmp_path / "a.h5", ReadOptions())
    np.testing.assert_array_equal(session.neural, plain["neural"])
    assert session.labels["x"].shape == (10, 2)
    assert ["transposed" in note for note in notes] == [True, True]
    load_session(tmp_path / "a.h5")
    assert "'neural' had shape [3, 10] for 10 timestamps and was transposed" in caplog.text


@pytest.mark.live
def test_matlab_5(tmp_path: Path) -> None:
    names = np.array(["a", "bb", "ü"], object)
    more = {"channel_names": names, "kind": "eeg", "rate_hz": 4.0, "label_x": np.ones(10), "other": {"a": 1}}
    for number, options in enumerate([{}, {"do_compression": True}, {"oned_as": "column"}]):
        path = tmp_path / f"{number}.mat"
        scipy.io.savemat(path, _plain() | more, **options)  # type: ignore[arg-type]
        session = load_session(path)
        np.testing.assert_array_equal(session.neural, _plain()["neural"])
        assert session.channel_names == ("a", "bb", "ü")
        assert (session.kind, session.rate_hz, session.n_frames) == (Kind.EEG, 4.0, 3)
        assert session.repeat.tolist() == [-1, 0, 0, -1, 1, 1, 1, 2, 2, -1]
        assert session.labels["x"].shape == (10, 1)
    scipy.io.savemat(tmp_path / "t.mat", _plain() | {"neural": _plain()["neural"].T, "channel_names": "abc"})
    with pytest.raises(ShapeMismatch, match="3 channels, but 1 channel names"):
        load_session(tmp_path / "t.mat")
    scipy.io.savemat(tmp_path / "u.mat", _plain() | {"neural": _plain()["neural"].T})
    session, notes = load_session_with_notes(tmp_path / "u.mat", ReadOptions())
    np.testing.assert_array_equal(session.neural, _plain()["neural"])
    assert notes == ["'neural' had shape [3, 10] for 10 timestamps and was transposed"]


@pytest.mark.live
def test_matlab_7_3(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in _plain().items():
            file[name] = np.atleast_2d(np.asarray(array, float)).T
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
        file["stamps"][...] = _plain()["stamps"][:, None]
        texts = [file.create_dataset(f"#refs#/{text}", data=_codes(text)) for text in ("a", "bb", "ü")]
        names = file.create_dataset("channel_names", (1, 3), h5py.ref_dtype)
        names[0] = [text.ref for text in texts]
        names.attrs["MATLAB_class"] = np.bytes_("cell")
        file["kind"] = _codes("spikes")
        file["kind"].attrs["MATLAB_class"] = np.bytes_("char")
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(512))
    session = load_session(path)
    np.testing.assert_array_equal(session.neural, _plain()["neural"])
    assert (session.channel_names, session.kind) == (("a", "bb", "ü"), Kind.SPIKES)
    with h5py.File(path, "r+") as file:
        file["kind"].attrs["MATLAB_class"] = np.bytes_("function_handle")
    with pytest.raises(BadRecording, match="'kind' is a MATLAB function_handle"):
        load_session(path)


def _codes(text: str) -> np.ndarray[Any, Any]:
    return np.frombuffer(text.encode("utf-16-le"), np.uint16)[:, None]


@pytest.mark.live
def test_what_a_matlab_file_may_not_hold(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", _plain() | {"kind": {"a": 1}})
    with pytest.raises(BadRecording, match="'kind' is a MATLAB struct"):
        load_session(tmp_path / "a.mat")
    scipy.io.savemat(tmp_path / "b.mat", {"neural": np.ones((2, 2)), "x": 1})
    with pytest.raises(BadRecording, match="it lacks 'stamps', 'frame'; it holds neural, x"):
        load_session(tmp_path / "b.mat")
    scipy.io.savemat(tmp_path / "c.mat", _plain(), format="4")
    with pytest.raises(BadRecording, match=r"version 5 to 7\.3"):
        load_session(tmp_path / "c.mat")


def test_a_table_written_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "lab.csv"
    path.write_text("time, frame, V1, label_speed\n0.0,-1,3,\n0.5,0,4,1.5\n\n1.0,1,NA,2\n")
    session = load_session(path)
    assert (session.name, session.channel_names, session.rate_hz) == ("lab", ("V1",), 2.0)
    np.testing.assert_array_equal(session.neural[:, 0], np.array([3, 4, np.nan], np.float32))
    np.testing.assert_array_equal(session.labels["speed"][:, 0], np.array([np.nan, 1.5, 2], np.float32))
    path.write_text("time;frame;a\n0;-1;1\n1;0;2\n")
    assert load_session(path).neural.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'time' and 'frame' among them"),
        ("a,b\n1,2\n", "'time' and 'frame' among them; got .*'a', 'b'"),
        ("time,frame,a\n1,0\n", "line 2 has 2 values, but there are 3 columns"),
        ("time,frame,a\n1,0,1\n2,0,x\n", "line 3: could not convert string to float: 'x'"),
        ("time,frame,a,a\n1,0,1,2\n", "same name"),
        ("time,frame,a,label_x[1]\n1,0,1,2\n", r"must count from \[0\]"),
        ("time,frame,a\n1,0.5,1\n", "'frame' must hold whole numbers"),
        ("time,frame,a\n", "not one sample"),
        ("# neuroreel [1]\ntime,frame,a\n1,0,1\n", "a JSON object"),
        ('# neuroreel {"rate_hz": null}\ntime,frame,a\n1,0,1\n', "cannot be read as CSV"),
        ("time,frame,a\n" + "1" * 200_000 + ",0,1\n", "cannot be read as CSV|finite"),
        ("\ufefftime,frame,a\n1,0,1\n1,0,1\n", None),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, text: str, message: str | None) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    if message is None:
        assert load_session(path).n_samples == 2
        return
    with pytest.raises(BadRecording, match=message) as caught:
        load_session(path)
    assert str(path) in str(caught.value)


def test_options_of_nwb_are_for_nwb(tmp_path: Path, small_session: Session) -> None:
    save_session(small_session, tmp_path / "a.npz")
    with pytest.raises(BadUsage, match="are for NWB files"):
        load_session(tmp_path / "a.npz", options=ReadOptions(area=("VISp",)))


def test_a_library_that_is_missing_is_named(
    tmp_path: Path, small_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(BadUsage, match=r"pip install 'neuroreel\[nwb\]'"):
        save_session(small_session, tmp_path / "a.h5")


def test_what_does_not_fit_into_memory_is_refused(
    tmp_path: Path, small_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_session(small_session, tmp_path / "a.npz")
    monkeypatch.setattr(limits, "free_bytes", lambda: 1000)
    with pytest.raises(BadRecording, match=r"GB when it is read; at most 5e-07 GB may be used now"):
        load_session(tmp_path / "a.npz")


@pytest.mark.live
def test_compressed_nothing_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("neural", (1 << 30, 1000), np.float32, chunks=(1 << 10, 1000))  # never written
        file["stamps"], file["frame"] = np.arange(4.0), np.zeros(4)
    assert (tmp_path / "a.h5").stat().st_size < 20_000
    with pytest.raises(BadRecording, match="'neural' declares 4294967296000 bytes, but only 0"):
        load_session(tmp_path / "a.h5")


@pytest.mark.parametrize(
    "content", [b"", b"\x89HDF\r\n\x1a\n", b"MATLAB 5.0 MAT-file" * 20, b"nonsense" * 100]
)
@pytest.mark.parametrize(
    "suffix", [".csv", *(pytest.param(suffix, marks=pytest.mark.live) for suffix in (".h5", ".mat", ".nwb"))]
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(BadRecording) as caught:
        load_session(path)
    assert str(path) in str(caught.value)


@pytest.mark.live
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import os; os.abort()", "the library that reads it crashed .SIGABRT"),
        ("while True: pass", "timed out without progress"),
        ("b = bytearray(10 ** 10)", "needs more memory than its contents should take"),
        ("import os; os._exit(3)", "without a result"),
    ],
)
def test_a_reader_that_fails_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str
) -> None:
    module = tmp_path / "failing_reader.py"
    module.write_text(f"def read(path, limits, **options):\n    {body}\n")
    script = "import stream.io.sandboxed_child as child; child.READERS['x'] = 'failing_reader'; "
    script += "child.main('x', 'a', '{}')"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sandboxed_reader, "_PROGRAM", ("-c", script))
    with pytest.raises(BadRecording, match=message):
        sandboxed_reader.read_sandboxed("x", tmp_path, {})


def test_formats_are_listed() -> None:
    assert set(files.WRITABLE) < set(files.SUFFIXES)
