from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from stream.errors import BadRecording
from stream.io.npz import load_npz
from stream.io.session_io import load_session
from stream.io.stamp_checks import check_stamps
from stream.io.xdf import load_xdf
from stream.io.xdf_writer import XdfWriter, stream_xml

STAMPS = 1000 + np.arange(1, 3001) / 30


def test_timestamps_of_low_precision_are_refused() -> None:
    coarse = (STAMPS + 1.7e9).astype(np.float32)
    for stamps in (coarse, (STAMPS + 1e6).astype(np.float32)):
        with pytest.raises(BadRecording, match=r"32-bit numbers, which resolve .* Store them as 64-bit"):
            check_stamps(stamps.astype(np.float64), 30.0)
    with pytest.raises(BadRecording, match="resolve 128 s"):
        check_stamps(coarse.astype(np.float64), 0.0, stated=False)
    assert check_stamps(STAMPS.astype(np.float32).astype(np.float64), 30.0) == (30.0, "")
    assert check_stamps(np.arange(100) * 2.0, 0.5) == (0.5, "")


@pytest.mark.parametrize(("factor", "unit"), [(1e3, "milli"), (1e6, "micro"), (1e9, "nano")])
def test_timestamps_in_another_unit_are_refused(factor: float, unit: str) -> None:
    with pytest.raises(BadRecording, match=f"they are in {unit}seconds. Divide them by {factor:.0f}"):
        check_stamps(STAMPS * factor, 30.0)


def test_a_wrong_nominal_rate_is_replaced_by_the_measured_one() -> None:
    rate_hz, note = check_stamps(STAMPS[0] + np.arange(3000) / 15, 30.0)
    assert rate_hz == 15
    assert "nominal rate is 30 Hz, but its samples come at 15 Hz" in note
    assert check_stamps(np.arange(3000) / 29.4, 30.0) == (30.0, "")


def test_losses_and_jitter_are_no_wrong_rate() -> None:
    random = np.random.default_rng(0)
    half = STAMPS[random.random(len(STAMPS)) < 0.5]
    assert check_stamps(half, 30.0) == (30.0, "")
    bursts = np.repeat(STAMPS[7::8], 8) + np.tile(np.arange(8) * 1e-4, 375)
    assert check_stamps(bursts, 30.0) == (30.0, "")
    assert check_stamps(STAMPS + random.normal(0, 0.02, 3000), 30.0) == (30.0, "")


def test_notes_reach_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(1, stream_xml("a", "EEG", ("a",), 0, "float32"), "float32", 1)
        writer.samples(1, STAMPS, np.ones((3000, 1)))
    assert load_xdf(tmp_path / "a.xdf").rate_hz == 0
    assert (
        "'a': its nominal rate is 0 (irregular), although its samples come regularly at 30 Hz" in caplog.text
    )
    arrays = {"neural": np.ones((3000, 1)), "stamps": STAMPS * 1000, "frame": np.zeros(3000, int)}
    np.savez(tmp_path / "ms.npz", **arrays)  # type: ignore[arg-type]
    load_npz(tmp_path / "ms.npz")
    assert "if the timestamps are in milliseconds, divide them by 1000" in caplog.text
    np.savez(tmp_path / "f32.npz", **(arrays | {"stamps": (STAMPS + 1.7e9).astype("f4")}))  # type: ignore[arg-type]
    with pytest.raises(BadRecording, match=r"f32.npz: .*32-bit numbers"):
        load_npz(tmp_path / "f32.npz")


@pytest.mark.parametrize("suffix", [".xdf", ".npz", ".csv"])
def test_a_step_back_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str) -> None:
    """One timestamp far ahead makes three segments: the step back behind it shows that it is wrong."""
    stamps = 100.0 + np.arange(600) / 30
    stamps[300] += 1e6
    path = tmp_path / f"a{suffix}"
    if suffix == ".xdf":
        with XdfWriter(path) as writer:
            writer.header(1, stream_xml("V1", "EEG", ["a"], 30, "float32"), "float32", 1)
            writer.samples(1, stamps, np.ones((600, 1)))
    elif suffix == ".csv":
        path.write_text("time,frame,u0\n" + "".join(f"{stamp!r},-1,1\n" for stamp in stamps.tolist()))
    else:
        np.savez(
            path,
            neural=np.ones((600, 1), np.float32),
            stamps=stamps,
            frame=np.zeros(600, int),
            rate_hz=30.0,
            name="V1",
        )
    session = load_session(path)
    assert np.bincount(session.segment).tolist() == [300, 1, 299]
    assert (
        "timestamps step back once; a new segment begins there. The first step is by 1e+06 s, from 1000110"
        in (caplog.text)
    )


