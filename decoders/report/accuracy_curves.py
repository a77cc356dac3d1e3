"""Accuracy by number of units and by length of the window: refits on parts of the training data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.multiscale import window_spans
from decoders.embedding.windows import window_sums
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
"""Random choices of units for each count, as far as the time allows."""


@dataclass(slots=True)
class Curve:
    """Accuracies within one second, without the playback model.

    Attributes
    ----------
    what
        Of the horizontal axis.
    scores
        By read-out, then by value of that axis: one accuracy per draw.
    complete
        Whether everything was done before the time was up.
    """

    what: str
    scores: dict[str, dict[float, list[float]]] = field(default_factory=dict)
    complete: bool = True

    def add(self, name: str, value: float, score: float) -> None:
        """Note one refit's score."""
        self.scores.setdefault(name, {}).setdefault(value, []).append(score)


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """Training and test data, and the settings that refits take over."""

    data: TrainingSet
    test: Session
    clean: NDArray[np.float32]
    boundary: NDArray[np.bool_]
    name: str
    settings: ReadoutSettings
    baselines: Sequence[BaselineSettings]

    def scores(self, channels: NDArray[np.int64], n_window: int) -> Iterator[tuple[str, float]]:
        """Accuracy of every read-out, refitted on some channels and a window."""
        data = replace(self.data, clean=self.data.clean[:, channels])
        spans = window_spans(n_window, len(channels)) if self.settings.spans else ()
        settings = replace(self.settings, n_window=n_window, spans=spans)
        test = window_sums(self.clean[:, channels], self.boundary, n_window)
        sums = settings.windows(data.clean, data.boundary)
        everything = np.ones(len(data.state), bool)
        reader = fit_readout(data, sums, everything, settings)
        asked, _ = settings.windows(self.clean[:, channels], self.boundary)
        yield self.name, self._accuracy(reader.logits(asked))
        for baseline in self.baselines:
            fitted: Baseline = fit_baseline(data, replace(baseline, n_window=n_window))
            yield baseline.name, self._accuracy(fitted.logits(*test))

    def _accuracy(self, logits: NDArray[np.float32]) -> float:
        return accuracy(likeliest(logits), self.test.frame, self.data.axis)


def accuracy_curves(model: Model, test: Session, *, budget_s: float, seed: int) -> list[Curve]:
    """Refit and score the frame posterior on fewer units, and with other windows, beside its baselines.

    Shrinkage and similarity stay as they were chosen for all units and the model's own window. The nearest-neighbour
    baseline is left out, being slow.

    Parameters
    ----------
    model
        Gives the training data that it remembers, and the settings.
    test
        To score on.
    budget_s
        Seconds for each curve; what is not done by then is left out.
    seed
        Of the choice of units.
    """
    data = restore_training(model)
    boundary = np.r_[True, np.diff(test.segment) > 0]
    bench = _Bench(
        data,
        test,
        data.preprocessor.run(np.asarray(test.neural, np.float32), boundary),
        boundary,
        # What is refitted is the linear way from activity to frames, whichever way the model takes.
        "model" if model.decoder_embedding == "linear" else "linear_frame_posterior",
        settings_from_model(model),
        [b.settings for b in refit_baselines(model.card, data) if b.settings.name != "knn"],
    )
    return [_by_units(bench, budget_s, seed), _by_window(bench, budget_s)]


def _by_units(bench: _Bench, budget_s: float, seed: int) -> Curve:
    curve = Curve("units")
    n_all = bench.clean.shape[1]
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
            for name, score in bench.scores(rng.permutation(n_all)[:n], bench.settings.n_window):
                curve.add(name, n, score)
    return curve


def _by_window(bench: _Bench, budget_s: float) -> Curve:
    rate = bench.data.rate_hz or 1.0
    curve = Curve("window, s" if bench.data.rate_hz else "window, samples")
    windows = {max(1, round(w * rate)) for w in WINDOWS_S} if bench.data.rate_hz else {1, 2, 3, 5, 8}
    until = time.perf_counter() + budget_s
    for n_window in sorted(windows | {bench.settings.n_window}):
        if time.perf_counter() > until:
            curve.complete = False
            break
        for name, score in bench.scores(np.arange(bench.clean.shape[1]), n_window):
            curve.add(name, round(n_window / rate, 4), score)
    return curve
