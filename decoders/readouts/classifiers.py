"""Classifiers of movie frames: prototypes, LDA, Poisson naive Bayes.

Each returns one logit per state (frames and "no stimulus"). An inverse temperature, chosen on held-out data by
`calibrate`, makes their softmax a calibrated posterior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.linear import ClassStatistics, LinearEmbedding, ShrinkagePath
from decoders.embedding.windows import window_features

TOLERANCE = 0.02
"""Precision of the logarithm of an inverse temperature."""

UNOBSERVED_LOGIT = -1e9
"""Logit of a state without training samples."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Converts window sums to features.

    Attributes
    ----------
    n_window
        Window length in samples.
    root
        Whether to take the square root (of spike counts); otherwise sums are divided by the window length.
    total
        Population sum to which each window is scaled, against common gain changes; 0 disables it.

    Examples
    --------
    >>> Scaling(n_window=10, root=True).features(np.array([4.0, 9.0], np.float32)).tolist()
    [2.0, 3.0]
    """

    n_window: int
    root: bool
    total: float = 0.0

    def features(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features float32 [..., channels] for window sums float32 [..., channels]."""
        if self.total > 0:
            population = np.maximum(sums.sum(-1, keepdims=True), 0.05 * self.total)
            sums = sums * (np.float32(self.total) / population)
        return window_features(sums, self.n_window, root=self.root)


