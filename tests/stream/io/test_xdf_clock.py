from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream.io.xdf import load_xdf
from stream.io.xdf_clock import in_order
from stream.io.xdf_writer import XdfWriter
from tests.stream.io.xdf_streams import FRAMES, STAMPS, N, add_neural, add_stimulus


@pytest.mark.parametrize("hosts", [("a", "b"), ("raspberrypi", "raspberrypi"), ("", "")])
@pytest.mark.parametrize("wrong", [{}, {10: 2.0}, {0: -3.0}, {19: 5e5}, {3: 0.3, 4: 0.4, 12: -9.0, 13: 1.0}])
@pytest.mark.parametrize("drift", [0.0, 5e-5])
def test_clocks_are_aligned_by_robust_offsets(
    tmp_path: Path, hosts: tuple[str, str], wrong: dict[int, float], drift: float
) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_neural(writer, host=hosts[0])
        add_stimulus(writer, hosts[1], -5000 + drift * (STAMPS - 1000), wrong)
    session = load_xdf(tmp_path / "a.xdf")
    np.testing.assert_array_equal(session.frame, FRAMES)
    np.testing.assert_array_equal(session.stamps, STAMPS)  # never changed


def test_a_clock_that_was_set_is_followed(tmp_path: Path) -> None:
    jump = np.where(np.arange(N) < 1500, -5000.0, -5015.0)
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_neural(writer)
        add_stimulus(writer, "screen", jump)
    wrong = np.flatnonzero(load_xdf(tmp_path / "a.xdf").frame != FRAMES)
    assert len(wrong) <= 2  # the frame at the jump


def test_noise_of_the_offsets_does_not_part_streams_of_one_computer(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_neural(writer)
        add_stimulus(writer, "rig", 0.0, dict(enumerate(np.random.default_rng(0).normal(0, 4e-3, 20))))
    np.testing.assert_array_equal(load_xdf(tmp_path / "a.xdf").frame, FRAMES)


def test_missing_offsets_between_two_computers_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_neural(writer, offsets=False)
        add_stimulus(writer, "screen", offsets=False)
    np.testing.assert_array_equal(load_xdf(tmp_path / "a.xdf").frame, FRAMES)
    assert "come from two computers, but the file holds no clock offsets" in caplog.text


def test_in_order_keeps_the_longest_order() -> None:
    assert in_order(np.array([1.0, 2, 9, 3, 4, 0, 5])).tolist() == [
        True,
        True,
        False,
        True,
        True,
        False,
        True,
    ]
    assert in_order(np.zeros(0)).tolist() == []
    assert in_order(np.array([1.0, 1, 2])).all()


def test_two_offsets_that_contradict_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_neural(writer)
        add_stimulus(writer, "screen", offsets=False)
        writer.clock_offset(2, 1000.0, 0.0)
        writer.clock_offset(2, 1050.0, 2.0)
    load_xdf(tmp_path / "a.xdf")
    assert "the only two clock offsets of 'V1-stimulus' differ by 2 s" in caplog.text
