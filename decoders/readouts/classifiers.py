"""From neural activity to a probability over movie frames and "no stimulus": several ways, one interface.

Each decoder takes sums over the context window and answers with logits, which `posterior` turns into a calibrated
probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.linear import ClassStatistics, LinearEmbedding, shrink_covariance

TOLERANCE = 0.02
"""How precisely the logarithm of an inverse temperature is found."""

UNOBSERVED_LOGIT = -1e9
"""Logit of a state that training never showed."""

_N_AT_ONCE = 1024  # moments of a recording that are compared with all of training at a time


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """How window sums become features.

    Attributes
    ----------
    n_window
        Samples in the window.
    root
        Whether they are counts whose square root is taken; else they are averaged.
    total
        The population's usual sum, to which each moment is scaled; 0 = moments are left as they are.
    """

    n_window: int
    root: bool
    total: float = 0.0

    def features(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 [..., channels]."""
        if self.total > 0:
            now = np.maximum(sums.sum(-1, keepdims=True), 0.05 * self.total)
            sums = sums * (np.float32(self.total) / now)
        out = np.sqrt(np.maximum(sums, 0)) if self.root else sums * np.float32(1 / self.n_window)
        return np.asarray(out, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Prototypes:
    """Similarity of the whitened point to one prototype per state.

    With ``cosine`` the similarity is that of directions, so a change of the population's gain hardly matters; without
    it, it is the log likelihood of round noise.

    Attributes
    ----------
    prototypes
        Float32 [dimensions, states].
    bias
        Float32 [states]: added to the similarity; `UNOBSERVED_LOGIT` for states that training never showed.
    cosine
        Which similarity.
    """

    prototypes: NDArray[np.float32]
    bias: NDArray[np.float32]
    cosine: bool

    def similarity(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 [..., states] for points float32 [..., dimensions], of unit length when ``cosine``."""
        out: NDArray[np.float32] = points @ self.prototypes + self.bias
        return out


@dataclass(frozen=True, slots=True, eq=False)
class LinearReadout:
    """Logits that are linear in the features: shrinkage LDA and naive Bayes are of this form.

    Attributes
    ----------
    weights
        Float32 [channels, states].
    bias
        Float32 [states].
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def similarity(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 [..., states]."""
        out: NDArray[np.float32] = features @ self.weights + self.bias
        return out


@dataclass(frozen=True, slots=True, eq=False)
class NearestNeighbours:
    """Votes of the k most similar training moments.

    Attributes
    ----------
    points
        Float32 [moments, channels], features of unit length.
    state
        Int64 [moments].
    k
        Votes.
    n_states
        States there are.
    """

    points: NDArray[np.float32]
    state: NDArray[np.int64]
    k: int
    n_states: int

    def similarity(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 [..., states]: log of the share of votes, every state with a small part of one."""
        flat = features.reshape(-1, features.shape[-1])
        parts = [self._votes(flat[at : at + _N_AT_ONCE]) for at in range(0, len(flat), _N_AT_ONCE)]
        return np.concatenate(parts or [self._votes(flat)]).reshape(*features.shape[:-1], -1)

    def _votes(self, flat: NDArray[np.float32]) -> NDArray[np.float32]:
        length = np.sqrt(np.einsum("ij,ij->i", flat, flat))
        near = (flat / np.maximum(length, 1e-12)[:, None]) @ self.points.T
        k = min(self.k, len(self.points))
        chosen = np.argpartition(near, -k, axis=1)[:, -k:]
        votes = np.full((len(flat), self.n_states), 0.1 / self.n_states)
        np.add.at(votes, (np.arange(len(flat))[:, None], self.state[chosen]), 1.0)
        return np.asarray(np.log(votes / votes.sum(1, keepdims=True)), np.float32)


def fit_prototypes(embedding: LinearEmbedding, m: ClassStatistics, *, cosine: bool) -> Prototypes:
    """One prototype per state: where its mean lies in the embedding.

    Parameters
    ----------
    embedding
        Fitted on the same moments.
    m
        Means of the states.
    cosine
        Compare directions.
    """
    centres = (m.mean - embedding.mean) @ embedding.projection
    bias = np.where(m.observed, 0.0, UNOBSERVED_LOGIT)
    if cosine:
        centres = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    else:
        bias = bias - 0.5 * (centres**2).sum(1)
    return Prototypes(np.ascontiguousarray(centres.T, np.float32), bias.astype(np.float32), cosine)


def fit_lda(m: ClassStatistics, shrinkage: float) -> LinearReadout:
    """Linear discriminant analysis with a shrunk covariance and equal priors.

    Parameters
    ----------
    m
        Of the training features.
    shrinkage
        0 to 1, towards a multiple of the identity.
    """
    centred = m.mean - m.grand_mean
    weights = np.linalg.solve(shrink_covariance(m.within, shrinkage), centred.T)
    bias = -0.5 * np.einsum("ij,ji->i", centred, weights) - m.grand_mean @ weights
    return LinearReadout(
        weights.astype(np.float32), np.where(m.observed, bias, UNOBSERVED_LOGIT).astype(np.float32)
    )


def fit_poisson(
    rates: NDArray[np.float64], seen: NDArray[np.bool_], *, gain_shape: float = np.inf
) -> LinearReadout:
    """Poisson naive Bayes on counts, when all channels share a gain that is not known.

    The gain is gamma distributed around one and integrated out, which leaves logits that are linear in the counts:
    for counts x of total N, rates r of total R and shape k, sum x log r - (k + N) log(k + R).

    Parameters
    ----------
    rates
        Float64 [states, channels], expected counts in the window.
    seen
        Bool [states].
    gain_shape
        How steady the gain is: infinite = plain naive Bayes; 0 = nothing is known of it, so only how the counts divide
        among the channels matters. Its standard deviation is one over the root of this.
    """
    # Half a count over the whole of a state's training is what an unseen spike is worth.
    rates = np.maximum(rates, 0) + 0.05 * rates[seen].mean(0) + 1e-4
    total = rates.sum(1)
    if np.isinf(gain_shape):
        weights, bias = np.log(rates), -total
    else:
        weights = np.log(rates) - np.log(gain_shape + total)[:, None]
        bias = -gain_shape * np.log(gain_shape + total)
    return LinearReadout(
        np.ascontiguousarray(weights.T, np.float32), np.where(seen, bias, UNOBSERVED_LOGIT).astype(np.float32)
    )


def log_posterior(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalise logits, float32 [..., states]."""
    top = logits.max(-1, keepdims=True)
    shifted = logits - top
    out: NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return out


def calibrate(
    logits: NDArray[np.float32],
    fullness: NDArray[np.float32],
    state: NDArray[np.int64],
    reach: float = 1000.0,
) -> tuple[float, float]:
    """Choose the factor on the logits that makes held-out moments likeliest.

    Parameters
    ----------
    logits
        Float32 [time, states], of held-out moments.
    fullness
        Float32 [time], how full the window was: it multiplies the logits too, so partial windows answer flatter.
    state
        Int64 [time], the truth.
    reach
        The factor lies between this and one over this.

    Returns
    -------
    factor
        The inverse temperature.
    log_score
        Mean log probability of the truth, in nats.
    """
    relative = (logits - logits.max(1, keepdims=True)) * fullness[:, None]
    rows = np.arange(len(state))
    usable = relative[rows, state] > UNOBSERVED_LOGIT / 1e3
    relative, truth = relative[usable], state[usable]
    if not len(relative):
        return 1.0, -np.inf
    rows = np.arange(len(relative))
    at_truth = relative[rows, truth]

    def score(factor: float) -> float:
        return float(np.mean(factor * at_truth - np.log(np.exp(np.float32(factor) * relative).sum(1))))

    low, high = -np.log(reach), np.log(reach)
    n_steps = int(np.ceil(np.log(2 * high / TOLERANCE) / -np.log((np.sqrt(5) - 1) / 2)))
    golden = (np.sqrt(5) - 1) / 2
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
