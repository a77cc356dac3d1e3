"""Which frame decoder reads the window, and with which settings: chosen on held-out showings of the training data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.linear import ClassStatistics, LinearEmbedding, unit_length
from decoders.embedding.multiscale import window_spans
from decoders.embedding.shrinkage_path import ShrinkagePath
from decoders.fitting.settings import (
    DEFAULT_SHRINKAGE,
    MAX_HELD_OUT,
    Settings,
    Windows,
    cross_validation_folds,
    evenly_spaced,
    feature_scaling,
    state_moments,
)
from decoders.fitting.validation_sequences import validation_sequences
from decoders.readouts.classifiers import calibrate, fit_prototypes, log_posterior
from decoders.readouts.graph_smoothing import (
    DIFFUSION_TIMES,
    OCCUPANCY_WEIGHT,
    diffusion_kernels,
    log_occupancy,
    smooth_over_graph,
)
from decoders.readouts.secondary_classifier import SecondarySettings, fit_secondary
from stream.errors import BadUsage
from stream.session import Kind

SHRINKAGES = (0.05, 0.15, 0.3, 0.5, 0.7, 0.9)
DEFAULT_FACTOR = 8.0
SHARES = (0.5, 0.7)
"""Of the second opinion in a blend."""

VOXEL_SHARES = (1.0, 0.6, 0.35)
"""Of BOLD channels: how many count. Most voxels of a scan have nothing to do with what is seen."""

GAIN_SHAPES = (3.0, 10.0, 30.0)
"""How steady the gain may be that naive Bayes assumes; none is so steady that the sum of all spikes is trusted."""

UNSTEADY = 0.3
"""Nats by which some must win: LDA and Gaussian naive Bayes hear a common gain, which later showings change; neighbours
make a step ten times slower."""

SETTLED = tuple(np.geomspace(0.5, 2.0, 15).tolist())
"""Factors on the temperature of what was chosen, among which confidence decides too."""


FoldEmbeddings = dict[tuple[float, float], list[LinearEmbedding]]
"""By shrinkage and share of the channels, one per fold."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a decoder's name stands for.

    Attributes
    ----------
    similarities
        Values of ``cosine`` that are tried for the prototypes.
    opinions
        Second opinions that are tried.
    alone
        Whether prototypes alone, opinions alone, and blends of both are candidates.
    """

    similarities: tuple[bool, ...]
    opinions: tuple[str, ...] = ()
    alone: tuple[bool, bool, bool] = (True, False, False)


DECODERS = {
    "auto": Candidates(
        (True, False), ("naive_bayes", "gaussian_naive_bayes", "knn"), alone=(True, True, True)
    ),
    "cosine": Candidates((True,)),
    "lda": Candidates((False,)),
    "naive_bayes": Candidates((True,), ("naive_bayes",), alone=(False, True, False)),
    "gaussian_naive_bayes": Candidates((True,), ("gaussian_naive_bayes",), alone=(False, True, False)),
    "knn": Candidates((True,), ("knn",), alone=(False, True, False)),
    "blend": Candidates((True, False), ("naive_bayes", "gaussian_naive_bayes"), alone=(False, False, True)),
}
"""Frame decoders by name; ``auto`` takes what was best on held-out data."""


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """Settings and the calibrated logits that they gave for the held-out moments, [moments, states]."""

    settings: Settings
    logits: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """Everything that a window's candidates are compared on."""

    data: TrainingSet
    windows: Windows
    folds: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]
    asked: list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]]

    def calibrated(
        self, settings: Settings, logits: NDArray[np.float32], reach: float = 1000.0
    ) -> tuple[float, _Heard]:
        """The factor that serves the logits best, and the settings with their log score."""
        weight, truth = (np.concatenate([a[column] for a in self.asked]) for column in (1, 2))
        factor, exact = calibrate(logits, weight, truth, reach)
        weighted = (logits * np.float32(factor)) * weight[:, None]
        score = 0.5 * exact + 0.5 * self._within(weighted, truth)
        return factor, _Heard(replace(settings, log_score=score), logits * np.float32(factor))

    def settled(self, heard: _Heard) -> Settings:
        """The settings at the temperature at which both the posterior and its confidence are likeliest."""
        weight, truth = (np.concatenate([a[column] for a in self.asked]) for column in (1, 2))
        low, high = self.data.axis.tolerance_range
        rows = np.arange(len(truth))
        merits = []
        for factor in SETTLED:
            logs = log_posterior((heard.logits * np.float32(factor)) * weight[:, None])
            total = np.zeros((len(logs), logs.shape[1] + 1))
            np.cumsum(np.exp(logs), axis=1, out=total[:, 1:])
            best = logs.argmax(1)
            sure = np.clip(total[rows, high[best]] - total[rows, low[best]], 1e-3, 1 - 1e-3)
            right = (truth >= low[best]) & (truth < high[best])
            at_truth = np.maximum(logs[rows, truth], np.log(1e-3 / logs.shape[1]))
            merits.append(float(np.mean(at_truth) + np.mean(np.log(np.where(right, sure, 1 - sure)))))
        factor = SETTLED[int(np.argmax(merits))]
        settings, secondary = heard.settings, heard.settings.secondary
        if secondary is not None:
            secondary = replace(secondary, inverse_temperature=secondary.inverse_temperature * factor)
        prior = self._prior(heard.logits * np.float32(factor), weight, truth)
        return replace(settings, factor=settings.factor * factor, secondary=secondary, prior=prior)

    def _prior(
        self, logits: NDArray[np.float32], weight: NDArray[np.float32], truth: NDArray[np.int64]
    ) -> float:
        """`OCCUPANCY_WEIGHT` where there is no movie and held-out moments are likelier with it, else 0."""
        if self.data.movie is not None:
            return 0.0
        use = [log_occupancy(self.data.state[train], self.data.n_states) for train, _ in self.folds]
        each = np.repeat(np.stack(use), [len(asked[2]) for asked in self.asked], axis=0)
        rows = np.arange(len(truth))
        without, leaning = (
            float(log_posterior(logits * weight[:, None] + np.float32(prior) * each)[rows, truth].mean())
            for prior in (0.0, OCCUPANCY_WEIGHT)
        )
        return OCCUPANCY_WEIGHT if leaning > without else 0.0

    def _within(self, logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
        """Mean log probability within one second of the truth; one answer in a hundred is taken for a guess."""
        posterior = np.exp(log_posterior(logits))
        total = np.zeros((len(posterior), posterior.shape[1] + 1))
        np.cumsum(posterior, axis=1, out=total[:, 1:])
        low, high = (bound[truth] for bound in self.data.axis.tolerance_range)
        rows = np.arange(len(truth))
        near = total[rows, high] - total[rows, low]
        return float(np.mean(np.log(0.99 * near + 0.01 * (high - low) / posterior.shape[1])))


def select_classifier(
    data: TrainingSet, windows: Sequence[int], candidates: Candidates, seed: int
) -> list[Settings]:
    """Choose decoder and settings for each window by the log score of held-out moments: exactly and within one second.

    Parameters
    ----------
    data
        Training data.
    windows
        Window lengths to try, in samples, the shortest first; of a movie as long as they get better.
    candidates
        What may be chosen.
    seed
        Of the random order of scenes.

    Returns
    -------
    settings
        The best of each window, the best window first.
    """
    folds = list(cross_validation_folds(data))
    if not folds:
        return [_unheard(windows[0], candidates, data)]
    chosen = []
    n_most = MAX_HELD_OUT // len(folds)
    for n_window in windows:
        found = []
        for base, among in _shapes(data, n_window, candidates):
            asked = [_moments_asked(data, test, base, n_most, seed) for _, test in folds]
            trial = _Trial(data, base.windows(data.clean, data.boundary), folds, asked)
            found.append(_best(trial, base, among))
        chosen.append(max(found, key=lambda settings: settings.log_score))
        # Of a movie a window that is too long is too long at any length: the scenes are cut.
        if data.movie_rate_hz and len(chosen) > 1 and chosen[-1].log_score < chosen[-2].log_score:
            break
    return sorted(chosen, key=lambda settings: -settings.log_score)


def _shapes(
    data: TrainingSet, n_window: int, candidates: Candidates
) -> Iterator[tuple[Settings, Candidates]]:
    """One window, and a ladder of windows, with what may read it."""
    base = Settings(n_window, DEFAULT_SHRINKAGE, candidates.similarities[0], 1.0, 0.0)
    yield base, candidates
    spans = window_spans(n_window, data.clean.shape[1])
    if (data.movie is None or data.movie_rate_hz) and spans and candidates.alone[0]:
        yield replace(base, spans=spans), Candidates(candidates.similarities)


def _unheard(n_window: int, candidates: Candidates, data: TrainingSet) -> Settings:
    """Settings when nothing can be held out."""
    settings = Settings(n_window, DEFAULT_SHRINKAGE, candidates.similarities[0], DEFAULT_FACTOR, float("nan"))
    if candidates.alone[0]:
        return settings
    secondary = next(_opinions(data, candidates.opinions[:1]))
    return replace(settings, factor=DEFAULT_FACTOR * candidates.alone[2], secondary=secondary)


def _best(trial: _Trial, base: Settings, candidates: Candidates) -> Settings:
    embeddings, prototypes = _try_prototypes(trial, base, candidates.similarities)
    top = max(prototypes, key=lambda heard: heard.settings.log_score)
    # The best of each similarity: the likeliest of all may be one that is held back for hearing the gain.
    of_kind = [[h for h in prototypes if h.settings.cosine == cosine] for cosine in candidates.similarities]
    found = [max(same, key=lambda h: h.settings.log_score) for same in of_kind if candidates.alone[0]]
    opinions = list(_try_opinions(trial, top.settings, embeddings, candidates.opinions))
    if candidates.alone[1]:
        found += opinions
    if candidates.alone[2]:
        # Neighbours repeat what the prototypes say, at ten times the cost of a step.
        linear = [heard for heard in opinions if (o := heard.settings.secondary) is None or o.name != "knn"]
        for cosine in candidates.similarities:
            same = [heard for heard in prototypes if heard.settings.cosine == cosine]
            best = max(same, key=lambda heard: heard.settings.log_score)
            found += [_blend(trial, best, other, share) for other in linear for share in SHARES]
    unsteady = UNSTEADY if trial.data.kind is Kind.SPIKES and True in candidates.similarities else 0.0

    def merit(heard: _Heard) -> float:
        settings, secondary = heard.settings, heard.settings.secondary
        handicapped = settings.factor > 0 and not settings.cosine
        handicapped |= secondary is not None and secondary.name in ("gaussian_naive_bayes", "knn")
        return heard.settings.log_score - unsteady * handicapped

    return trial.settled(max(found, key=merit))


def _try_prototypes(
    trial: _Trial, base: Settings, similarities: Sequence[bool]
) -> tuple[FoldEmbeddings, list[_Heard]]:
    """Every share of the channels, shrinkage and similarity, and of places every evening out."""
    scaling = feature_scaling(trial.data, base.n_window)
    parts = [state_moments(trial.data, *trial.windows, train, scaling) for train, _ in trial.folds]
    features = [scaling.features(asked[0]) for asked in trial.asked]
    rounds = _evened(trial, parts)
    embeddings: FoldEmbeddings = {}
    found = []
    for share in VOXEL_SHARES if trial.data.kind is Kind.BOLD else (1.0,):
        spectra = [ShrinkagePath(m, share) for m in parts]
        for shrinkage in SHRINKAGES:
            tried = embeddings[shrinkage, share] = [spectrum.embedding(shrinkage) for spectrum in spectra]
            points = [e.project(f) for e, f in zip(tried, features, strict=True)]
            for cosine, (smoothing, around) in product(similarities, rounds.items()):
                logits = [
                    fit_prototypes(e, m, cosine=cosine).similarity(unit_length(p) if cosine else p)
                    for e, m, p in zip(tried, around, points, strict=True)
                ]
                settings = replace(base, shrinkage=shrinkage, cosine=cosine, share=share, smoothing=smoothing)
                factor, heard = trial.calibrated(settings, np.concatenate(logits))
                found.append(replace(heard, settings=replace(heard.settings, factor=factor)))
    return embeddings, found


def _evened(trial: _Trial, parts: list[ClassStatistics]) -> dict[float, list[ClassStatistics]]:
    """The moments of each fold by how far places are evened out; of a movie only as they are."""
    if trial.data.movie is not None:
        return {0.0: parts}
    kernels = [diffusion_kernels(trial.data, train, DIFFUSION_TIMES) for train, _ in trial.folds]
    return {
        smoothing: [
            smooth_over_graph(m, of[number]) if smoothing else m for m, of in zip(parts, kernels, strict=True)
        ]
        for number, smoothing in enumerate(DIFFUSION_TIMES)
    }


def _try_opinions(
    trial: _Trial,
    base: Settings,
    embeddings: FoldEmbeddings,
    names: Sequence[str],
) -> Iterator[_Heard]:
    """Opinions alone, each calibrated."""
    scaling = feature_scaling(trial.data, base.n_window)
    for settings in _opinions(trial.data, names):
        logits = []
        for (train, _), asked, embedding in zip(
            trial.folds, trial.asked, embeddings[base.shrinkage, base.share], strict=True
        ):
            secondary = fit_secondary(trial.data, trial.windows, train, scaling, embedding, settings)
            logits.append(
                secondary.logits(asked[0], unit_length(embedding.project(scaling.features(asked[0]))))
            )
        factor, heard = trial.calibrated(replace(base, factor=0.0), np.concatenate(logits))
        yield replace(
            heard, settings=replace(heard.settings, secondary=replace(settings, inverse_temperature=factor))
        )


def _opinions(data: TrainingSet, names: Sequence[str]) -> Iterator[SecondarySettings]:
    smooth = (1.0, 2.0) if data.movie is not None and data.movie_rate_hz else (0.0,)
    for name in names:
        if name == "knn":
            yield from (SecondarySettings(name, k=k, sharpness=s) for k, s in ((45, 20.0), (150, 40.0)))
        elif name == "naive_bayes" and data.kind is Kind.SPIKES:
            yield from (SecondarySettings(name, width, shape) for width in smooth for shape in GAIN_SHAPES)
        elif name == "naive_bayes" and len(names) == 1:
            raise BadUsage(
                f"Poisson naive Bayes needs spike counts, but these are {data.kind}. Use gaussian_naive_bayes."
            )
        elif name == "gaussian_naive_bayes":
            yield from (SecondarySettings(name, width) for width in smooth[:1])


def _blend(trial: _Trial, prototypes: _Heard, other: _Heard, share: float) -> _Heard:
    """PosteriorPair together, the opinion with a share of the say."""
    settings, secondary = prototypes.settings, other.settings.secondary
    assert secondary is not None
    mixed = (1 - share) * prototypes.logits + share * other.logits
    factor, heard = trial.calibrated(settings, mixed, reach=3.0)
    return replace(
        heard,
        settings=replace(
            heard.settings,
            factor=settings.factor * (1 - share) * factor,
            secondary=replace(secondary, inverse_temperature=secondary.inverse_temperature * share * factor),
        ),
    )


def _moments_asked(
    data: TrainingSet, test: NDArray[np.bool_], base: Settings, n_most: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Window sums, fullness and truth of held-out moments, in order and (of a movie) with scenes shuffled."""
    asked = []
    for passage in validation_sequences(data, test, np.random.default_rng(seed)):
        sums, fullness = base.windows(passage.clean, passage.boundary)
        asked.append((sums, fullness, passage.state))
    sums, fullness, state = (np.concatenate([a[column] for a in asked]) for column in range(3))
    index = evenly_spaced(np.ones(len(state), bool), n_most)
    return sums[index], fullness[index], state[index]