@dataclass(frozen=True, slots=True, eq=False)
class Prototypes:
    """Nearest-class-mean classifier: similarity of a whitened point to the prototype of each state.

    The cosine similarity ignores a common gain of the population. The other one is the log likelihood of isotropic
    Gaussian noise, up to a constant of the sample.

    Attributes
    ----------
    prototypes
        Float32 [dimensions, states], class means in the embedding.
    bias
        Float32 [states], added to the similarity; `UNOBSERVED_LOGIT` for states without training samples.
    cosine
        Whether points and prototypes have unit length.
    """

    prototypes: NDArray[np.float32]
    bias: NDArray[np.float32]
    cosine: bool

    def similarity(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32 [..., states] for points float32 [..., dimensions], of unit length when ``cosine``."""
        out: NDArray[np.float32] = points @ self.prototypes + self.bias
        return out


@dataclass(frozen=True, slots=True, eq=False)
class LinearReadout:
    """Linear classifier: LDA and naive Bayes have this form.

    Attributes
    ----------
    weights
        Float32 [channels, states].
    bias
        Float32 [states]; `UNOBSERVED_LOGIT` for states without training samples.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def similarity(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits float32 [..., states] for features float32 [..., channels]."""
        out: NDArray[np.float32] = features @ self.weights + self.bias
        return out


def fit_prototypes(embedding: LinearEmbedding, m: ClassStatistics, *, cosine: bool) -> Prototypes:
    """Project the mean of each state to its prototype.

    Parameters
    ----------
    embedding
        Embedding fitted on the same class statistics.
    m
        Class statistics of the training features.
    cosine
        Whether to scale the prototypes to unit length.
    """
    centres = (m.mean - embedding.mean) @ embedding.projection
    bias = np.where(m.observed, 0.0, UNOBSERVED_LOGIT)
    if cosine:
        centres = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    else:
        bias = bias - 0.5 * (centres**2).sum(1)
    return Prototypes(np.ascontiguousarray(centres.T, np.float32), bias.astype(np.float32), cosine)


def fit_lda(m: ClassStatistics, shrinkage: float, *, diagonal: bool = False) -> LinearReadout:
    """Fit linear discriminant analysis with a shrunk covariance and equal priors (Hastie et al. 2009, section 4.3).

    Parameters
    ----------
    m
        Class statistics of the training features.
    shrinkage
        Shrinkage of the within-class covariance, 0 to 1 (see `decoders.embedding.linear.shrink_covariance`).
    diagonal
        Whether to ignore covariances between features (Gaussian naive Bayes).
    """
    centred = m.mean - m.grand_mean
    if diagonal:
        weights = (
            centred.T / ((1 - shrinkage) * m.variance + shrinkage * max(m.variance.mean(), 1e-12))[:, None]
        )
    else:
        weights = np.zeros(centred.T.shape)
        weights[:, m.observed] = ShrinkagePath(m).solve(shrinkage)
    bias = -0.5 * np.einsum("ij,ji->i", centred, weights) - m.grand_mean @ weights
    return LinearReadout(
        weights.astype(np.float32), np.where(m.observed, bias, UNOBSERVED_LOGIT).astype(np.float32)
    )


def fit_poisson(
    rates: NDArray[np.float64], observed: NDArray[np.bool_], *, gain_shape: float = np.inf
) -> LinearReadout:
    """Fit Poisson naive Bayes on counts, with an unknown gain that all channels share.

    The gain has a gamma prior of mean one and is integrated out, which leaves logits linear in the counts: for counts x
    with sum N, rates r with sum R and shape k, the logit is sum(x log r) - (k + N) log(k + R), up to a constant.

    Parameters
    ----------
    rates
        Float64 [states, channels], expected counts in the window.
    observed
        Bool [states], true for states with training samples.
    gain_shape
        Shape of the gamma prior; the gain's standard deviation is ``gain_shape ** -0.5``. Infinity fixes the gain (plain
        naive Bayes); 0 makes it arbitrary, so that only the relative counts of the channels matter.

    Examples
    --------
    >>> readout = fit_poisson(np.array([[1.0, 4.0], [4.0, 1.0]]), np.array([True, True]))
    >>> readout.similarity(np.array([[0, 5], [5, 0]], np.float32)).argmax(1).tolist()
    [0, 1]
    """
    # The floor keeps a single spike of a channel that was silent in training from excluding a state.
    rates = np.maximum(rates, 0) + 0.05 * rates[observed].mean(0) + 1e-4
    total = rates.sum(1)
    if np.isinf(gain_shape):
        weights, bias = np.log(rates), -total
    else:
        weights = np.log(rates) - np.log(gain_shape + total)[:, None]
        bias = -gain_shape * np.log(gain_shape + total)
    return LinearReadout(
        np.ascontiguousarray(weights.T, np.float32),
        np.where(observed, bias, UNOBSERVED_LOGIT).astype(np.float32),
    )


def log_posterior(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalise logits to log probabilities, float32 [..., states].

    Examples
    --------
    >>> np.exp(log_posterior(np.array([[0.0, 0.0]], np.float32))).tolist()
    [[0.5, 0.5]]
    """
    shifted = logits - logits.max(-1, keepdims=True)
    out: NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return out


def calibrate(
    logits: NDArray[np.float32],
    fullness: NDArray[np.float32],
    state: NDArray[np.int64],
    weight: NDArray[np.float64] | None = None,
    max_inverse_temperature: float = 1000.0,
) -> tuple[float, float]:
    """Choose the inverse temperature that maximises the likelihood of held-out samples.

    This is temperature scaling (Guo et al. 2017), by golden-section search on the logarithm.

    Parameters
    ----------
    logits
        Float32 [time, states], logits of held-out samples.
    fullness
        Float32 [time], share of the window that was filled; it multiplies the logits too, so that partly filled windows
        give flatter posteriors.
    state
        Int64 [time], true states.
    weight
        Float64 [time], what each sample counts; None for equal weights.
    max_inverse_temperature
        Upper bound; the lower bound is its reciprocal.

    Returns
    -------
    inverse_temperature
        Factor on the logits; 1 when no sample has a state of training.
    log_score
        Mean log probability of the true state in nats; ``-inf`` when no sample has a state of training.
    """
    relative = (logits - logits.max(1, keepdims=True)) * fullness[:, None]
    rows = np.arange(len(state))
    usable = relative[rows, state] > UNOBSERVED_LOGIT / 1e3
    relative, truth = relative[usable], state[usable]
    share = np.ones(len(truth)) if weight is None else weight[usable]
    if not share.sum() > 0:
        return 1.0, -np.inf
    share = share / share.sum()
    at_truth = relative[np.arange(len(relative)), truth]

    def score(beta: float) -> float:
        return float(share @ (beta * at_truth - np.log(np.exp(np.float32(beta) * relative).sum(1))))

    low, high = -np.log(max_inverse_temperature), np.log(max_inverse_temperature)
    golden = (np.sqrt(5) - 1) / 2
    n_steps = int(np.ceil(np.log(2 * high / TOLERANCE) / -np.log(golden)))
    a, b = high - golden * (high - low), low + golden * (high - low)
    at_a, at_b = score(np.exp(a)), score(np.exp(b))
    for _ in range(n_steps):
        if at_a > at_b:
            high, b, at_b = b, a, at_a
            a = high - golden * (high - low)
            at_a = score(np.exp(a))
        else:
            low, a, at_a = a, b, at_b
            b = low + golden * (high - low)
            at_b = score(np.exp(b))
    best = float(np.exp((low + high) / 2))
    return best, score(best)
