from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.recorder.continuity import Continuity
from stream.timestamps import judge_stamps

STEPS = st.lists(
    st.sampled_from([1 / 30, 1 / 30, 1 / 30, 0.0, -0.5, 0.049, 0.051, 7.0]), min_size=1, max_size=60
)


@given(STEPS, st.lists(st.integers(0, 60)), st.sampled_from([0.0, 30.0]))
def test_segments_do_not_depend_on_the_chunks(steps: list[float], cuts: list[int], rate_hz: float) -> None:
    stamps = 50 + np.cumsum(steps)
    continuity = Continuity(rate_hz)
    parts = np.split(stamps, sorted(min(cut, len(stamps)) for cut in cuts))
    numbered = np.concatenate([continuity.check(part) for part in parts])
    assert numbered.dtype == np.int32
    np.testing.assert_array_equal(numbered, judge_stamps(stamps, rate_hz).segment)
    assert continuity.counts.total == numbered[-1]


def test_boundaries_are_counted_by_kind() -> None:
    continuity = Continuity(10.0)
    continuity.check(np.array([0.0, 0.1, 0.5, 0.4, 0.4, np.nan, 0.5, -3.0]))
    counts = continuity.counts
    assert (counts.gaps, counts.missing_samples, counts.duplicates, counts.backwards) == (1, 3, 1, 2)


def test_samples_stamped_in_groups_are_complete_and_a_lost_group_is_a_gap() -> None:
    index = np.delete(np.arange(300), slice(120, 124))
    continuity = Continuity(30.0)
    for stamp in index // 4 * 4 / 30 + index % 4 * 2e-5:
        continuity.check(np.array([stamp]))
    counts = continuity.counts
    assert (counts.gaps, counts.missing_samples, counts.backwards) == (1, 4, 0)
    assert continuity.spread_s == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("rate_hz", [0.0, 10.0])
@pytest.mark.parametrize("wrong", [1e300, -1e300, np.inf, 1e13])
def test_a_timestamp_that_is_no_number_of_seconds_changes_nothing(rate_hz: float, wrong: float) -> None:
    continuity = Continuity(rate_hz)
    segment = continuity.check(np.array([0.1, 0.2, wrong, 0.3, 0.4]))
    assert segment.tolist() == [0] * 5
    assert (continuity.counts.gaps, continuity.counts.backwards) == (0, 0)


def test_an_irregular_stream_may_pause_for_any_time() -> None:
    continuity = Continuity(0.0)
    continuity.check(np.array([-9e11, 9e11]))
    assert continuity.counts.missing_samples == 0
