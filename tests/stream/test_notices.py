from __future__ import annotations

import logging

import pytest

from stream.notices import Notice, Notices


def test_notices_are_collected_in_order_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices()
    with caplog.at_level(logging.INFO, "stream.notices"):
        notices.add("state", "live: 'V1' is sending", state="live")
        notices.add("gap", "3 samples missing", missing=3)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "state: live: 'V1' is sending"),
        ("WARNING", "gap: 3 samples missing"),
    ]
    assert len(notices) == 2
    assert notices.take() == [
        Notice("state", "live: 'V1' is sending", {"state": "live"}),
        Notice("gap", "3 samples missing", {"missing": 3}),
    ]
    assert not notices
    assert notices.take() == []
