"""The output streams of the engine: the prediction, and the secondary streams that are pushed after it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from decoders.prediction import HORIZONS_S, N_LIKELIEST, PREDICTION_CHANNELS, Prediction
from stream.lsl.outlet import make_outlet

if TYPE_CHECKING:
    from decoders.model.decision import Decision
    from decoders.model.model import Model

POSTERIOR_CHANNELS = 2_000
"""Largest number of frame channels in the posterior stream; frames of longer movies are pooled with their neighbours."""

THIN_ABOVE_HZ = 200.0
"""Above this sampling rate, the secondary streams are thinned to about `THIN_TO_HZ`."""

THIN_TO_HZ = 100.0

UNITS = {
    "frame": "frame",
    "confidence": "probability",
    "next_frame": "frame",
    "next_confidence": "probability",
    "entropy_bits": "bit",
    "novelty": "fraction",
    "sequence": "count",
    "stamp_raw": "s",
    "lag_ms": "ms",
    "arrival_ms": "ms",
    "compute_ms": "ms",
    "model_version": "count",
}

_FORECAST_LABELS = tuple(
    f"{horizon:g}s_{what}"
    for horizon in HORIZONS_S
    for what in (
        *(f"frame{i}" for i in range(N_LIKELIEST)),
        *(f"probability{i}" for i in range(N_LIKELIEST)),
        "entropy_bits",
    )
)


class Publisher:
    """The outlets of one engine.

    Parameters
    ----------
    name
        First part of the stream names ``<name>-<role>``.
    model
        Model that determines the channels.
    rate_hz
        Nominal sampling rate of the neural stream in Hz; 0 for irregular streams.
    facts
        Metadata for the streams' descriptions: mode, speed, model hash and so on.

    Attributes
    ----------
    prediction
        Outlet of the prediction stream.
    pool
        Number of neighbouring frames in one channel of the posterior stream.
    """

    def __init__(self, name: str, model: Model, rate_hz: float, facts: Mapping[str, str]) -> None:
        self.pool = max(1, math.ceil(model.n_frames / POSTERIOR_CHANNELS))
        self._every = max(1, round(rate_hz / THIN_TO_HZ)) if rate_hz > THIN_ABOVE_HZ else 1
        thinned_hz = rate_hz / self._every
        pooled = model.states.frames[:: self.pool]

        def outlet(role: str, type_: str, labels: Sequence[str], **more: str) -> pylsl.StreamOutlet:
            return make_outlet(
                f"{name}-{role}", type_, labels, thinned_hz, unit=more.pop("unit", ""), facts={**facts, **more},
                role="engine",
            )  # fmt: skip

        self.prediction = make_outlet(
            f"{name}-prediction", "Prediction", PREDICTION_CHANNELS, rate_hz, "double64",
            unit=tuple(UNITS[channel] for channel in PREDICTION_CHANNELS), facts=facts, role="engine",
        )  # fmt: skip
        self._status = make_outlet(
            f"{name}-status", "Markers", ("json",), 0.0, "string", facts=facts, role="engine"
        )
        self._forecast = outlet("forecast", "Forecast", _FORECAST_LABELS)
        self._posterior = outlet(
            "posterior", "Posterior", (*(f"frame{i}" for i in pooled), "no stimulus"),
            unit="probability", posterior_pool=str(self.pool),
        )  # fmt: skip
        display = model.display_embedding
        self._n_point, n_display = model.n_embedding, display.n_dimensions if display is not None else 0
        channels = [f"e{i}" for i in range(self._n_point)] + [f"display{i}" for i in range(n_display)]
        self._embedding = outlet("embedding", "Embedding", channels)
        self._continuous = (
            outlet("continuous", "Continuous", model.continuous_channels)
            if model.continuous_channels
            else None
        )
        self._point = np.zeros((1, len(channels)), np.float32)
        self._row = np.zeros((1, len(PREDICTION_CHANNELS)))
        self._starts = np.arange(0, model.n_frames, self.pool)
        self._pooled = np.zeros(len(self._starts) + 1, np.float32)
        self._count = 0

    def push_prediction(
        self, decision: Decision, stamp: float, stamp_raw: float, sequence: int, timing: tuple[float, ...]
    ) -> None:
        """Push the prediction; it counts as published when this returns.

        Parameters
        ----------
        decision
            The model's decision.
        stamp
            Timestamp of the decoded moment by this computer's clock, in seconds.
        stamp_raw
            The same by the sender's clock; in a replay at another speed, this is not the recorded time.
        sequence
            Sequence number of the neural frame.
        timing
            Values of ``lag_ms``, ``arrival_ms``, ``compute_ms`` and ``model_version``.
        """
        row = self._row[0]
        row[0] = decision.frame
        row[1] = decision.confidence
        row[2] = decision.next_frame
        row[3] = decision.next_confidence
        row[4] = decision.entropy_bits
        row[5] = decision.novelty
        row[6] = sequence
        row[7] = stamp_raw
        row[8:12] = timing
        self.prediction.push_chunk(self._row, stamp)

    def secondary_due(self) -> bool:
        """Count a sample; returns whether its secondary streams are to be pushed, at high rates those of every n-th."""
        self._count += 1
        return self._count % self._every == 0

    def push_secondary(self, prediction: Prediction, stamp: float) -> None:
        """Push the posterior, forecast, embedding and continuous labels of a sample, each if someone receives it.

        Parameters
        ----------
        prediction
            Prediction of a sample for which `secondary_due` returned True.
        stamp
            Timestamp as in `push_prediction`.
        """
        if self._posterior.have_consumers():
            self._posterior.push_chunk(self._in_channels(prediction.posterior)[None], stamp)
        if self._forecast.have_consumers():
            self._forecast.push_chunk(prediction.forecast.reshape(1, -1), stamp)
        if self._embedding.have_consumers():
            self._embedding.push_chunk(self._row_of_points(prediction)[None], stamp)
        if self._continuous is not None and self._continuous.have_consumers():
            self._continuous.push_chunk(prediction.continuous[None], stamp)

    def _row_of_points(self, prediction: Prediction) -> NDArray[np.float32]:
        """Return the point and that for the eye; a refit may use other channels, but the stream keeps its width."""
        row: NDArray[np.float32] = self._point[0]
        point = prediction.embedding
        if len(point) == len(row):
            return point
        row[:] = 0
        row[: self._n_point][: len(point)] = point[: self._n_point]
        if prediction.display is not None:
            row[self._n_point :] = prediction.display[: len(row) - self._n_point]
        return row

    def _in_channels(self, posterior: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pool neighbouring frames of long movies."""
        if self.pool == 1:
            return posterior
        np.add.reduceat(posterior[:-1], self._starts, out=self._pooled[:-1])
        self._pooled[-1] = posterior[-1]
        return self._pooled

    def push_status(self, event: str, **facts: Any) -> None:
        """Push an event to the status stream as one JSON object."""
        self._status.push_sample([json.dumps({"event": event, **facts})])
