from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from stream.errors import BadRecording
from stream.io.npz import load_npz
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
