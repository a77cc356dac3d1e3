from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stream.errors import BadRecording, BadUsage
from stream.io.session_io import SUFFIXES, WRITABLE, ReadOptions, load_session, save_session
from stream.io.xdf_writer import XdfWriter, stream_xml
from stream.movie import one_clip
from stream.session import Session
from tests.stream.strategies import assert_same

pytest.importorskip("h5py", reason="h5py (extra `nwb`) is not installed")
pytestmark = pytest.mark.usefixtures("in_process")


def test_every_format_keeps_any_label_name(tmp_path: Path, small_session: Session) -> None:
    names = ("hand/x", "/", "100%", "%2F", "%25/..", ".")
    labelled = replace(small_session, labels=dict.fromkeys(names, small_session.labels["position"]))
    for suffix in (".npz", ".h5", ".xdf", ".csv"):
        save_session(labelled, tmp_path / f"a{suffix}")
        assert_same(load_session(tmp_path / f"a{suffix}"), labelled)


def test_conversion_through_every_format_is_exact(tmp_path: Path, small_session: Session) -> None:
    session = replace(small_session, neural=small_session.neural + np.float32(0.1))
    for number, suffix in enumerate([".npz", ".h5", ".xdf", ".csv", ".hdf5", ".npz"]):
        path = tmp_path / f"{number}{suffix}"
        save_session(session, path)
        session = load_session(path)
    assert_same(session, replace(small_session, neural=small_session.neural + np.float32(0.1)))


@pytest.mark.parametrize("simulated", [True, False])
def test_every_format_says_whether_the_data_are_simulated(
    tmp_path: Path, small_session: Session, simulated: bool
) -> None:
    session = replace(small_session, simulated=simulated)
    for number, suffix in enumerate([*WRITABLE, ".npz"]):
        path = tmp_path / f"{number}{suffix}"
        assert save_session(session, path) == []
        session = load_session(path).take(np.arange(session.n_samples) > 3)
        assert session.simulated is simulated, suffix


def test_pictures_are_kept_or_reported_as_omitted(tmp_path: Path, small_session: Session) -> None:
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


def test_a_failed_write_leaves_no_file(tmp_path: Path, small_session: Session) -> None:
    bad = replace(small_session, channel_names=("time", *small_session.channel_names[1:]))
    with pytest.raises(BadUsage, match="'time' cannot be written as CSV"):
        save_session(bad, tmp_path / "a.csv")
    with pytest.raises(BadUsage, match=r"can only be read.*\.csv"):
        save_session(small_session, tmp_path / "a.mat")
    assert list(tmp_path.iterdir()) == []


def test_nwb_options_are_refused_for_other_formats(tmp_path: Path, small_session: Session) -> None:
    save_session(small_session, tmp_path / "a.npz")
    with pytest.raises(BadUsage, match="are for NWB files"):
        load_session(tmp_path / "a.npz", options=ReadOptions(area=("VISp",)))


def test_unknown_suffixes_and_missing_folders_are_refused(tmp_path: Path, small_session: Session) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(BadRecording, match="has no known suffix"):
        load_session(tmp_path / "a.txt")
    with pytest.raises(BadUsage, match="has no known suffix"):
        save_session(small_session, tmp_path / "b.txt")
    with pytest.raises(BadUsage, match=r"the folder .* does not exist"):
        save_session(small_session, tmp_path / "none" / "b.npz")


def test_writable_formats_are_readable() -> None:
    assert set(WRITABLE) < set(SUFFIXES)


@pytest.mark.parametrize("suffix", [".npz", ".xdf"])
def test_samples_stamped_in_groups_are_one_segment_with_their_own_times(
    tmp_path: Path, small_session: Session, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    n, rate_hz = 400, small_session.rate_hz
    index = np.arange(n)
    stamps = (index // 4 + 1) * 4 / rate_hz + index % 4 * 2e-5
    neural = np.random.default_rng(0).poisson(1, (n, 3)).astype(np.float32)
    path = tmp_path / f"pushed{suffix}"
    if suffix == ".npz":
        np.savez(path, neural=neural, stamps=stamps, frame=index // 20, rate_hz=rate_hz, name="V1")
    else:
        with XdfWriter(path) as writer:
            writer.header(1, stream_xml("V1", "Spikes", ("a", "b", "c"), rate_hz, "float32"), "float32", 3)
            writer.header(
                2, stream_xml("V1-stimulus", "Stimulus", ("frame", "repeat"), 0, "int32"), "int32", 2
            )
            writer.samples(1, stamps, neural)
            onsets = np.arange(n // 20) * 20 / rate_hz + 1e-4
            writer.samples(2, onsets, np.stack([np.arange(n // 20), np.zeros(n // 20)], 1).astype(np.int32))
    session = load_session(path)
    assert not session.segment.any()
    assert np.all(np.diff(session.stamps) > 0)
    np.testing.assert_allclose(session.stamps[8:], (index[8:] + 1) / rate_hz, atol=1e-3)
    np.testing.assert_array_equal(session.frame[8:], index[8:] // 20)
    assert "'V1': timestamps are uneven by up to" in caplog.text
    again = tmp_path / "again.npz"
    save_session(session, again)
    assert not load_session(again).segment.any()
