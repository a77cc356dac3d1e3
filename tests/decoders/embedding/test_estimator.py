from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from decoders.embedding.estimator import Embedding
from decoders.errors import BadSplit, NotFitted
from stream.errors import BadRecording, BadUsage, ShapeMismatch

RNG = np.random.default_rng(0)
FRAME = np.tile(np.arange(25), 12)
REPEAT = np.repeat(np.arange(12), 25)
RATES = np.exp(RNG.normal(size=(25, 15)))
COUNTS = RNG.poisson(RATES[FRAME]).astype(np.float32)


def accuracy(points: np.ndarray) -> float:
    """Return the nearest-class-mean accuracy on the last repeats, with means of the first repeats."""
    train = REPEAT < 8
    centres = np.stack([points[train & (frame == FRAME)].mean(0) for frame in range(25)])
    return float(np.mean((points[~train] @ centres.T).argmax(1) == FRAME[~train]))


def fitted(mode: str, **given: object) -> Embedding:
    train = REPEAT < 8
    return Embedding(mode, context=1, steps=40).fit(
        COUNTS[train], repeat=REPEAT[train], **{name: np.asarray(a)[train] for name, a in given.items()}
    )


def test_linear_mode_separates_frames_reproducibly() -> None:
    points = fitted("linear", frame=FRAME).transform(COUNTS)
    assert np.allclose(np.linalg.norm(points, axis=1), 1, atol=1e-5)
    assert np.array_equal(points, fitted("linear", frame=FRAME).transform(COUNTS))
    assert accuracy(points) > 0.7


def test_linear_mode_without_frames_whitens_by_labels_or_stretches_of_time() -> None:
    assert accuracy(fitted("linear", labels=FRAME.astype(np.float32)).transform(COUNTS)) > 0.6
    assert accuracy(fitted("linear").transform(COUNTS)) > 0.4


@pytest.mark.train
@pytest.mark.parametrize(
    ("mode", "given"),
    [
        ("label", {"frame": FRAME}),
        ("label", {"labels": FRAME.astype(np.float32)}),
        ("label", {"frame": FRAME, "labels": FRAME.astype(np.float32)}),
        ("time", {}),
        ("hybrid", {"frame": FRAME}),
    ],
)
def test_contrastive_modes(mode: str, given: dict[str, np.ndarray]) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install neuroreel[train]")
    points = fitted(mode, **given).transform(COUNTS)
    assert np.array_equal(points, fitted(mode, **given).transform(COUNTS))
    assert accuracy(points) > (0.3 if mode == "time" else 0.6)


def test_parameters_follow_scikit_learn() -> None:
    embedding = Embedding("label", context=4, seed=3)
    assert clone(embedding).get_params() == embedding.get_params()
    assert embedding.set_params(context=2).context == 2
    assert "context=2" in repr(embedding)
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        embedding.set_params(depth=3)


OTHER_ROWS = "a sample's point depends on the samples before it"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("embedding", "expected_failures"),
    [
        (Embedding(), {}),
        (Embedding(counts=False), {}),
        (
            Embedding(context=3),
            {
                "check_methods_sample_order_invariance": OTHER_ROWS,
                "check_methods_subset_invariance": OTHER_ROWS,
                "check_fit2d_1sample": "one sample is shorter than the context, which is refused",
            },
        ),
    ],
)
def test_the_checks_of_scikit_learn_pass(embedding: Embedding, expected_failures: dict[str, str]) -> None:
    results = check_estimator(embedding, expected_failed_checks=expected_failures, on_skip=None)
    assert {one["check_name"] for one in results if one["status"] == "xfail"} == set(expected_failures)


@pytest.mark.parametrize("target", [FRAME, FRAME.astype(str), FRAME / 3 + 0.1])
def test_a_pipeline_passes_the_target_on(target: np.ndarray) -> None:
    name = "labels" if target.dtype.kind == "f" else "frame"
    points = make_pipeline(Embedding()).fit_transform(COUNTS, target)
    assert np.array_equal(points, Embedding().fit_transform(COUNTS, **{name: target}))
    assert Embedding().fit(COUNTS.tolist(), target.tolist()).transform(COUNTS[:2].tolist()).shape == (2, 15)


