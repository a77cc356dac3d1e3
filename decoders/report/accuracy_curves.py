"""Accuracy against number of units and against window length, from refits."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.multiscale import window_spans
from decoders.embedding.windows import window_sums
from decoders.evaluation.batch_filter import posteriors
from decoders.evaluation.controls import settings_from_model
from decoders.fitting.baselines import Baseline, BaselineSettings, fit_baseline, refit_baselines
from decoders.fitting.settings import ReadoutSettings, fit_readout
from decoders.metrics import accuracy, likeliest
from decoders.model.model import Model
from decoders.model.training_archive import restore_training
from stream.session import Session

UNIT_COUNTS = (1, 3, 10, 30, 100, 300, 1000, 3000)
WINDOWS_S = (0.033, 0.067, 0.133, 0.2, 0.333, 0.5, 1.0)
N_DRAWS = 5
"""Random draws of units for each count, as far as the time budget allows."""


@dataclass(slots=True)
class Curve:
    """Accuracy within one second, without the playback model, against one variable.

    Attributes
    ----------
    variable
        Label of the horizontal axis.
    scores
        Accuracies of all draws, by decoder, then by value of the variable.
    complete
        Whether every refit finished within the time budget.
    """

    variable: str
    scores: dict[str, dict[float, list[float]]] = field(default_factory=dict)
    complete: bool = True

    def add(self, name: str, value: float, score: float) -> None:
        """Add the score of one refit."""
        self.scores.setdefault(name, {}).setdefault(value, []).append(score)


@dataclass(frozen=True, slots=True, eq=False)
class _Refitter:
    """Refits the frame decoder and its baselines on parts of the training data, with the settings of the model."""

    data: TrainingSet
    test: Session
    clean: NDArray[np.float32]
    boundary: NDArray[np.bool_]
    name: str
    settings: ReadoutSettings
    baselines: Sequence[BaselineSettings]

    def scores(self, channels: NDArray[np.int64], n_window: int) -> Iterator[tuple[str, float]]:
        """Yield name and test accuracy of each decoder, refitted on some channels with a given window.

        Parameters
        ----------
        channels
            Int64 [channels], indices of the channels to use.
        n_window
            Samples in the window.
        """
        data = replace(self.data, clean=self.data.clean[:, channels])
        spans = window_spans(n_window, len(channels)) if self.settings.spans else ()
        settings = replace(self.settings, n_window=n_window, spans=spans)
        test = window_sums(self.clean[:, channels], self.boundary, n_window)
        everything = np.ones(len(data.state), bool)
        readout = fit_readout(data, everything, settings)
        test_sums, _ = settings.windows(self.clean[:, channels], self.boundary)
        yield self.name, self._accuracy(readout.logits(test_sums))
        for baseline in self.baselines:
            fitted: Baseline = fit_baseline(data, replace(baseline, n_window=n_window))
            yield baseline.name, self._accuracy(fitted.logits(*test))

    def _accuracy(self, logits: NDArray[np.float32]) -> float:
        return accuracy(likeliest(posteriors(logits)), self.test.frame, self.data.axis)


def accuracy_curves(model: Model, test: Session, *, budget_s: float, seed: int) -> list[Curve]:
    """Measure accuracy against the number of units and against window length.

    Shrinkage and similarity stay as selected for all units and the model's own window. The nearest-neighbour baseline is
    left out because it is slow.

    Parameters
    ----------
    model
        Model with archived training data.
    test
        Test data.
    budget_s
        Time budget of each curve in seconds; remaining refits are skipped.
    seed
        Random seed of the draws of units.
    """
    data = restore_training(model)
    boundary = test.boundary
    refitter = _Refitter(
        data,
        test,
        data.preprocessor.run(np.asarray(test.neural, np.float32), boundary),
        boundary,
        # Refits are linear, also where the model decodes from a contrastive embedding.
        "model" if model.decoder_embedding == "linear" else "linear_frame_posterior",
        settings_from_model(model),
        [b.settings for b in refit_baselines(model.card, data) if b.settings.name != "knn"],
    )
    return [_by_units(refitter, budget_s, seed), _by_window(refitter, budget_s)]


def _by_units(refitter: _Refitter, budget_s: float, seed: int) -> Curve:
    curve = Curve("units")
    n_all = refitter.clean.shape[1]
    counts = [*(n for n in UNIT_COUNTS if 1.5 * n < n_all), n_all]
    rng = np.random.default_rng(seed)
    until = time.perf_counter() + budget_s
    for draw in range(N_DRAWS):
        for n in counts:
            if n == n_all and draw:
                continue
            if time.perf_counter() > until:
                curve.complete = False
                return curve
            for name, score in refitter.scores(rng.permutation(n_all)[:n], refitter.settings.n_window):
                curve.add(name, n, score)
    return curve


def _by_window(refitter: _Refitter, budget_s: float) -> Curve:
    rate = refitter.data.rate_hz or 1.0
    curve = Curve("window, s" if refitter.data.rate_hz else "window, samples")
    windows = {max(1, round(w * rate)) for w in WINDOWS_S} if refitter.data.rate_hz else {1, 2, 3, 5, 8}
    until = time.perf_counter() + budget_s
    for n_window in sorted(windows | {refitter.settings.n_window}):
        if time.perf_counter() > until:
            curve.complete = False
            break
        for name, score in refitter.scores(np.arange(refitter.clean.shape[1]), n_window):
            curve.add(name, round(n_window / rate, 4), score)
    return curve
