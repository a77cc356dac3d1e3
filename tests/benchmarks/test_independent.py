"""Independent recordings: what they hold, the baselines' own windows, and the verdicts."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import benchmarks.independent
from benchmarks import v1_sized
from benchmarks.independent.__main__ import (
    ALONE,
    PLAYBACK,
    against_best,
    forecast_table,
    measure,
    score,
    show_kind,
    show_run,
    table,
    verdict,
)
from benchmarks.independent.recordings import KINDS
from benchmarks.independent.sklearn_baselines import choose, decode, lagged_truth, window_features
from decoders.data.training_set import with_repeat_boundaries
from stream.session import Kind, Session


def small_session(rate_hz: float = 10.0, n_repeats: int = 4) -> Session:
    """Return a recording of four frames for a second each, in noise that only long windows average out."""
    rng = np.random.default_rng(0)
    frame = np.tile(np.repeat(np.arange(-1, 4), 10), n_repeats)
    pattern = np.r_[2 * np.eye(4), np.zeros((1, 4))]
    n = len(frame)
    return Session(
        neural=(pattern[frame] + rng.normal(0, 2, (n, 4))).astype(np.float32),
        stamps=np.arange(1, n + 1) / rate_hz,
        frame=frame.astype(np.int32),
        repeat=(np.arange(n) // 50).astype(np.int32),
        segment=np.zeros(n, np.int32),
        channel_names=("a", "b", "c", "d"),
        kind=Kind.OTHER,
        rate_hz=rate_hz,
    )


def test_nothing_comes_from_the_simulator_of_the_project() -> None:
    for path in Path(str(benchmarks.independent.__file__)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.startswith("replay_data") for name in names), path


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_recordings_are_reproducible_and_differ_by_seed(kind: str) -> None:
    one, again, other = KINDS[kind](0), KINDS[kind](0), KINDS[kind](1)
    assert np.array_equal(one.session.neural, again.session.neural)
    assert not np.array_equal(one.session.neural, other.session.neural)
    tested = {repeat for repeats in one.tests.values() for repeat in repeats}
    assert not tested & set(one.train)
    if one.train:
        assert tested | set(one.train) == set(one.session.repeats)


@pytest.mark.slow
def test_recordings_are_what_their_names_promise() -> None:
    gray = KINDS["gray-10"](0).session
    assert gray.n_frames == 1500
    assert np.all(gray.frame[:500] == -1)
    imaging = KINDS["imaging-15.5"](0).session
    seen = [set(imaging.frame[imaging.repeat == repeat].tolist()) for repeat in range(6)]
    assert len(seen[0]) < 0.55 * 1200
    assert len(set.union(*seen)) > 0.8 * 1200
    assert set(np.unique(KINDS["eeg-769"](0).session.frame)) == {-1, 769, 770, 771, 772}
    fmri = KINDS["fmri-rest"](0).session
    assert np.mean(fmri.frame == -1) == pytest.approx(0.4)
    assert np.all(KINDS["position-2d"](0).session.frame == -1)
    assert KINDS["frames-3600"](0).session.n_frames == 3600


def test_baselines_choose_their_own_window_and_decode() -> None:
    session = with_repeat_boundaries(small_session())
    train, test = session.select_repeats((0, 1, 2)), session.select_repeats((3,))
    assert choose("lda", train, (0.1, 0.5), (0.0,)).n_window == 5
    for name in ("lda", "naive_bayes", "ridge", "knn"):
        decoded = decode(name, train, {"test": test}, (0.1, 0.5), (0.0,))["test"]
        assert np.allclose(decoded.posterior.sum(1), 1)
        scores = score(decoded.posterior, decoded.classes, decoded.truth, np.arange(4), 0.0)
        assert scores["accuracy_exact"] > 0.3, name


def test_windows_and_lags_restart_at_segment_boundaries() -> None:
    session = replace(small_session(), segment=np.repeat(np.arange(4, dtype=np.int32), 50))
    features = window_features(session, 5)
    assert np.allclose(features[50], session.neural[50])
    assert np.allclose(features[60], session.neural[56:61].mean(0), atol=1e-5)
    lagged = lagged_truth(session, 3)
    assert np.all(lagged[50:53] == -1)
    assert np.array_equal(lagged[53:100], session.frame[50:97])


def test_scores_name_frames_and_know_the_tolerance() -> None:
    posterior = np.array([[0.5, 0.25, 0.25], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]])
    columns = np.array([771, 769, -1])
    scores = score(posterior, columns, np.array([771, 771, -1]), np.array([769, 771]), 2.0)
    assert scores["accuracy_exact"] == 0.5
    assert scores["accuracy_within_1s"] == 1.0
    assert scores["blank_found"] == 1.0
    assert scores["bits"] == pytest.approx(np.log2([0.5, 0.2]).mean() + 1)


def test_no_stimulus_is_decoded_where_it_is_likelier_than_all_frames_together() -> None:
    posterior = np.array([[0.3, 0.3, 0.4], [0.2, 0.2, 0.6]])
    scores = score(posterior, np.array([1, 2, -1]), np.array([1, 2]), np.array([1, 2]), 0.0)
    assert scores["accuracy_exact"] == 0.5


def test_tables_hold_paired_differences_and_blanks() -> None:
    def row(accuracy: float, blank: float) -> dict[str, float]:
        return {"accuracy_exact": accuracy, "blank_found": blank}

    results = {
        f"eeg-769:{seed}": {
            "tests": {
                "in order": {PLAYBACK: row(0.9, 1.0), ALONE: row(0.6, 0.7), "lda": row(0.5 + seed / 10, 0.2)}
            },
            "forecast": {
                "in order": {
                    "1.0": {
                        "log_score_bits": 2.0,
                        "advance": {"log_score_bits": 1.5},
                        "persistence": {"log_score_bits": 2.5},
                    }
                }
            },
        }
        for seed in range(2)
    }
    expected = (
        "| eeg-769 | in order | accuracy_exact | 0.600 | 0.550 (lda) | +0.050 ± 0.050 | 0.900 | 0.70 / 0.20 |"
    )
    assert table(results).splitlines()[2] == expected
    assert "| eeg-769 | in order | advance | +0.500 ± 0.000 |" in forecast_table(results)


def test_verdicts() -> None:
    assert verdict(np.array([0.1, -0.1]), "a - b").endswith("at or above")
    assert verdict(np.array([0.2, -0.3]), "a - b").endswith("below by less than one SE")
    assert verdict(np.array([-0.2, -0.3]), "a - b").endswith("FAILS")
    values = {ALONE: np.array([0.5]), "lda": np.array([0.4]), "knn": np.array([0.6])}
    assert "knn: -0.100" in against_best(values, "bits")
    assert "lda: -0.100" in against_best(values, "median_error")


@pytest.mark.slow
def test_a_recording_is_measured_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    run = measure(KINDS["fmri-rest"](0), 0)
    show_run("fmri-rest:0", run)
    show_kind("fmri-rest", [run, run])
    text = capsys.readouterr().out
    assert 0.3 < run["tests"]["in order"]["lda"]["accuracy_exact"] < 0.97
    assert "default alone - " in text
    assert "forecast 1.0 s" in text


@pytest.mark.slow
def test_v1_sized_recordings_are_as_hard_as_the_real_one() -> None:
    runs = [v1_sized.measure(seed, "of a movie") for seed in range(3)]
    for test in ("in order", "shuffled"):
        assert 0.8 < np.mean([run[test][v1_sized.LDA]["accuracy_exact"] for run in runs]) < 0.97