def test_a_grid_search_finds_the_context() -> None:
    long = np.repeat(np.arange(5), 20)
    frame, repeat = np.tile(long, 6), np.repeat(np.arange(6), 100)
    counts = np.random.default_rng(1).poisson(RATES[frame] / 4).astype(np.float32)
    pipeline = make_pipeline(Embedding(), KNeighborsClassifier(5))
    grid = {"embedding__context": [1, 8], "embedding__shrinkage": [0.3, 0.7]}
    search = GridSearchCV(pipeline, grid, cv=GroupKFold(3), error_score="raise")
    search.fit(counts, frame, groups=repeat)
    assert search.best_params_["embedding__context"] == 8
    assert search.best_score_ > 0.8


def test_negative_counts_are_refused() -> None:
    negative = COUNTS.copy()
    negative[7, 2] = -0.5
    with pytest.raises(ValueError, match=r"sample 7, channel 2: -0\.5\. .* use counts=False"):
        Embedding().fit(negative)
    scores = (COUNTS - COUNTS.mean(0)) / COUNTS.std(0)
    with pytest.raises(ValueError, match="Negative values"):
        Embedding().fit(COUNTS).transform(scores)
    assert accuracy(Embedding(counts=False).fit(scores, FRAME).transform(scores)) > 0.7


def test_bad_input() -> None:
    for error in (NotFitted, NotFittedError):
        with pytest.raises(error, match="call fit"):
            Embedding().transform(COUNTS)
    for wrong in (COUNTS[:, 0], COUNTS[None]):
        with pytest.raises(ValueError, match=r"Expected 2D array|array with dim 3"):
            Embedding().fit(wrong)
    with pytest.raises(ValueError, match="could not convert string to float"):
        Embedding().fit([["a", "b"], ["c", "d"]])
    with pytest.raises(BadUsage, match="'y' gives the frame, which is given too"):
        Embedding().fit(COUNTS, FRAME, frame=FRAME)
    with pytest.raises(ShapeMismatch, match=r"frame must have shape \[time\], got \(300, 2\)"):
        Embedding().fit(COUNTS, frame=np.stack([FRAME, FRAME], 1))
    with pytest.raises(ShapeMismatch, match="frame has 301 rows, but there are 300"):
        Embedding().fit(COUNTS, frame=np.r_[FRAME, 0])
    with pytest.raises(ValueError, match="X has 3 features, but Embedding is expecting 15"):
        Embedding().fit(COUNTS, frame=FRAME).transform(COUNTS[:, :3])
    with pytest.raises(BadSplit, match="context of 30"):
        Embedding(context=30).fit(COUNTS, frame=FRAME, repeat=REPEAT)
    with pytest.raises(BadRecording, match="labels are constant"):
        Embedding("label").fit(COUNTS, frame=np.zeros(300, int))
    with pytest.raises(BadRecording, match="needs frames or labels"):
        Embedding("hybrid").fit(COUNTS)
    with pytest.raises(BadUsage, match=r"a recording has 15 channels\. Give at most 15"):
        Embedding("label", dimensions=16).fit(COUNTS, FRAME)
    for params in (
        {"mode": "magic"},
        {"context": 0},
        {"context": 2.5},
        {"temperature": 0.0},
        {"dimensions": 1},
        {"near": -1},
    ):
        with pytest.raises(BadUsage):
            Embedding(**params).fit(COUNTS, frame=FRAME)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["linear", "time", "label"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_missing_value_leaves_all_points_finite(mode: str, value: float) -> None:
    if mode != "linear":
        pytest.importorskip("torch", reason="torch is not installed: pip install neuroreel[train]")
    bad = COUNTS.astype(np.float64)
    bad[5, 3] = value
    embedding = Embedding(mode, context=3, steps=5).fit(bad, frame=FRAME)
    whole = Embedding(mode, context=3, steps=5).fit(COUNTS, frame=FRAME).transform(COUNTS)
    assert np.isfinite(embedding.transform(bad)).all()
    assert abs(accuracy(embedding.transform(COUNTS)) - accuracy(whole)) < 0.05


def test_a_channel_without_any_value_is_named() -> None:
    bad = COUNTS.astype(np.float64)
    bad[:, 4] = np.nan
    with pytest.raises(BadRecording, match="channel 4 has no finite value"):
        Embedding().fit(bad, frame=FRAME)
