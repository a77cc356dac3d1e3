"""A dry run shortly before a sample is due, so that code and weights are in the processor's caches when it comes."""

from __future__ import annotations

import time
from copy import copy
from dataclasses import replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from decoders.model.model import Model

REST_S = 0.001
"""A dry run is to be over so long before the next sample is due, for samples do not come to the millisecond."""

LEAST_PERIOD_S = 0.004
"""What comes more often finds everything still in the caches."""

_USUAL_S = 0.0005  # of a dry run, until some have been timed
_NEW = 0.1  # the weight of the last one in what is usual


class Warmup:
    """Decodes what came last once more, with a model of the same weights and its own state.

    Between two samples other processes take the caches, and what is decoded from cold takes two to four times as
    long (see `docs/latency.md`). A dry run changes no answer; it costs its own time once per sample, while nobody waits.

    Parameters
    ----------
    model
        The running one.
    """

    def __init__(self, model: Model) -> None:
        self._model = Model(replace(model.parts, preprocessor=copy(model.parts.preprocessor)), model.card)
        self._model.use_playback = model.use_playback
        self._begin = inf
        self._usual_s = _USUAL_S
        self._stamp = 0.0
        self._samples: NDArray[np.float32] | None = None

    def replace_model(self, old: Model) -> None:
        """Go on with a model whose weights have just been replaced: the code is what matters most.

        Parameters
        ----------
        old
            Not used any more.
        """
        self._model = old

    def schedule(self, samples: NDArray[np.float32], rate_hz: float, now: float) -> None:
        """Take in that samples have been decoded, and work out when the next are due.

        Parameters
        ----------
        samples
            Float32 [n, channels].
        rate_hz
            Samples a second; 0 = irregular.
        now
            When they came, or should have come, seconds.
        """
        period_s = len(samples) / rate_hz if rate_hz > 0 else 0.0
        lead_s = self._usual_s + REST_S
        self._samples = samples[-1] if period_s >= max(LEAST_PERIOD_S, 2 * lead_s) else None
        self._begin = now + period_s - lead_s

    def wait_s(self, now: float) -> float | None:
        """How long until the next dry run is to begin; None when there is none before the next sample.

        Parameters
        ----------
        now
            Seconds, of the same clock.
        """
        return max(self._begin - now, 0.0) if self._samples is not None else None

    def run(self) -> None:
        """Rehearse, once before each sample."""
        if self._samples is not None:
            self._stamp += 1 / (self._model.rate_hz or 1.0)
            begun = time.perf_counter()
            self._model.step(self._samples, self._stamp)
            self._usual_s += _NEW * (time.perf_counter() - begun - self._usual_s)
            self._samples = None
