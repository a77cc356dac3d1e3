"""Fits a case with one part switched off, and scores it; what a part does not change is taken from the default fit."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.ablation.cases import Case
from benchmarks.ablation.parts import Part, Stage
from decoders.data.delays import delay_truth
from decoders.data.training_set import TrainingSet
from decoders.evaluation.forecast import pairs_at_horizon
from decoders.fitting import fit, select_playback
from decoders.fitting.candidate_scorer import CandidateScorer, ScoredCandidate
from decoders.fitting.fit_emission import DEFAULT_EVIDENCE_WEIGHT
from decoders.fitting.select_classifier import DECODERS, DecoderCandidates, select_classifier
from decoders.fitting.settings import ReadoutSettings
from decoders.fitting.training_data import build_training_set, training_session
from decoders.metrics import given_shown, log_score_bits, score
from decoders.model.file import content_hash
from decoders.model.model import Model
from stream.session import Session

FORECAST_S = 1.0

Scores = dict[str, dict[str, float]]
"""Figures by test; the names of errors begin with "error"."""


class _Unchanged(Exception):
    """The part changes nothing: the same frame decoders are selected."""


class Fitter:
    """Fits one case again and again.

    Parameters
    ----------
    case
        Training data and tests.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self._session, self._states = training_session(case.train, case.options, None)
        self._data: dict[int, TrainingSet] = {}
        self._build = build_training_set
        self._selected: dict[Any, list[ReadoutSettings]] = {}
        self._calibrated: dict[Any, tuple[float, ReadoutSettings]] = {}
        self._weighed: list[Any] = []
        self._playback: Any = None
        self._hash = ""
        self._default = self.scores(None)

    @property
    def default(self) -> Scores:
        """Scores of the default decoder."""
        return self._default

    @property
    def data(self) -> TrainingSet:
        """Training data, as fitted."""
        return self._data[max(self._data)]

    def scores(self, part: Part | None) -> Scores:
        """Fit and score the default decoder without a part; None for the default itself."""
        try:
            with ExitStack() as stack:
                self._reuse(stack, part)
                stack.enter_context(nullcontext() if part is None else part.off())
                model = fit.fit_states(self._session, self._states, self._case.options, baselines=False)
        except _Unchanged:
            return self._default
        model_hash = content_hash(model.parts.arrays(), {"floors": model.card["forecast_floors"]})
        if part is None:
            self._hash = model_hash
        elif model_hash == self._hash:
            return self._default
        return {name: score_test(model, test) for name, test in self._case.tests.items()}

    def _reuse(self, stack: ExitStack, part: Part | None) -> None:
        """Replace the stages before that of the part by what the default fit found."""
        stage = Stage.CHOICE if part is None else part.stage

        def replaced(owner: Any, name: str, value: Any) -> None:
            stack.enter_context(patch.object(owner, name, value))

        replaced(fit, "build_training_set", self._training_set)
        replaced(fit, "select_posterior_weight", lambda *_: DEFAULT_EVIDENCE_WEIGHT)  # for controls only
        replaced(fit, "select_classifier", self._selecting(select_classifier, part))
        if stage is Stage.CHOICE:
            replaced(CandidateScorer, "calibrate", self._calibrating(CandidateScorer.calibrate))
        if part is None or stage is Stage.FORECAST:
            replay: Iterator[Any] = iter(list(self._weighed))
            for name in ("select_weights", "log_scores"):
                function = getattr(select_playback, name)
                replaced(select_playback, name, self._weighing(function, None if part is None else replay))
        if part is None or stage is Stage.LABELS:
            replaced(fit, "select_playback", self._selecting_playback(select_playback.select_playback, part))

    def _training_set(self, session: Session, n_frames: int, options: Any, n_lag: int = 0) -> TrainingSet:
        if n_lag not in self._data:
            self._data[n_lag] = self._build(session, n_frames, options, n_lag)
        return self._data[n_lag]

    def _selecting(self, select: Callable[..., Any], part: Part | None) -> Callable[..., Any]:
        def selected(
            data: TrainingSet, windows: Sequence[int], candidates: DecoderCandidates, seed: int
        ) -> list[ReadoutSettings]:
            of_lag = candidates == DECODERS["lda"]
            key = (data.n_delay, tuple(windows), of_lag)
            if key in self._selected and part is not None and part.stage > Stage.SCORING:
                return self._selected[key]
            found: list[ReadoutSettings] = select(data, windows, candidates, seed)
            if part is None:
                self._selected[key] = found
            elif not of_lag and found == self._selected.get(key):
                raise _Unchanged
            return found

        return selected

    def _calibrating(self, calibrate: Callable[..., Any]) -> Callable[..., Any]:
        def calibrated(
            scorer: CandidateScorer,
            settings: ReadoutSettings,
            logits: NDArray[np.float32],
            reach: float = 1000.0,
        ) -> tuple[float, ScoredCandidate]:
            key = (settings, reach, logits.shape, zlib.crc32(np.ascontiguousarray(logits).data))
            if key in self._calibrated:
                scale, scored = self._calibrated[key]
                return scale, ScoredCandidate(scored, logits * np.float32(scale))
            scale, candidate = calibrate(scorer, settings, logits, reach)
            self._calibrated[key] = scale, candidate.settings
            return scale, candidate

        return calibrated

    def _weighing(self, weigh: Callable[..., Any], replay: Iterator[Any] | None) -> Callable[..., Any]:
        def weighed(*given: Any) -> Any:
            if replay is not None:
                return next(replay)
            self._weighed.append(weigh(*given))
            return self._weighed[-1]

        return weighed

    def _selecting_playback(self, select: Callable[..., Any], part: Part | None) -> Callable[..., Any]:
        def selected(*given: Any) -> Any:
            if part is None:
                self._playback = select(*given)
            return self._playback

        return selected


def score_test(model: Model, test: Session) -> dict[str, float]:
    """Return accuracy and bits without and with the playback model, bits of the forecast, and errors of a label.

    Parameters
    ----------
    model
        Fitted model.
    test
        Test data. Accuracy is within one second for a movie of more than one frame per second, else exact.
    """
    truth, kept = delay_truth(model.states.translated(test), model.n_delay)
    predictions = model.predict(test)
    figure = "accuracy_within_1s" if model.movie_rate_hz > 1 else "accuracy_exact"
    out: dict[str, float] = {}
    for name, posterior in (
        ("alone", predictions.posterior_without_playback[kept]),
        ("playback", predictions.posterior[kept]),
    ):
        scores = score(posterior, truth.frame, model.axis)
        out[f"accuracy {name}"], out[f"bits {name}"] = scores[figure], scores["log_score_bits"]
    now, then = pairs_at_horizon(truth, float(model.card["lag_ms"]) / 1000 + FORECAST_S)
    if len(now):
        ahead = predictions.forecast_posterior[FORECAST_S][kept]
        out["bits forecast"] = log_score_bits(given_shown(ahead[now]), truth.frame[then].astype(np.int64))
    for label in list(truth.labels.values())[:1]:
        columns = slice(0, label.shape[1])
        out["error playback"] = _median_error(predictions.continuous[kept][:, columns], label)
        if model.card["movie_rate_hz"] == 0:
            model.use_playback = False
            alone = model.predict(test, forecasts=False).continuous[kept]
            model.use_playback = True
            out["error alone"] = _median_error(alone[:, columns], label)
    return out


def _median_error(estimate: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    return float(np.nanmedian(np.sqrt(((estimate - truth) ** 2).sum(1))))
