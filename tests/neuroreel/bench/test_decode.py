from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from decoders.data.training_set import with_repeat_boundaries
from decoders.model.model import Model
from neuroreel.bench import cebra_cache as peer_cache
from neuroreel.bench import decode as bench_decode
from neuroreel.bench.cebra import CebraDecoder, CebraSettings, run_cebra
from neuroreel.bench.data import BenchData
from neuroreel.bench.fit_cost import bench_fit
from neuroreel.bench.latency import Budget, Cell, summarize
from neuroreel.bench.scaled_model import repeated_model, repeated_signals
from neuroreel.cli import cli
from replay_data.bundle import demo_model, demo_recording
from stream.errors import BadUsage
from stream.io.session_io import load_session
from tests.decoders.conftest import watched_session

LEFT, RIGHT = 5, 5


class Network:
    """Stands in for ``cebra.CEBRA``: the window from 5 samples back to 4 ahead, averaged."""

    def __init__(self, **settings: object) -> None:
        self.settings = settings

    def fit(self, samples: NDArray[np.float32], *labels: NDArray[np.generic]) -> Network:
        self.labels = labels
        assert all(len(label) == len(samples) for label in labels)
        return self

    def transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        padded = np.pad(samples, ((LEFT, RIGHT - 1), (0, 0)), mode="edge")
        return np.stack([padded[i : i + LEFT + RIGHT].mean(0) for i in range(len(samples))])


class Nearest:
    """Stands in for ``cebra.KNNDecoder``."""

    def __init__(self, n_neighbors: int, metric: str) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, points: NDArray[np.float32], frames: NDArray[np.int64]) -> Nearest:
        self.points, self.frames = points, frames
        return self

    def predict(self, points: NDArray[np.float32]) -> NDArray[np.int64]:
        away = ((points[:, None] - self.points[None]) ** 2).sum(-1)
        return self.frames[away.argmin(1)]


class Offset(SimpleNamespace):
    def __len__(self) -> int:
        return LEFT + RIGHT


@pytest.fixture
def peer_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    network = SimpleNamespace(get_offset=lambda: Offset(left=LEFT, right=RIGHT))
    models = SimpleNamespace(init=lambda *_: network)
    package = SimpleNamespace(CEBRA=Network, KNNDecoder=Nearest, models=models, __version__="0.0")
    torch = SimpleNamespace(manual_seed=lambda _: None, get_num_threads=lambda: 1, __version__="0.0")
    monkeypatch.setitem(sys.modules, "cebra", package)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def data() -> BenchData:
    whole = watched_session(n_repeats=6)
    train, test = (with_repeat_boundaries(whole.select_repeats(r)) for r in (range(4), (4, 5)))
    return BenchData("watched", train, test, (0, 1, 2, 3), whole)


@pytest.mark.usefixtures("peer_package")
def test_the_peer_sees_no_future_unless_it_may(data: BenchData) -> None:
    test = data.test
    for causal in (True, False):
        peer = CebraDecoder(CebraSettings(causal=causal)).fit(data.train)
        points = peer.transform(test)
        assert len(points) == test.n_samples
        at = 30
        later = np.asarray(test.neural).copy()
        later[at + 1 :] += 100
        changed = peer.transform(type(test)(**{**fields(test), "neural": later}))
        assert np.allclose(points[: at + 1], changed[: at + 1]) is causal
        assert np.allclose(points[: at - 4], changed[: at - 4])


def fields(session: object) -> dict[str, object]:
    return {name: getattr(session, name) for name in session.__dataclass_fields__}  # type: ignore[attr-defined]


@pytest.mark.usefixtures("peer_package")
def test_the_peer_is_scored_on_what_we_are(data: BenchData) -> None:
    result = run_cebra(data.train, data.test, CebraSettings())
    assert result["accuracy_within_1s"] > 0.3
    assert result["settings"]["temperature"] == 0.1
    assert result["test_sha256"] == data.test.sha256()
    assert set(result["per_repeat"]) == {"4", "5"}
    assert max(result["by_neighbors"].values()) == result["accuracy_within_1s"]
    json.dumps(result)


@pytest.mark.usefixtures("peer_package")
def test_a_run_of_the_peer_is_kept(data: BenchData, monkeypatch: pytest.MonkeyPatch) -> None:
    first = bench_fit(data, 0, CebraSettings())
    assert first["peer"]["from_cache"] is None
    assert first["fit"]["without_playback"]["accuracy_within_1s"] > 0.5
    assert first["fit"]["peak_memory_mb"] > 10
    monkeypatch.setitem(sys.modules, "cebra", None)
    again = peer_cache.cebra_run(data.train, data.test, CebraSettings(), cached=True)
    assert Path(again["from_cache"]).parent == peer_cache.cache_folder()
    assert again["accuracy_within_1s"] == first["peer"]["accuracy_within_1s"]
    with pytest.raises(BadUsage, match="compare"):
        peer_cache.cebra_run(data.train, data.test, CebraSettings(temperature=1.0), cached=True)


