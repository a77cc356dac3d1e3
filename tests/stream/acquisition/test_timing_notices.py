from __future__ import annotations

import pytest

from stream.acquisition.timing_notices import TimingNotices
from stream.notices import Notices


def test_the_first_fault_of_a_kind_is_reported_at_once_and_the_next_ones_together() -> None:
    notices = Notices()
    faults = TimingNotices(notices)
    faults.add("gap", 10.0, 9.5, missing=3)
    assert [notice.text for notice in notices.take()] == ["3 samples missing, before timestamp 9.500"]
    faults.add("gap", 10.2, 9.7, missing=1)
    faults.add("gap", 10.4, 9.9, missing=2)
    assert not notices
    faults.flush(10.9)
    assert not notices
    faults.flush(11.1)
    (notice,) = notices.take()
    assert notice.text == "2 times: 3 samples missing, last before timestamp 9.900"
    assert notice.facts == {"count": 2, "stamp": 9.9, "missing": 3}
    assert (faults.counts.gaps, faults.counts.missing) == (3, 6)
    faults.flush(20.0)
    assert not notices


@pytest.mark.parametrize(
    ("event", "text", "count"),
    [
        ("duplicate", "duplicate sample dropped, at timestamp 4.500", "duplicates"),
        ("reordered", "out-of-order sample dropped, at timestamp 4.500", "reordered"),
        ("clock_jump", "the sender's clock jumped by -2.000 s", "clock_jumps"),
        ("invalid_stamp", "sample dropped because its timestamp is 4.5", None),
        ("repeated_stamp", "two different samples carry the same timestamp, 4.500", None),
    ],
)
def test_every_kind_of_fault_has_a_message_and_a_count(event: str, text: str, count: str | None) -> None:
    notices = Notices()
    faults = TimingNotices(notices)
    faults.add(event, 5.0, 4.5, seconds=-2.0)
    (notice,) = notices.take()
    assert (notice.event, notice.text, notice.warning) == (event, text, True)
    if count is not None:
        assert getattr(faults.counts, count) == 1
