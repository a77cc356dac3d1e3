"""Contrastive training of the encoder, in torch: InfoNCE, gentle steps, everything from a seed."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.encoder import ROOT_OFFSET, Encoder, partial_window_gain
from decoders.embedding.sampler import Index, Sampler, window_index
from decoders.errors import TrainingUnavailable
from decoders.serialization import Arrays

BATCH = 256
RATE = 1e-3
RATE_OF = {"taps": 3.0, "mean": 0.3, "projection": 0.3}
"""Learning rates relative to `RATE`: the whitening is close to right, the blocks begin as nothing."""

DECAY = 1e-2
"""How much of the way back to its start each weight is pulled per unit of learning rate."""

DROPPED = 0.1
"""Share of the channels that each training moment does without."""

ZERO_SCALE = 0.1
"""Taken for the size of weights that begin at zero."""

_BETA = (0.9, 0.99)
_TRAINED = tuple(f.name for f in fields(Encoder) if f.name != "root")


def require_torch() -> Any:
    """The torch module, or an error that says how to get it.

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
    """What is trained on.

    Attributes
    ----------
    clean
        Float32 [time, channels].
    border
        Bool [time].
    place
        Int64 [time], where in the movie each is; moments near one another are never taken for negatives. None = every
        other moment is one.
    n_near
        Steps of ``place`` that are near.
    """

    clean: NDArray[np.float32]
    boundary: NDArray[np.bool_]
    place: Index | None = None
    n_near: int = 0


class Trainer:
    """Adam on the InfoNCE loss, one step at a time; its state can be kept in a file.

    Parameters
    ----------
    start
        The encoder to begin with, and to be pulled back to.
    samples
        To train on.
    sampler
        Draws the pairs.
    temperature
        Of the loss.
    seed
        Of the channels that are dropped.
    """

    def __init__(
        self, start: Encoder, samples: Samples, sampler: Sampler, temperature: float, seed: int
    ) -> None:
        self._torch = require_torch()
        self._samples, self._sampler = samples, sampler
        self._temperature, self._seed = temperature, seed
        self._start = {name: self._tensor(getattr(start, name)) for name in _TRAINED}
        # Relative to how large the weights are: whitenings of sparse and of dense firing differ a hundredfold.
        self._scale = {name: float(w.square().mean().sqrt()) or ZERO_SCALE for name, w in self._start.items()}
        self._weights = {name: w.clone().requires_grad_() for name, w in self._start.items()}
        self._moment = {name: self._torch.zeros_like(w) for name, w in self._start.items()}
        self._square = {name: self._torch.zeros_like(w) for name, w in self._start.items()}
        self._encoder = start
        self.n_steps = 0

    @property
    def encoder(self) -> Encoder:
        """As trained so far."""
        arrays = {name: w.detach().numpy().copy() for name, w in self._weights.items()}
        return replace(self._encoder, **arrays)

    def step(self) -> float:
        """Take one step; the loss before it, in nats."""
        loss = self._torch.zeros(())
        pairs = self._sampler.batch(self.n_steps, BATCH)
        rng = np.random.default_rng([self._seed, self.n_steps, 1])
        for anchor, partner in pairs:
            loss = loss + self._loss(anchor, partner, rng) / len(pairs)
        gradients = self._torch.autograd.grad(loss, list(self._weights.values()))
        self.n_steps += 1
        with self._torch.no_grad():
            for name, gradient in zip(self._weights, gradients, strict=True):
                self._adam(name, gradient)
            self._weights["taps"].clamp_(min=0)
        return float(loss.detach())

    def state(self) -> Arrays:
        """Weights and Adam's memory as arrays."""
        kinds = {"weights": self._weights, "moment": self._moment, "square": self._square}
        return {
            f"{kind}.{name}": w.detach().numpy().copy()
            for kind, by_name in kinds.items()
            for name, w in by_name.items()
        }

    def restore(self, state: Arrays, n_steps: int) -> None:
        """Go on from what `state` gave after ``n_steps``."""
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
        rate = RATE * RATE_OF.get(name, 1.0)
        weight.sub_(rate * scale * (moment / (1 - _BETA[0] ** self.n_steps)) / size)
        weight.sub_(rate * DECAY * (weight - self._start[name]))

    def _loss(self, anchor: Index, partner: Index, rng: np.random.Generator) -> Any:
        both = np.concatenate([anchor, partner])
        window, held = window_index(self._samples.boundary, both, self._encoder.n_context)
        x = self._tensor(self._samples.clean[window])
        keep = rng.random((len(both), 1, x.shape[2]), np.float32) >= DROPPED
        weight = self._tensor(keep / np.float32(1 - DROPPED))
        points = forward(self._torch, self._weights, x, held, root=self._encoder.root, keep=weight)
        points = points / points.norm(dim=1, keepdim=True).clamp(min=1e-6)
        similar = points[: len(anchor)] @ points[len(anchor) :].T / self._temperature
        same = excluded_negatives(anchor, partner, self._samples)
        similar = similar.masked_fill(self._torch.from_numpy(same), float("-inf"))
        truth = self._torch.arange(len(anchor))
        entropy = self._torch.nn.functional.cross_entropy
        return (entropy(similar, truth) + entropy(similar.T, truth)) / 2

    def _tensor(self, array: NDArray[Any]) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(array, np.float32))


def forward(torch: Any, weights: dict[str, Any], x: Any, held: Index, *, root: bool, keep: Any = None) -> Any:
    """`Encoder.project` after filtering, in torch.

    Parameters
    ----------
    torch
        The module.
    weights
        Tensors by the encoder's names.
    x
        Tensor [windows, context, channels], the oldest sample first.
    held
        Int64 [windows], samples that are real.
    root
        As in `Encoder`.
    keep
        Tensor [windows, 1, channels] that the filtered samples are multiplied with; None = all are kept.

    Returns
    -------
    points
        Tensor [windows, dimensions], not of unit length.
    """
    n_context = x.shape[1]
    if int(held.min()) < n_context:
        real = np.arange(n_context)[None, :] >= n_context - held[:, None]
        x = x * torch.from_numpy(real[:, :, None].astype(np.float32))
    scale = torch.from_numpy(partial_window_gain(weights["taps"].detach().numpy())[held])
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
        seen = torch.cat([point, *parts[1:]], 1)
        point = point + torch.relu(seen @ inner + bias) @ outer
    return point


def excluded_negatives(anchor: Index, partner: Index, samples: Samples) -> NDArray[np.bool_]:
    """Pairs that are no negatives: near in the movie, or the same sample; never the positive itself.

    Parameters
    ----------
    anchor, partner
        Int64 [pairs].
    samples
        That they index.

    Returns
    -------
    same
        Bool [pairs, pairs], its diagonal false.
    """
    place = samples.place
    of_anchor, of_partner = (anchor, partner) if place is None else (place[anchor], place[partner])
    same = np.abs(of_anchor[:, None] - of_partner[None, :]) <= (samples.n_near if place is not None else 0)
    np.fill_diagonal(same, False)
    return np.asarray(same, np.bool_)


class OneThread:
    """One thread while training, and what was before afterwards.

    With two, a machine that has anything else to do takes ten to twenty times as long: they wait for each other.
    """

    def __enter__(self) -> None:
        torch = require_torch()
        self._before = int(torch.get_num_threads())
        torch.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        require_torch().set_num_threads(self._before)
