"""Samples that a recording holds twice or too late are left out as they were live; a counter is no neural channel."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stream.acquisition.sample_timing import SampleTiming
from stream.chunk import Chunk
from stream.io.xdf import load_xdf
from stream.io.xdf_writer import XdfWriter, stream_xml
from stream.notices import Notices

RATE_HZ, N = 30.0, 300
DUPLICATE, LATE, LOST, JUMP = 40, 80, 120, 200


def damaged() -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Which samples were sent, in this order, and their timestamps: one twice, two swapped, ten lost, a clock jump."""
    index = np.arange(N)
    index[[LATE, LATE + 1]] = index[[LATE + 1, LATE]]
    index = np.delete(np.insert(index, DUPLICATE, DUPLICATE), slice(LOST, LOST + 10))
    return index, 100 + index / RATE_HZ + np.where(index >= JUMP, 20.0, 0.0)


def decoded_live(
    samples: NDArray[np.float32], stamps: NDArray[np.float64], counts: NDArray[np.intp] | None
) -> Chunk:
    """What live decoding keeps of samples that arrive one by one; with the segments as samples."""
    timing, kept, segments = SampleTiming(RATE_HZ, Notices()), [], []
    for i, stamp in enumerate(stamps):
        counter = None if counts is None else counts[i : i + 1]
        chunk = Chunk(samples[i : i + 1], stamps[i : i + 1], np.array([i]), counter)
        arrival_s = stamp - 20.0 if stamp > 100 + JUMP / RATE_HZ + 10 else stamp
        timed = timing.accept(chunk, arrival_s)
        if timed is not None:
            kept.append(i)
            segments.append(timed.segment[0])
    return Chunk(np.array(segments)[:, None], stamps[kept], np.array(kept))


@pytest.mark.parametrize("counted", [True, False])
def test_a_recording_is_read_as_it_was_decoded_live(
    tmp_path: Path, counted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    index, stamps = damaged()
    samples = np.random.default_rng(0).poisson(2.0, (N, 3)).astype(np.float32)[index]
    labels = ["a", "b", "sequence", "c"] if counted else ["a", "b", "c"]
    sent = np.insert(samples, 2, index, axis=1) if counted else samples
    with XdfWriter(tmp_path / "r.xdf") as writer:
        writer.header(1, stream_xml("V1", "Spikes", labels, RATE_HZ, "float32"), "float32", len(labels))
        writer.samples(1, stamps, sent)
    with caplog.at_level(logging.WARNING):
        session = load_xdf(tmp_path / "r.xdf")
    live = decoded_live(samples, stamps, index if counted else None)
    assert session.channel_names == ("a", "b", "c")
    np.testing.assert_array_equal(session.stamps, live.stamps)
    np.testing.assert_array_equal(session.neural, samples[live.sequence])
    np.testing.assert_array_equal(session.segment, live.samples[:, 0])
    assert session.n_samples == len(index) - 2
    assert session.segment[-1] == 3  # late, lost, clock
    assert "1 samples that came twice and 1 that came after a later one are left out" in caplog.text


def test_a_counter_that_is_no_number_for_a_while_counts_nothing(tmp_path: Path) -> None:
    counts = np.arange(N, dtype=np.float32)
    counts[100:110] = math.nan
    sent = np.c_[np.ones((N, 1), np.float32), counts]
    with XdfWriter(tmp_path / "r.xdf") as writer:
        writer.header(1, stream_xml("V1", "Spikes", ["a", "sequence"], RATE_HZ, "float32"), "float32", 2)
        writer.samples(1, 5 + np.arange(N) / RATE_HZ, sent)
    session = load_xdf(tmp_path / "r.xdf")
    assert session.n_samples == N
    assert session.segment.tolist() == [0] * N


def test_timestamps_that_one_wrong_one_moves_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stamps = 10 + np.arange(1, 217) / RATE_HZ
    stamps[0] = 10.125  # a wrong byte
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(1, stream_xml("a", "EEG", ("a",), RATE_HZ, "float32"), "float32", 1)
        writer.samples(1, stamps, np.ones((216, 1)))
    session = load_xdf(tmp_path / "a.xdf")
    assert np.abs(session.stamps - stamps).max() > 0.05
    assert "'a': timestamps are uneven by up to" in caplog.text
