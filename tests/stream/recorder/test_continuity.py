from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.recorder.continuity import Continuity
from stream.session import segments_from_stamps

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
    np.testing.assert_array_equal(numbered, segments_from_stamps(stamps, rate_hz))
    assert continuity.counts.total == numbered[-1]


def test_boundaries_are_counted_by_kind() -> None:
    continuity = Continuity(10.0)
    continuity.check(np.array([0.0, 0.1, 0.5, 0.5, 0.4]))
    counts = continuity.counts
    assert (counts.gaps, counts.missing_samples, counts.duplicates, counts.backwards) == (1, 3, 1, 1)