@pytest.mark.parametrize("command", ["fit", "decode"])
def test_the_extra_is_named_when_it_is_missing(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cebra", None)
    done = CliRunner().invoke(cli, ["bench", command, "--against", "cebra"])
    assert done.exit_code == 2
    assert "pip install 'neuroreel[compare]'" in done.output


@pytest.mark.parametrize(("peer", "module"), [("mne-lsl", "mne_lsl.stream"), ("ezmsg", "ezmsg.lsl.inlet")])
def test_a_receiver_that_is_missing_is_named(peer: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    done = CliRunner().invoke(cli, ["bench", "latency", "--against", peer])
    assert done.exit_code == 2
    assert f"{peer.removesuffix('-lsl')}-lsl is not installed" in done.output
    assert "pip install 'neuroreel[compare]'" in done.output


@pytest.mark.parametrize("grid", ["120", "x30", "0x30", "120x30,1e9x30", "120x0"])
def test_a_grid_that_cannot_be_measured(grid: str) -> None:
    done = CliRunner().invoke(cli, ["bench", "latency", "--grid", grid])
    assert done.exit_code == 2
    assert grid.rpartition(",")[2] in done.output


def test_frames_are_followed_by_their_stamps() -> None:
    due = np.arange(10) / 100
    sent = np.column_stack([due, due + 0.001])  # each pushed a millisecond late
    there = np.column_stack([due, due + 0.003, np.arange(10)])
    engine = np.column_stack([due, due + 0.002, due + 0.003, due + 0.004])
    received = np.delete(np.add(there, (0, 0.004, 0)), 4, 0)
    taken = {"sender": sent, "floor": there, "engine": engine, "received": received}
    result, _ages = summarize(Cell(8, 100.0, 0.1), taken)
    assert result["floor_ms"]["p50"] == pytest.approx(2)
    assert [round(result["stages_ms"][name]["p50"]) for name in ("arrived", "decoded", "published")] == [
        1,
        2,
        3,
    ]
    assert result["above_floor_ms"]["received"]["p50"] == pytest.approx(4)
    assert result["lost"] == {"floor": 0, "arrived": 0, "decoded": 0, "published": 0, "received": 1}
    misses = Budget(0.5).misses(result)
    assert "1.00 ms above the floor" in misses[0]
    assert "1 samples lost before 'received'" in misses[1]


def test_repeated_channels_answer_alike(tmp_path: Path) -> None:
    model = Model.load(demo_model())
    wide = repeated_model(model, 300, 30.0)
    wide.save(tmp_path / "wide.safetensors")
    wide = Model.load(tmp_path / "wide.safetensors")
    neural = np.asarray(load_session(demo_recording()).neural[:60], np.float32)
    signals = repeated_signals(neural, 300)
    for index in range(60):
        one, other = (m.step(x[index], index / 30) for m, x in ((model, neural), (wide, signals)))
        assert np.allclose(one.posterior, other.posterior, atol=1e-3)


@pytest.mark.parametrize(
    "wrong", [{"labels": "x"}, {"iterations": 0}, {"labels": "discrete", "hybrid": True}]
)
def test_settings_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(BadUsage):
        CebraSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_steps_are_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_decode, "N_TIGHT", 100)
    monkeypatch.setattr(bench_decode, "N_KNN", 20)
    target = tmp_path / "decode.json"
    arguments = ["bench", "decode", "--seconds", "1", "--budget-us", "1e6", "--json", str(target)]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    result = json.loads(target.read_text())
    assert result["units"] == 120
    assert 0 < result["tight_us"]["p50"] <= result["tight_us"]["p99"]
    assert result["paced_us"]["p50"] > 0
    assert result["paced_cold_us"]["p50"] > 0
    assert 0 < result["decision_us"]["cpu_p50"] < 1.5 * result["tight_us"]["cpu_p50"]
    knn = result["peers_tight_us"]["sklearn_knn"]["cpu_p50"]
    assert result["times_slower"]["sklearn_knn"] == pytest.approx(
        knn / result["tight_us"]["cpu_p50"], abs=0.1
    )
    assert CliRunner().invoke(cli, [*arguments, "--force", "--budget-us", "0.1"]).exit_code == 1


def test_the_page_quotes_the_runs_that_are_kept() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "comparison.md").read_text()
    runs = sorted(peer_cache.QUOTED.glob("*.json"))
    assert runs
    for path in runs:
        run = json.loads(path.read_text())
        assert {"settings", "train_sha256", "test_sha256", "causal", "train_seconds"} <= set(run), path.name
        assert str(run["settings"]["iterations"]) in path.name
        for score in ("accuracy_within_1s", "accuracy_exact"):
            assert f"{run[score]:.3f}".lstrip("0") in page
