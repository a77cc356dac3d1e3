"""Stand-ins for LSL streams, so that the engine can be tested without a network."""

from __future__ import annotations

import json
from collections import deque
from math import nan
from types import SimpleNamespace
from typing import Any

import numpy as np

from stream.acquisition.label_track import Labels
from stream.acquisition.stimulus_track import StimulusTrack
from stream.chunk import Chunk
from stream.lsl.inlet import InletState
from stream.notices import Notices
from stream.session import Session


class FakeOutlet:
    """Records what is pushed, instead of sending it; somebody receives all streams but the prediction."""

    def __init__(self, name: str, type_: str, labels: Any, rate_hz: float, *_: object, **more: Any) -> None:
        self.name, self.labels, self.rate_hz, self.more = name, tuple(labels), rate_hz, more
        self.pushed: list[tuple[Any, float]] = []

    def push_chunk(self, rows: np.ndarray, stamp: float) -> None:
        self.pushed.append((np.array(rows), stamp))

    def push_sample(self, sample: list[str]) -> None:
        self.pushed.append((json.loads(sample[0]), 0.0))

    def have_consumers(self) -> bool:
        return not self.name.endswith("-prediction")  # whose consumers the engine would wait for at the end


class FakeInlet:
    """Returns the samples of a session in chunks, as a replay at full speed would send them."""

    def __init__(self, session: Session, n_chunk: int, **facts: str) -> None:
        self.name, self.hostname, self.source_id = "V1", "rig", "rig/V1"
        self.state, self.reason = InletState.LIVE, ""
        self.facts = {"speed": "max", **facts}
        self.channel_labels, self.rate_hz = session.channel_names, session.rate_hz
        self.notices, self.clock = Notices(), SimpleNamespace(uncertainty_s=nan)
        self.time_correction_s, self.n_connections, self.n_unread = 0.0, 0, 0
        self.ended = False
        stamps, samples = np.asarray(session.stamps, float), np.asarray(session.neural, np.float32)
        parts = [slice(first, first + n_chunk) for first in range(0, len(stamps), n_chunk)]
        self._chunks = deque(
            Chunk(samples[part], stamps[part], np.arange(len(stamps))[part]) for part in parts
        )

    def prepare(self) -> None: ...

    def open(self) -> None:
        self.n_connections = 1

    def close(self) -> None: ...

    def pull(self, wait_s: float) -> Chunk | None:
        if self._chunks:
            return self._chunks.popleft()
        self.ended = True
        return None


class FakeSideStreams:
    """The true frames and labels of a session, known from the start."""

    def __init__(self, session: Session) -> None:
        self.track, self.labels, self.notices = StimulusTrack(), Labels(), Notices()
        self.track.add(session.stamps - 0.5 / session.rate_hz, session.frame, session.repeat)
        for name, label in session.labels.items():
            self.labels.add(name, session.stamps, label)
        self.markers: dict[str, int] = {}
        self.no_truth = ""
        self.following, self.announced, self.ended = ("V1-stimulus",), session.n_samples, False

    def connect(self, wait_s: float) -> None: ...

    def poll(self) -> None: ...

    def close(self) -> None: ...
