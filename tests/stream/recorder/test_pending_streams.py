from __future__ import annotations

from stream.recorder.pending_streams import PendingStreams


def test_the_event_comes_once_all_streams_are_open() -> None:
    pending = PendingStreams(frozenset({"a", "b"}), deadline_s=10.0)
    assert pending.result({"a"}, now_s=9.0) is None
    event = pending.result({"a", "b", "c"}, now_s=9.0)
    assert event == {"event": "awaited", "reason": "all are recorded", "missing": []}


def test_the_event_names_the_missing_streams_after_the_deadline() -> None:
    pending = PendingStreams(frozenset({"a", "b", "c"}), deadline_s=10.0)
    event = pending.result({"b"}, now_s=10.1)
    assert event is not None
    assert event["missing"] == ["a", "c"]
    assert event["reason"] == "not recorded yet: a, c"
