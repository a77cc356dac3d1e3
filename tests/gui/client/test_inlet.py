"""The display's inlet on a stand-in for LSL's; real streams are received in test_receiver.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pylsl
import pytest

from gui.client import inlet as module
from gui.client.inlet import (
    MAX_CHUNK_VALUES,
    MAX_CHUNKS,
    DisplayInlet,
    StreamGone,
    describe_sender,
)

GONE = [pylsl.util.LostError, pylsl.util.TimeoutError, RuntimeError]


class Element:
    """Stands in for an element of a description."""

    def child(self, name: str) -> Element:
        return self

    def child_value(self, name: str) -> str:
        return "uV" if name == "unit" else ""


class LslInlet:
    """Stands in for ``pylsl.StreamInlet``: returns chunks one by one, an exception in their place is raised."""

    def __init__(self, info: Any, max_buflen: int, recover: bool) -> None:
        self.options = {"max_buflen": max_buflen, "recover": recover}
        self.chunks: list[Any] = []
        self.n_pulls, self.max_samples, self.closed = 0, 0, False
        self.problem: type[Exception] | None = None

    def info(self, timeout: float) -> Any:
        if info_problem:
            raise info_problem[0]("no answer")
        return SimpleNamespace(desc=Element)

    def open_stream(self, timeout: float) -> None:
        if self.problem is not None:
            raise self.problem("gone")

    def pull_chunk(self, timeout: float, max_samples: int = 1024, as_numpy: bool = False) -> Any:
        assert timeout == 0
        self.n_pulls += 1
        self.max_samples = max_samples
        chunk = self.chunks.pop(0) if self.chunks else (([], []) if not as_numpy else (np.zeros((0, 2)), []))
        if isinstance(chunk, type):
            raise chunk
        return chunk

    def close_stream(self) -> None:
        self.closed = True


info_problem: list[type[Exception]] = []


@pytest.fixture(autouse=True)
def lsl(monkeypatch: pytest.MonkeyPatch) -> None:
    info_problem.clear()
    monkeypatch.setattr(module.pylsl, "StreamInlet", LslInlet)
    monkeypatch.setattr(module, "read_facts", lambda info: {"mode": "live"})
    monkeypatch.setattr(module, "channel_labels", lambda info: ("a", "b"))


def info(n_channels: int = 2, rate_hz: float = 30.0, **texts: str) -> Any:
    texts = {"name": "V1", "uid": "u1", "type": "Spikes", "hostname": "rig", "source_id": "s1"} | texts
    values: dict[str, Any] = {**texts, "channel_count": n_channels, "nominal_srate": rate_hz}
    return SimpleNamespace(**{name: lambda value=value: value for name, value in values.items()})


def opened(*chunks: Any, **more: Any) -> tuple[DisplayInlet, LslInlet]:
    inlet = DisplayInlet(info(**more))
    lsl: LslInlet = inlet._inlet
    lsl.chunks = list(chunks)
    inlet.open()
    return inlet, lsl


def chunk(*stamps: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([[stamp, -stamp] for stamp in stamps], np.float32), np.array(stamps)


def test_it_describes_its_stream_and_does_not_reconnect() -> None:
    inlet, lsl = opened(rate_hz=500.0)
    assert (inlet.name, inlet.uid, inlet.type, inlet.hostname, inlet.source_id) == (
        "V1",
        "u1",
        "Spikes",
        "rig",
        "s1",
    )
    assert (inlet.rate_hz, inlet.n_channels, inlet.facts) == (500.0, 2, {"mode": "live"})
    assert (inlet.labels, inlet.unit) == (("a", "b"), "uV")
    assert lsl.options["recover"] is False
    assert lsl.options["max_buflen"] * 500 >= 60_000
    inlet.close()
    assert lsl.closed


def test_chunks_are_joined_and_nothing_is_none() -> None:
    inlet, _ = opened(chunk(1.0, 1.1), chunk(1.2))
    pulled = inlet.pull()
    assert pulled is not None
    np.testing.assert_array_equal(pulled[0], chunk(1.0, 1.1, 1.2)[0])
    assert pulled[1].tolist() == [1.0, 1.1, 1.2]
    assert inlet.pull() is None


def test_a_stream_that_floods_cannot_hold_up_the_others() -> None:
    inlet, lsl = opened(*[chunk(float(i)) for i in range(MAX_CHUNKS + 9)])
    pulled = inlet.pull()
    assert pulled is not None
    assert len(pulled[1]) == lsl.n_pulls == MAX_CHUNKS
    texts, lsl = opened(*[([["x"]], [0.0])] * (MAX_CHUNKS + 9))
    assert len(texts.pull_texts()) == lsl.n_pulls == MAX_CHUNKS


@pytest.mark.parametrize("n_channels", [1, 300, 100_000, 10**8])
def test_the_size_of_a_chunk_is_bounded(n_channels: int) -> None:
    inlet, lsl = opened(n_channels=n_channels)
    inlet.pull()
    assert 1 <= lsl.max_samples <= 1024
    assert lsl.max_samples == 1 or lsl.max_samples * n_channels <= MAX_CHUNK_VALUES


def test_what_arrived_before_the_loss_is_returned_first() -> None:
    inlet, lsl = opened(chunk(1.0), pylsl.util.LostError)
    pulled = inlet.pull()
    assert pulled is not None
    assert pulled[1].tolist() == [1.0]
    lsl.chunks = [pylsl.util.LostError]
    with pytest.raises(StreamGone, match="V1"):
        inlet.pull()
    texts, lsl = opened(([["one"], ["two"]], [0.0, 0.1]), pylsl.util.LostError)
    assert texts.pull_texts() == ["one", "two"]
    lsl.chunks = [pylsl.util.LostError]
    with pytest.raises(StreamGone, match="V1"):
        texts.pull_texts()


def test_only_the_first_channel_of_a_message_counts() -> None:
    inlet, _ = opened(([["one", "more"], ["two", "more"]], [0.0, 0.1]))
    assert inlet.pull_texts() == ["one", "two"]
    assert inlet.pull_texts() == []


@pytest.mark.parametrize("problem", GONE)
def test_a_sender_that_does_not_answer_is_gone(problem: type[Exception]) -> None:
    info_problem.append(problem)
    with pytest.raises(StreamGone, match="V1"):
        DisplayInlet(info())
    info_problem.clear()
    inlet = DisplayInlet(info())
    lsl: LslInlet = inlet._inlet
    lsl.problem = problem
    with pytest.raises(StreamGone, match="V1"):
        inlet.open()


def test_a_sender_is_described_in_printable_text() -> None:
    assert describe_sender(info()) == "rig (s1)"
    assert describe_sender(info(source_id="")) == "rig (no source id)"
    assert describe_sender(info(hostname="a\x1b[2J\nb", source_id="\u202e")).isprintable()
