"""Warm-up: a discarded decoding step shortly before each sample is due, which fills the processor's caches."""

from __future__ import annotations

import time
from copy import copy
from dataclasses import replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from decoders.model.model import Model

MARGIN_S = 0.001
"""Seconds between the end of the warm-up and the next sample, whose arrival jitters."""

MIN_PERIOD_S = 0.004
"""Shortest interval between samples with a warm-up; more frequent samples find the caches still filled."""

_INITIAL_S = 0.0005  # assumed duration of a warm-up, until some have been timed
_NEW = 0.1  # weight of the last duration in the running mean


class Warmup:
    """Decodes the last sample again, on a copy of the model with its own state, and discards the result.

    Between two samples other processes fill the caches, and decoding from cold caches takes two to four times as long
    (see `docs/latency.md`). The warm-up changes no prediction; it takes CPU time once per sample, while the engine
    waits.

    Parameters
    ----------
    model
        Running model.
    """

    def __init__(self, model: Model) -> None:
        self._model = Model(replace(model.parts, preprocessor=copy(model.parts.preprocessor)), model.card)
        self._model.use_playback = model.use_playback
        self._begin = inf
        self._duration_s = _INITIAL_S
        self._stamp = 0.0
        self._samples: NDArray[np.float32] | None = None

    def replace_model(self, old: Model) -> None:
        """Use a model that has just been replaced by a refit: the code in the caches matters more than the weights.

        Parameters
        ----------
        old
            Model that the engine no longer uses.
        """
        self._model = old

    def schedule(self, samples: NDArray[np.float32], rate_hz: float, now: float) -> None:
        """Schedule the warm-up before the next samples.

        Parameters
        ----------
        samples
            Samples that have just been decoded, float32 [n, channels].
        rate_hz
            Nominal sampling rate in Hz; 0 for irregular streams, which have no warm-up.
        now
            Time of their arrival without their excess delay, in seconds.
        """
        period_s = len(samples) / rate_hz if rate_hz > 0 else 0.0
        lead_s = self._duration_s + MARGIN_S
        self._samples = samples[-1] if period_s >= max(MIN_PERIOD_S, 2 * lead_s) else None
        self._begin = now + period_s - lead_s

    def wait_s(self, now: float) -> float | None:
        """Seconds until the warm-up is to begin; None if there is none before the next sample.

        Parameters
        ----------
        now
            Present time of the same clock, in seconds.
        """
        return max(self._begin - now, 0.0) if self._samples is not None else None

    def run(self) -> None:
        """Run the warm-up, once before each sample."""
        if self._samples is not None:
            self._stamp += 1 / (self._model.rate_hz or 1.0)
            begun = time.perf_counter()
            self._model.step(self._samples, self._stamp)
            self._duration_s += _NEW * (time.perf_counter() - begun - self._duration_s)
            self._samples = None
