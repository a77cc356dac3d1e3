"""Recognises live samples that the model was trained on, whose score says nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decoders.data.fingerprint import RUN_LENGTH, is_known_run
from decoders.model.model import Model
from stream.notices import Notices


class TrainingCheck:
    """Compares runs of raw samples with the fingerprints of a model's training data.

    Attributes
    ----------
    counts
        Number of runs ``checked``, and of those that the model was trained on (``known``).
    """

    def __init__(self) -> None:
        self.counts = {"checked": 0, "known": 0}
        self._samples: NDArray[np.float32] | None = None
        self._n = 0

    def add(self, sample: NDArray[np.float32]) -> None:
        """Add a raw sample, float32 [channels]."""
        if self._samples is None:
            self._samples = np.zeros((RUN_LENGTH, len(sample)), np.float32)
        self._samples[self._n % RUN_LENGTH] = sample
        self._n += 1

    def check(self, model: Model, notices: Notices) -> None:
        """Compare the last run of samples; the first known one is a notice.

        Parameters
        ----------
        model
            The running model.
        notices
            Receives ``training_data``.
        """
        known = model.parts.extra.get("fingerprints")
        if known is None or self._samples is None or self._n < RUN_LENGTH:
            return
        self.counts["checked"] += 1
        if not is_known_run(np.roll(self._samples, -(self._n % RUN_LENGTH), axis=0), known):
            return
        self.counts["known"] += 1
        if self.counts["known"] == 1:
            text = "the model was trained on these samples: their score says nothing about new data"
            notices.add("training_data", text)
