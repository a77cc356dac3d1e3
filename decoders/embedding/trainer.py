"""Contrastive training of the encoder in torch.

The loss is InfoNCE (van den Oord, Li and Vinyals 2018) on cosine similarities, as in CEBRA (Schneider, Lee and Mathis
2023), averaged over both directions. The optimiser is Adam (Kingma and Ba 2015), with decay towards the initial weights
(Li, Grandvalet and Davoine 2018) instead of zero. Every random draw depends on the seed and the step only.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.encoder import ROOT_OFFSET, Encoder, partial_window_gain
from decoders.embedding.sampler import Index, Sampler, window_index
from decoders.errors import TrainingUnavailable
from decoders.serialization import Arrays

BATCH_SIZE = 256
LEARNING_RATE = 1e-3
RELATIVE_RATE = {"taps": 3.0, "mean": 0.3, "projection": 0.3}
"""Learning rates relative to `LEARNING_RATE`: the whitening starts close to its optimum, the blocks start at zero."""

DECAY = 1e-2
"""Weight decay towards the initial weights, per unit of learning rate."""

CHANNEL_DROPOUT = 0.1
"""Probability that a channel is dropped from a training sample."""

ZERO_SCALE = 0.1
"""Assumed magnitude of weights that start at zero."""

_BETA = (0.9, 0.99)
_TRAINED = tuple(f.name for f in fields(Encoder) if f.name != "root")


def require_torch() -> Any:
    """Import and return torch.

    Raises
    ------
    TrainingUnavailable
        When torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise TrainingUnavailable(
            "contrastive training needs torch, which is not installed. Install it with "
            "'pip install neuroreel[train]', or fit with --mode linear."
        ) from error
    return torch


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Training samples, and which of them are excluded as negatives of each other.

    Attributes
    ----------
    clean
        Float32 [time, channels], preprocessed samples.
    boundary
        Bool [time], true where a segment begins.
    position
        Int64 [time], position in the movie (or in time); samples at nearby positions are not negatives of each other.
        None excludes only the same sample.
    n_near
        Largest difference in ``position`` that is nearby.
    """

    clean: NDArray[np.float32]
    boundary: NDArray[np.bool_]
    position: Index | None = None
    n_near: int = 0


class Trainer:
    """Minimises the InfoNCE loss step by step.

    Parameters
    ----------
    start
        Initial encoder, towards which the weights decay.
    samples
        Training samples.
    sampler
        Draws the positive pairs.
    temperature
        Temperature of the InfoNCE loss.
    seed
        Random seed of the channel dropout.
    """

    def __init__(
        self, start: Encoder, samples: Samples, sampler: Sampler, temperature: float, seed: int
    ) -> None:
        self._torch = require_torch()
        self._samples, self._sampler = samples, sampler
        self._temperature, self._seed = temperature, seed
        self._start = {name: self._tensor(getattr(start, name)) for name in _TRAINED}
        # Steps are relative to the weights' magnitude: whitenings of sparse and of dense firing differ a hundredfold.
        self._scale = {name: float(w.square().mean().sqrt()) or ZERO_SCALE for name, w in self._start.items()}
        self._weights = {name: w.clone().requires_grad_() for name, w in self._start.items()}
        self._moment = {name: self._torch.zeros_like(w) for name, w in self._start.items()}
        self._square = {name: self._torch.zeros_like(w) for name, w in self._start.items()}
        self._encoder = start
        self.n_steps = 0

    @property
    def encoder(self) -> Encoder:
        """Encoder with the present weights."""
        arrays = {name: w.detach().numpy().copy() for name, w in self._weights.items()}
        return replace(self._encoder, **arrays)

    def step(self) -> float:
        """Take a step and return the loss before it, in nats."""
        loss = self._torch.zeros(())
        pairs = self._sampler.batch(self.n_steps, BATCH_SIZE)
        rng = np.random.default_rng([self._seed, self.n_steps, 1])
        for anchor, positive in pairs:
            loss = loss + self._loss(anchor, positive, rng) / len(pairs)
        gradients = self._torch.autograd.grad(loss, list(self._weights.values()))
        self.n_steps += 1
        with self._torch.no_grad():
            for name, gradient in zip(self._weights, gradients, strict=True):
                self._adam(name, gradient)
            self._weights["taps"].clamp_(min=0)
        return float(loss.detach())

    def state(self) -> Arrays:
        """Return the weights and Adam's moments as arrays."""
        kinds = {"weights": self._weights, "moment": self._moment, "square": self._square}
        return {
            f"{kind}.{name}": w.detach().numpy().copy()
            for kind, by_name in kinds.items()
            for name, w in by_name.items()
        }

    def restore(self, state: Arrays, n_steps: int) -> None:
        """Continue from what `state` returned after ``n_steps``."""
        for name in _TRAINED:
            self._weights[name] = self._tensor(state[f"weights.{name}"]).requires_grad_()
            self._moment[name] = self._tensor(state[f"moment.{name}"])
            self._square[name] = self._tensor(state[f"square.{name}"])
        self.n_steps = n_steps

    def _adam(self, name: str, gradient: Any) -> None:
        weight, moment, square = self._weights[name], self._moment[name], self._square[name]
        moment.mul_(_BETA[0]).add_(gradient, alpha=1 - _BETA[0])
        square.mul_(_BETA[1]).addcmul_(gradient, gradient, value=1 - _BETA[1])
        size = (square / (1 - _BETA[1] ** self.n_steps)).sqrt_().add_(1e-8)
        scale = self._scale[name]
        rate = LEARNING_RATE * RELATIVE_RATE.get(name, 1.0)
        weight.sub_(rate * scale * (moment / (1 - _BETA[0] ** self.n_steps)) / size)
        weight.sub_(rate * DECAY * (weight - self._start[name]))

    def _loss(self, anchor: Index, positive: Index, rng: np.random.Generator) -> Any:
        both = np.concatenate([anchor, positive])
        window, n_held = window_index(self._samples.boundary, both, self._encoder.n_context)
        x = self._tensor(self._samples.clean[window])
        keep = rng.random((len(both), 1, x.shape[2]), np.float32) >= CHANNEL_DROPOUT
        weight = self._tensor(keep / np.float32(1 - CHANNEL_DROPOUT))
        points = forward(self._torch, self._weights, x, n_held, root=self._encoder.root, keep=weight)
        points = points / points.norm(dim=1, keepdim=True).clamp(min=1e-6)
        similar = points[: len(anchor)] @ points[len(anchor) :].T / self._temperature
        excluded = excluded_negatives(anchor, positive, self._samples)
        similar = similar.masked_fill(self._torch.from_numpy(excluded), float("-inf"))
        truth = self._torch.arange(len(anchor))
        entropy = self._torch.nn.functional.cross_entropy
        return (entropy(similar, truth) + entropy(similar.T, truth)) / 2

    def _tensor(self, array: NDArray[Any]) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(array, np.float32))


