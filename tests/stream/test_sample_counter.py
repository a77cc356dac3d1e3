from __future__ import annotations

import math

import numpy as np
import pytest

from stream.sample_counter import SampleCount, counter_channel, without


@pytest.mark.parametrize(
    ("counts", "missing", "extent"),
    [
        (range(10), 0, (0, 9)),
        ([3, 4, 9, 10], 4, (3, 10)),
        ([0, 1, 1, 2, 2], 0, (0, 2)),  # twice
        ([0, 2, 1, 3, 5, 4], 0, (0, 5)),  # late
        ([0, 1, math.nan, math.nan, 4, 6], 1, (0, 6)),
        ([500, 501, 3, 4, 6], 1, (500, 6)),  # counted anew
        ([math.inf, 1e300, 7, 9], 1, (7, 9)),
    ],
)
def test_what_a_counter_shows_does_not_depend_on_the_chunks(
    counts: list[float], missing: int, extent: tuple[int, int]
) -> None:
    for size in (1, 3, 100):
        count = SampleCount()
        for part in np.array_split(np.array(counts, np.float64), math.ceil(len(counts) / size)):
            count.add(part)
        assert (count.missing, (count.first, count.last)) == (missing, extent)


def test_a_channel_that_does_not_count_counts_nothing() -> None:
    count = SampleCount()
    count.add(np.zeros(500))
    assert count.missing is None


def test_the_counter_is_the_channel_of_that_label_or_the_one_that_the_description_names() -> None:
    assert counter_channel(("a", "sequence"), {}) == 1
    assert counter_channel(("n", "sequence"), {"sequence_channel": "n"}) == 0
    assert counter_channel(("sequence",), {}) is None  # nothing would be left
    assert counter_channel(("a", "b"), {"sequence_channel": "n"}) is None
    assert without(("a", "sequence", "b"), 1) == ("a", "b")
    assert without(("a", "b"), None) == ("a", "b")
