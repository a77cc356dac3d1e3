"""Collects the predictions of a model, its baselines and its controls for test data, ready for scoring."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from decoders.data.delays import delay_truth
from decoders.data.training_set import TrainingSet
from decoders.embedding.windows import window_sums
from decoders.errors import BadSplit
from decoders.evaluation import controls
from decoders.evaluation.batch_filter import filter_recording
from decoders.evaluation.batch_filter import posteriors as softmax
from decoders.evaluation.forecast import Forecast, decode_forecast
from decoders.evaluation.shuffled_order import ShuffledPredictions, pool_shuffled, predict_shuffled
from decoders.fitting.baselines import refit_baselines
from decoders.fitting.label_baselines import label_baselines
from decoders.fitting.options import FitOptions
from decoders.fitting.training_data import candidate_windows
from decoders.metrics import Decoded
from decoders.model.model import Model
from decoders.model.training_archive import restore_training
from decoders.prediction import OFFLINE_HORIZONS_S
from decoders.readouts.continuous import ContinuousReader, frame_values
from stream.session import Session

N_TIMED = 400
"""Number of steps that are timed."""

SHUFFLED = "neural_shuffled"
"""Name of the control that decodes shuffled activity."""

BATCH = 1024
"""Samples whose posteriors are converted to double precision at a time."""

PosteriorPair = controls.PosteriorPair
DecodedPair = tuple[Decoded, Decoded]
"""Decoded samples with the playback model, and without it."""

Labels = dict[str, NDArray[np.float32]]


@dataclass(slots=True)
class TestPredictions:
    """Predictions for one test recording, or for the pooled folds of a cross-validation.

    Attributes
    ----------
    test
        Test data with the truth as states (see `decoders.data.frame_states`).
    decoders
        Decoded samples with and without playback, of the ``model`` and of the baselines by name.
    controls
        Decoded samples of the controls.
    shifted
        Predicted frames of each refit on shifted labels, with and without playback, int64 [time].
    ahead
        Forecasts by horizon in seconds, see `decoders.evaluation.forecast.decode_forecast`.
    continuous
        Estimates of the continuous labels by decoder (of the controls, `SHUFFLED`), then by label, float32 [time, k].
    half_width
        Half-widths of the model's intervals, by label, float32 [time, k].
    embedding
        Float32 [time, dimensions]; for pooled folds, whose embeddings differ, that of the last fold, which belongs to
        the last samples.
    evidence
        Bool [time], whether any used channel had a valid value.
    shuffled_order
        Predictions for the test data with shuffled scenes; None where training shows no fixed order.
    step_us
        Durations of single steps in microseconds.
    posteriors
        Posteriors of decoders and controls by name, where they were asked for.
    """

    test: Session
    decoders: dict[str, DecodedPair]
    controls: dict[str, DecodedPair]
    shifted: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
    ahead: dict[float, Forecast]
    continuous: dict[str, Labels]
    half_width: Labels
    embedding: NDArray[np.float32]
    evidence: NDArray[np.bool_]
    shuffled_order: ShuffledPredictions | None = None
    step_us: list[float] = field(default_factory=list)
    posteriors: dict[str, PosteriorPair] = field(default_factory=dict)


def collect_predictions(
    model: Model, test: Session, n_draws: int, seed: int, *, posteriors: bool = False
) -> TestPredictions:
    """Decode test data with a model, its baselines and its controls.

    Parameters
    ----------
    model
        Fitted model.
    test
        Test data, with a segment boundary between repeats. With a lookahead or lag, its truth is shifted to match.
    n_draws
        Refits on shifted labels; 0 disables all controls.
    seed
        Random seed.
    posteriors
        Whether to keep the posteriors, which take four bytes for each sample, state, decoder and control.

    Raises
    ------
    BadSplit
        If every segment of the test data is shorter than the model's delay.
    """
    data = restore_training(model)
    whole, by_state = test, model.states.translated(test)
    test, kept = delay_truth(by_state, model.n_delay)
    if not kept.any():
        raise BadSplit(
            f"the model's predictions refer to {model.n_delay} samples earlier (lag and lookahead), but no segment of "
            "the test data is that long. Choose more of the recording with --repeats or --time."
        )
    whole_posteriors: dict[str, PosteriorPair] = {}

    def decoded(name: str, with_playback: NDArray[np.float32], without: NDArray[np.float32]) -> DecodedPair:
        if posteriors:
            whole_posteriors[name] = with_playback, without
        return Decoded.of(with_playback, test.frame, model.axis), Decoded.of(without, test.frame, model.axis)

    predictions = model.predict(whole)
    posterior = predictions.posterior[kept]
    decoders = {"model": decoded("model", posterior, predictions.posterior_without_playback[kept])}
    ahead = {
        horizon: decode_forecast(model, test, posterior, forecast[kept], horizon)
        for horizon, forecast in predictions.forecast_posterior.items()
    }
    predictions.forecast_posterior.clear()
    for horizon in OFFLINE_HORIZONS_S:
        forecast = model.playback.forecast_at(posterior, horizon)
        ahead[horizon] = decode_forecast(model, test, posterior, forecast, horizon)
    continuous = {"model": _by_label(model, predictions.continuous[kept])}
    half_width, embedding = _by_label(model, predictions.half_width[kept]), predictions.embedding[kept]
    evidence = np.isfinite(predictions.novelty[kept])
    del predictions, posterior, forecast  # they are large
    boundary = whole.boundary
    clean = data.preprocessor.run(np.asarray(whole.neural, np.float32), boundary)
    for name, both, estimated in _decode_baselines(model, data, test, clean, boundary, kept):
        decoders[name] = decoded(name, *both)
        continuous |= estimated
    if data.labels:
        windows = candidate_windows(data, FitOptions())
        for name, estimates in label_baselines(data, windows, clean, boundary):
            continuous[name] = {label: values[kept] for label, values in estimates.items()}
    of_controls = {}
    if n_draws:
        shuffled = controls.neural_shuffled(model, test, seed)
        continuous[SHUFFLED] = _by_label(model, shuffled.continuous)
        of_controls = {
            SHUFFLED: decoded(SHUFFLED, shuffled.posterior, shuffled.posterior_without_playback),
            "counter": decoded("counter", *controls.counter(data, model.playback, test)),
            "onset_clock": decoded("onset_clock", *controls.onset_clock(data, model.playback, test)),
        }
    return TestPredictions(
        test=test,
        decoders=decoders,
        controls=of_controls,
        shifted=list(controls.labels_shifted(data, model, test, n_draws, seed)),
        ahead=ahead,
        continuous=continuous,
        half_width=half_width,
        embedding=embedding,
        evidence=evidence,
        shuffled_order=predict_shuffled(model, by_state, seed),
        step_us=_time_steps(model, test),
        posteriors=whole_posteriors,
    )


def _decode_baselines(
    model: Model,
    data: TrainingSet,
    test: Session,
    clean: NDArray[np.float32],
    boundary: NDArray[np.bool_],
    kept: NDArray[np.bool_],
) -> Iterator[tuple[str, PosteriorPair, dict[str, Labels]]]:
    """Yield name, posteriors and estimates of the labels of each baseline for the kept samples."""
    for baseline in refit_baselines(model.card, data):
        name = baseline.settings.name
        sums, fullness = (each[kept] for each in window_sums(clean, boundary, baseline.settings.n_window))
        uncalibrated = baseline.uncalibrated(sums)
        logits = baseline.calibrated(uncalibrated, fullness)
        filtered = filter_recording(model.playback, logits, test, baseline.settings.power)
        estimated = _from_posterior(data, name, softmax(uncalibrated)) if data.labels else {}
        yield name, (filtered, softmax(logits)), estimated


def pool_folds(parts: Sequence[TestPredictions]) -> TestPredictions:
    """Concatenate the predictions of several folds; each fold begins a new segment.

    Parameters
    ----------
    parts
        Predictions of at least one fold.
    """
    from decoders.data.training_set import concatenate_sessions

    def both(key: str, name: str) -> DecodedPair:
        each = [getattr(part, key)[name] for part in parts]
        return Decoded.pooled([a for a, _ in each]), Decoded.pooled([b for _, b in each])

    first = parts[0]
    return TestPredictions(
        test=concatenate_sessions([part.test for part in parts], renumber=False),
        decoders={name: both("decoders", name) for name in first.decoders},
        controls={name: both("controls", name) for name in first.controls},
        shifted=[
            (np.concatenate([a for a, _ in draws]), np.concatenate([b for _, b in draws]))
            for draws in zip(*(part.shifted for part in parts), strict=True)
        ],
        ahead={h: Forecast.pooled([part.ahead[h] for part in parts]) for h in first.ahead},
        continuous={
            name: {
                label: np.concatenate([part.continuous[name][label] for part in parts]) for label in labels
            }
            for name, labels in first.continuous.items()
        },
        half_width={
            label: np.concatenate([part.half_width[label] for part in parts]) for label in first.half_width
        },
        embedding=parts[-1].embedding,
        evidence=np.concatenate([part.evidence for part in parts]),
        shuffled_order=pool_shuffled([part.shuffled_order for part in parts]),
        step_us=[us for part in parts for us in part.step_us],
        posteriors={
            name: (
                np.concatenate([part.posteriors[name][0] for part in parts]),
                np.concatenate([part.posteriors[name][1] for part in parts]),
            )
            for name in first.posteriors
        },
    )


def _by_label(model: Model, columns: NDArray[np.float32]) -> Labels:
    """Split the columns of all labels, float32 [time, columns], by label."""
    out, first = {}, 0
    for name, k in model.card["labels"]:
        out[str(name)] = columns[:, first : first + k]
        first += k
    return out


def _from_posterior(data: TrainingSet, name: str, posterior: NDArray[np.float32]) -> dict[str, Labels]:
    """Return a baseline's estimates: the mean over its uncalibrated posterior, and the value of the likeliest frame."""
    out: dict[str, Labels] = {}
    for method, sharpness in (("mean", 1.0), ("mode", 0.0)):
        out[f"{name}_{method}"] = {}
        for label, values in data.labels.items():
            k = values.shape[1]
            table = frame_values(values, data.state, data.n_frames)
            reader = ContinuousReader.without_intervals(table, np.zeros((1, k)), np.full(k, sharpness))
            parts = (posterior[at : at + BATCH] for at in range(0, len(posterior), BATCH))
            out[f"{name}_{method}"][label] = np.concatenate(
                [reader.read(part.astype(np.float64), np.zeros((len(part), 0), np.float32)) for part in parts]
            )
    return out


def _time_steps(model: Model, test: Session) -> list[float]:
    """Return the durations of single steps in microseconds."""
    model.reset()
    out = []
    for index in range(min(test.n_samples, N_TIMED)):
        samples = np.asarray(test.neural[index], np.float32)
        started = time.perf_counter()
        model.step(samples, float(test.stamps[index]))
        out.append(1e6 * (time.perf_counter() - started))
    model.reset()
    return out