def forward(
    torch: Any, weights: dict[str, Any], x: Any, n_held: Index, *, root: bool, keep: Any = None
) -> Any:
    """Compute the encoder's points in torch: temporal filters, then the same as `Encoder.project`.

    Parameters
    ----------
    torch
        The torch module.
    weights
        Tensors by the names of `Encoder`'s attributes.
    x
        Tensor [windows, context, channels], oldest sample first.
    n_held
        Int64 [windows], number of samples inside the segment (see `window_index`).
    root
        See `Encoder`.
    keep
        Tensor [windows, 1, channels], dropout mask that multiplies the filtered samples; None keeps all channels.

    Returns
    -------
    points
        Tensor [windows, dimensions], not of unit length.
    """
    n_context = x.shape[1]
    if int(n_held.min()) < n_context:
        inside = np.arange(n_context)[None, :] >= n_context - n_held[:, None]
        x = x * torch.from_numpy(inside[:, :, None].astype(np.float32))
    scale = torch.from_numpy(partial_window_gain(weights["taps"].detach().numpy())[n_held])
    filtered = torch.einsum("mk,bkc->bmc", weights["taps"], x) * scale[:, :, None]
    if keep is not None:
        filtered = filtered * keep
    if root:
        filtered = (filtered.clamp(min=0) + float(ROOT_OFFSET)).sqrt()
    parts = [
        (filtered[:, i] - weights["mean"][i]) @ weights["projection"][i] for i in range(len(weights["mean"]))
    ]
    point = parts[0]
    for inner, bias, outer in zip(weights["inner"], weights["inner_bias"], weights["outer"], strict=True):
        inputs = torch.cat([point, *parts[1:]], 1)
        point = point + torch.relu(inputs @ inner + bias) @ outer
    return point


def excluded_negatives(anchor: Index, positive: Index, samples: Samples) -> NDArray[np.bool_]:
    """Mark the pairs that are not negatives: nearby in the movie, or the same sample.

    Parameters
    ----------
    anchor, positive
        Int64 [pairs], sample indices.
    samples
        Samples that they index.

    Returns
    -------
    excluded
        Bool [pairs, pairs]; false on the diagonal, which holds the positive pairs.
    """
    if samples.position is None:
        excluded = anchor[:, None] == positive[None, :]
    else:
        distance = np.abs(samples.position[anchor][:, None] - samples.position[positive][None, :])
        excluded = distance <= samples.n_near
    np.fill_diagonal(excluded, False)
    return np.asarray(excluded, np.bool_)


class OneThread:
    """Context manager that limits torch to one thread.

    On a busy machine two threads take ten to twenty times as long, because they wait for each other.
    """

    def __enter__(self) -> None:
        torch = require_torch()
        self._before = int(torch.get_num_threads())
        torch.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        require_torch().set_num_threads(self._before)
