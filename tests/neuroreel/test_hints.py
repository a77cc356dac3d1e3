from __future__ import annotations

import pytest

from neuroreel import hints
from neuroreel.hints import naming_streams
from stream.errors import NoStream
from stream.lsl.network import Network


def test_hint_is_added_to_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "stream_hint", lambda: "Streams that are there:")
    with pytest.raises(NoStream, match=r"^no stream\nStreams that are there:$"), naming_streams():
        raise NoStream("no stream")
    monkeypatch.setattr(hints, "stream_hint", lambda: "")
    with pytest.raises(NoStream, match=r"^no stream$"), naming_streams():
        raise NoStream("no stream")


def test_hint_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "_start_searches", lambda network: 1 / 0)
    assert hints.stream_hint() == hints.hidden_hint() == ""


def test_remedy_depends_on_the_scope() -> None:
    hidden = [("uid", "V1", "Spikes", "neuroreel")]
    (line,) = hints._explained(hidden, Network("lab", ""))
    assert "this command does not see it (--network lab). To see it, add --network loopback" in line
    (line,) = hints._explained([("uid", "V1", "Spikes", "default")], Network("loopback", "mine"))
    assert "this command sees only session 'mine' (--network loopback)" in line
    assert "leave out --network loopback or set NEUROREEL_SESSION_ID=default." in line
