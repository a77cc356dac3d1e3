from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from decoders.readouts.continuous import KALMAN
from decoders.readouts.kalman import Kalman, KalmanStream, filter_points, fit_kalman
from stream.session import Kind, Session

RATE_HZ = 20.0
N_SEGMENTS, N_EACH = 12, 150


def random_walk(seed: int, noise: float = 3.0) -> Session:
    """Simulate a smoothly moving label and noisy channels linear in it, as the filter assumes."""
    mixing = np.random.default_rng(7).normal(size=12)
    rng = np.random.default_rng(seed)
    segment = np.repeat(np.arange(N_SEGMENTS), N_EACH).astype(np.int32)
    change = rng.normal(0, 0.05, len(segment))
    place = np.zeros(len(segment))
    speed = 0.0
    for index in range(len(segment)):
        begins = index % N_EACH == 0
        speed = 0.0 if begins else 0.97 * speed + change[index]
        place[index] = rng.normal(0, 1) if begins else 0.99 * place[index - 1] + speed
    edges = np.linspace(-2.5, 2.5, 9)
    return Session(
        neural=(place[:, None] * mixing + rng.normal(0, noise, (len(place), 12))).astype(np.float32),
        stamps=np.arange(1, len(place) + 1) / RATE_HZ,
        frame=np.digitize(place, edges).astype(np.int32),
        repeat=segment,
        segment=segment,
        channel_names=tuple(f"channel {c}" for c in range(12)),
        kind=Kind.OTHER,
        rate_hz=RATE_HZ,
        labels={"place": place[:, None].astype(np.float32)},
        name="wandering",
    )


def fitted(session: Session) -> Kalman:
    boundary = np.r_[True, np.diff(session.segment) > 0]
    everything = np.ones(session.n_samples, bool)
    kalman = fit_kalman(np.asarray(session.neural), session.labels["place"], boundary, everything, 1.0)
    assert kalman is not None
    return kalman


def test_the_filter_is_better_than_regression_on_single_samples() -> None:
    kalman, test = fitted(random_walk(0)), random_walk(1)
    boundary = np.r_[True, np.diff(test.segment) > 0]
    filtered = filter_points(kalman, np.asarray(test.neural), boundary)
    train = random_walk(0)
    x = np.c_[np.asarray(train.neural), np.ones(train.n_samples)]
    weights = np.linalg.lstsq(x, train.labels["place"], rcond=None)[0]
    regressed = np.c_[np.asarray(test.neural), np.ones(test.n_samples)] @ weights
    truth = test.labels["place"]
    assert np.median(np.abs(filtered - truth)) < 0.75 * np.median(np.abs(regressed - truth))


def test_reset_and_a_sample_without_evidence() -> None:
    kalman = fitted(random_walk(0))
    points = np.asarray(random_walk(1).neural)[:5]
    stream = KalmanStream(kalman)
    first = [stream.step(point) for point in points]
    stream.reset()
    np.testing.assert_array_equal(np.stack([stream.step(point) for point in points]), np.stack(first))
    advanced = stream.step(None)
    assert np.all(np.isfinite(advanced))
    assert abs(advanced[0] - first[-1][0]) < 0.5


def test_a_filter_takes_over_the_state_of_another() -> None:
    one, other = (KalmanStream(fitted(random_walk(seed))) for seed in (0, 2))
    for point in np.asarray(random_walk(1).neural)[:40]:
        last = one.step(point)
    other.take_over(one)
    assert abs(other.step(None)[0] - last[0]) < 0.3


def test_too_few_known_labels_give_no_filter() -> None:
    labels = np.full((50, 1), np.nan, np.float32)
    points = np.zeros((50, 3), np.float32)
    boundary = np.r_[True, np.zeros(49, bool)]
    assert fit_kalman(points, labels, boundary, np.ones(50, bool), 1.0) is None


@pytest.fixture(scope="module")
def model() -> Model:
    return fit_model(random_walk(0), FitOptions(context_s=0.05), baselines=False)


def test_a_saved_model_gives_the_same_estimates(model: Model, tmp_path) -> None:
    assert model.parts.continuous.sharpness[0] == KALMAN
    test = random_walk(1)
    estimate = model.predict(test, forecasts=False).continuous
    model.save(tmp_path / "wandering.safetensors")
    again = Model.load(tmp_path / "wandering.safetensors").predict(test, forecasts=False).continuous
    np.testing.assert_allclose(again, estimate, atol=1e-5)
    assert np.median(np.abs(estimate - test.labels["place"])) < 0.6 * np.std(test.labels["place"])


def test_without_the_playback_model_the_filter_is_not_used(model: Model) -> None:
    test = random_walk(1)
    other = Model(replace(model.parts, kalman=None), model.card)
    estimates = []
    for one in (model, other):
        one.use_playback = False
        estimates.append(one.predict(test, forecasts=False).continuous)
        one.use_playback = True
    np.testing.assert_array_equal(*estimates)
