"""Stand-ins for the packages CEBRA and torch, and a small split recording."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from decoders.data.training_set import with_repeat_boundaries
from neuroreel.bench.data import BenchData
from tests.decoders.conftest import watched_session

LEFT, RIGHT = 5, 5


class FakeCebra:
    """Stands in for ``cebra.CEBRA``: averages a window from 5 samples back to 4 samples ahead."""

    def __init__(self, **settings: object) -> None:
        self.settings = settings

    def fit(self, samples: NDArray[np.float32], *labels: NDArray[np.generic]) -> FakeCebra:
        self.labels = labels
        assert all(len(label) == len(samples) for label in labels)
        return self

    def transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        padded = np.pad(samples, ((LEFT, RIGHT - 1), (0, 0)), mode="edge")
        return np.stack([padded[i : i + LEFT + RIGHT].mean(0) for i in range(len(samples))])


class FakeKnn:
    """Stands in for ``cebra.KNNDecoder``: always uses the nearest neighbour."""

    def __init__(self, n_neighbors: int, metric: str) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, points: NDArray[np.float32], frames: NDArray[np.int64]) -> FakeKnn:
        self.points, self.frames = points, frames
        return self

    def predict(self, points: NDArray[np.float32]) -> NDArray[np.int64]:
        distance = ((points[:, None] - self.points[None]) ** 2).sum(-1)
        return self.frames[distance.argmin(1)]


class FakeOffset(SimpleNamespace):
    """Stands in for CEBRA's description of a window."""

    def __len__(self) -> int:
        return LEFT + RIGHT


@pytest.fixture
def fake_cebra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Replaces the packages ``cebra`` and ``torch``, and puts the cache of runs into a temporary folder."""
    network = SimpleNamespace(get_offset=lambda: FakeOffset(left=LEFT, right=RIGHT))
    models = SimpleNamespace(init=lambda *_: network)
    package = SimpleNamespace(CEBRA=FakeCebra, KNNDecoder=FakeKnn, models=models, __version__="0.0")
    torch = SimpleNamespace(manual_seed=lambda _: None, get_num_threads=lambda: 1, __version__="0.0")
    torch.Tensor = type("Tensor", (), {})  # scikit-learn and scipy look for it
    monkeypatch.setitem(sys.modules, "cebra", package)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture(scope="session")
def data() -> BenchData:
    whole = watched_session(n_repeats=6)
    train, test = (with_repeat_boundaries(whole.select_repeats(r)) for r in (range(4), (4, 5)))
    return BenchData("watched", train, test, (0, 1, 2, 3), whole)
