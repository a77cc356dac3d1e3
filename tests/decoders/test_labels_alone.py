"""Recordings with labels and no frames: places of a label are decoded, offline and live alike."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from decoders.data.label_places import LabelPlaces
from decoders.evaluation.evaluate import EvaluateOptions, cross_validate, evaluate, run_evaluation
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.live.frame_score import RunningScore
from decoders.live.label_score import PlaceTruth
from decoders.model.model import Model
from decoders.report.page import html_page
from decoders.rolling.refit import refit
from stream.errors import BadRecording, BadUsage
from stream.io.session_io import load_session
from stream.session import Kind, Session

RATE_HZ = 20.0
TRAIN = FitOptions(train_time=(0, 0.75))
TEST = EvaluateOptions(time=(0.75, 1))


def walk(seed: int = 0, n_samples: int = 3000, n_units: int = 30) -> Session:
    """Place cells of an animal that walks in a square metre; its heading as a discrete label, and no frames."""
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.normal(0, 0.4, n_samples))
    velocity = 0.25 * np.stack([np.cos(steps), np.sin(steps)], 1) / RATE_HZ
    position = np.abs((np.cumsum(velocity, 0) + 0.5 + 1) % 2 - 1)
    centres = rng.random((n_units, 2))
    rate = 15 * np.exp(-((position[:, None] - centres) ** 2).sum(-1) / 2 / 0.12**2)
    quarter = 10 + (position[:, 0] > 0.5) + 2 * (position[:, 1] > 0.5)
    nothing = np.full(n_samples, -1, np.int32)
    return Session(
        neural=rng.poisson(rate / RATE_HZ).astype(np.float32),
        stamps=np.arange(1, n_samples + 1) / RATE_HZ,
        frame=nothing,
        repeat=nothing,
        segment=np.zeros(n_samples, np.int32),
        channel_names=tuple(f"unit-{i}" for i in range(n_units)),
        kind=Kind.SPIKES,
        rate_hz=RATE_HZ,
        labels={"position": position.astype(np.float32), "quarter": quarter[:, None].astype(np.float32)},
        name="CA1",
    )


@pytest.fixture(scope="module")
def square() -> Session:
    return walk()


@pytest.fixture(scope="module")
def square_model(square: Session, tmp_path_factory: Any) -> Model:
    """Fitted, saved and read again."""
    path = tmp_path_factory.mktemp("model") / "square.safetensors"
    fit_model(square, TRAIN).save(path)
    return Model.load(path)


@pytest.fixture(scope="module")
def report(square: Session, square_model: Model) -> dict[str, Any]:
    return evaluate(square_model, square, TEST)


def test_places_of_a_position_are_decoded(report: dict[str, Any], square_model: Model) -> None:
    assert square_model.card["places"]["label"] == "position"
    assert square_model.n_frames == len(square_model.card["places"]["centres"]) > 8
    position = report["continuous"]["position"]
    baselines = position["baselines"]
    assert {"ridge_regression", "knn_regression", "median"} <= baselines.keys()
    least = min(baselines[name]["median_error"] for name in ("ridge_regression", "knn_regression"))
    assert position["median_error"] < 1.1 * least
    assert position["median_error"] < 0.5 * baselines["median"]["median_error"]
    assert position["mean_error"] > position["median_error"]
    assert position["median_error"] < position["controls"]["null_p05"]
    assert position["controls"]["neural_shuffled"]["median_error"] > 1.5 * position["median_error"]
    assert report["verdict"] == "above chance"


def test_a_discrete_label_is_decoded_by_its_values(square: Session) -> None:
    model = fit_model(square, replace(TRAIN, label="quarter"))
    assert model.card["frames"] == "10-13"
    report = evaluate(model, square, replace(TEST, draws=0))
    assert report["without_playback"]["accuracy_exact"] > 0.8
    predicted = model.predict(square.select_time(0.75, 1), forecasts=False)
    assert set(np.unique(predicted.frame)) == {10, 11, 12, 13}


def test_the_live_truth_is_that_of_the_file(square: Session, square_model: Model) -> None:
    test = square.select_time(0.75, 1)
    labels = [(str(name), int(k)) for name, k in square_model.card["labels"]]
    truth = PlaceTruth(square_model.states, labels)
    running = RunningScore(truth, square_model.axis, square_model.states)
    predictions = square_model.predict(test, forecasts=False)
    rows = np.hstack([test.labels[name] for name, _ in labels])
    rows[3] = np.nan
    for begin in range(0, test.n_samples, 100):
        for index in range(begin, min(begin + 100, test.n_samples)):
            running.add(float(index), float(test.stamps[index]), (int(predictions.frame[index]),))
        truth.add(list(rows[begin : begin + 100]))
        running.settle(index + 1.0)
    known = np.arange(test.n_samples) != 3
    offline = square_model.states.of_session(test) == square_model.states.states(predictions.frame)
    assert running.n == test.n_samples - 1
    assert running.figures()["accuracy_exact"] == pytest.approx(offline[known].mean())


def test_the_report_speaks_of_places(square: Session, square_model: Model) -> None:
    page = html_page(run_evaluation(square_model, square, replace(TEST, draws=0)), title="square", budget_s=0)
    text = page.partition("<script")[0]
    assert "places: clusters of the values of the label position" in text
    assert "movie frame" not in text
    assert "frames" not in text
    assert "ridge regression" in text


def test_folds_have_the_same_number_of_places(square: Session) -> None:
    for label in ("position", "quarter"):
        options = FitOptions(context_s=0.5, label=label)
        report = cross_validate(square, "blocks:3", options, draws=0)
        assert report["continuous"]["position"]["median_error"] < 0.3


def test_samples_without_a_value_are_left_out(square: Session) -> None:
    position = square.labels["position"].copy()
    position[400:600] = np.nan
    gaps = replace(square, labels={"position": position})
    model = fit_model(gaps, FitOptions(context_s=0.5))
    assert model.card["trained_on"]["n_samples"] == square.n_samples - 200


def test_a_refit_keeps_the_places(square: Session, square_model: Model) -> None:
    again = refit(square_model, square.select_time(0, 0.5))
    assert again.card["places"] == square_model.card["places"]
    assert again.take_over(square_model)


@pytest.mark.parametrize("suffix", ["npz", "csv"])
def test_a_file_needs_no_frame_where_it_has_a_label(square: Session, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"s.{suffix}"
    if suffix == "npz":
        np.savez(
            path, neural=square.neural, stamps=square.stamps, label_x=square.labels["position"], kind="spikes"
        )
    else:
        table = np.column_stack([square.stamps, square.labels["quarter"], square.neural])
        header = ",".join(["time", "label_x", *square.channel_names])
        np.savetxt(path, table, "%g", ",", header=header, comments="")
    session = load_session(path)
    assert (session.frame == -1).all()
    assert session.labels["x"].shape == (square.n_samples, 2 if suffix == "npz" else 1)


def test_without_frames_and_labels_only_an_embedding_of_time_is_trained(square: Session) -> None:
    bare = replace(square, labels={})
    with pytest.raises(BadRecording, match="no label"):
        fit_model(bare)
    with pytest.raises(BadUsage, match="no label 'speed'; it has position, quarter"):
        fit_model(square, FitOptions(label="speed"))
    constant = np.ones((square.n_samples, 1), np.float32)
    with pytest.raises(BadRecording, match="never varies"):
        fit_model(replace(square, labels={"speed": constant}))


@pytest.mark.train
@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed: pip install neuroreel[train]")
@pytest.mark.parametrize("mode", ["time", "label", "hybrid"])
def test_contrastive_modes(square: Session, mode: str) -> None:
    session = replace(square, labels={}) if mode == "time" else square
    model = fit_model(session, replace(TRAIN, mode=mode, context_s=0.5))
    points = model.predict(square.select_time(0.75, 1), forecasts=False).embedding
    assert np.isfinite(points).all()
    assert model.card["contrastive"]["steps"] > 0
    assert model.card["contrastive"]["infonce_nats"] < model.card["contrastive"]["infonce_chance_nats"]


def nearest(values: NDArray[np.float32], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.array([np.argmin(((value - centres) ** 2).sum(1)) for value in values])


def test_a_place_is_the_nearest_centre() -> None:
    rng = np.random.default_rng(0)
    centres, values = rng.random((7, 2)), rng.random((5000, 2)).astype(np.float32)
    places = LabelPlaces("x", centres, np.array([1.0, 1.0]))
    np.testing.assert_array_equal(places.of_values(values), nearest(values, centres))
    again = LabelPlaces.from_card(places.facts())
    assert np.mean(again.of_values(values) == places.of_values(values)) > 0.999
    values[5, 1] = np.nan
    assert places.of_values(values)[5] == -1