def test_timestamps_out_of_order_are_refused() -> None:
    random = np.random.default_rng(0)
    for stamps in (STAMPS[::-1], random.permutation(STAMPS)):
        with pytest.raises(BadRecording, match=r"go back at \d+ of 2999 steps.* Sort them"):
            check_stamps(stamps, 30.0)
    late = STAMPS + np.repeat(random.uniform(-0.02, 0.02, 1500), 2)  # pushed in pairs
    assert check_stamps(late, 200.0)[0] > 0
    trials = np.tile(STAMPS[:2], 500)
    starts = np.arange(2, 1000, 2)
    assert check_stamps(trials, 30.0, starts=starts) == (30.0, "")
    assert check_stamps(trials[:1000:2], 30.0, starts=np.arange(500)) == (30.0, "")  # one sample each


@pytest.mark.parametrize("stamp", [0.0, 5.0])
def test_timestamps_that_are_all_the_same_are_refused(stamp: float) -> None:
    for stated in (True, False):
        with pytest.raises(BadRecording, match=f"all its timestamps are {stamp:g} s"):
            check_stamps(np.full(300, stamp), 30.0 if stated else 0.0, stated=stated)


@pytest.mark.parametrize(("factor", "unit"), [(1e3, "milli"), (1e6, "micro"), (1e9, "nano")])
@pytest.mark.parametrize("stated", [True, False])
def test_clock_time_in_another_unit_is_refused(
    tmp_path: Path, factor: float, unit: str, stated: bool
) -> None:
    arrays = {"neural": np.ones((3000, 1)), "frame": np.zeros(3000, int), "stamps": (STAMPS + 1.7e9) * factor}
    rate = {"rate_hz": np.array(30.0)} if stated else {}
    np.savez(tmp_path / "a.npz", **arrays, **rate)
    with pytest.raises(BadRecording, match=rf"a\.npz: its timestamps .* in {unit}seconds\."):
        load_npz(tmp_path / "a.npz")
    with XdfWriter(tmp_path / "a.xdf") as writer:
        rate_hz = 30.0 if stated else 0.0
        writer.header(1, stream_xml("a", "EEG", ("a",), rate_hz, "float32"), "float32", 1)
        writer.samples(1, arrays["stamps"], np.ones((3000, 1)))
    with pytest.raises(BadRecording, match=rf"a\.xdf: .*its timestamps .* in {unit}seconds\."):
        load_xdf(tmp_path / "a.xdf")


def test_a_rate_that_comes_from_timestamps_in_microseconds_is_refused() -> None:
    with pytest.raises(BadRecording, match=r"33333\.3 s apart by their timestamps, .* microseconds"):
        check_stamps(STAMPS * 1e6, 3e-5, stated=False)


@pytest.mark.parametrize("n_samples", [20, 3000])
def test_timestamps_of_which_many_are_the_same_are_refused(n_samples: int) -> None:
    stamps = np.floor(1.7e9 + 0.5 + np.arange(n_samples) / 5)
    with pytest.raises(
        BadRecording, match=r"timestamps equal the one before.* Store timestamps with more digits"
    ):
        check_stamps(stamps, 1.0, stated=False)
    check_stamps(1000.0 + np.repeat(np.arange(n_samples // 4) / 7.5, 4), 30.0)  # pushed in groups of four


def test_few_timestamps_of_low_precision_are_refused() -> None:
    stamps = (1.7e9 + 2.5 * np.arange(40)).astype(np.float32).astype(np.float64)
    with pytest.raises(BadRecording, match="32-bit numbers, which resolve 128 s"):
        check_stamps(stamps, 0.0, stated=False)
