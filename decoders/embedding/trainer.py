"""Contrastive training of encoders in torch.

The loss is InfoNCE (van den Oord, Li and Vinyals 2018) on cosine similarities, as in CEBRA (Schneider, Lee and Mathis
2023), averaged over both directions. Since the inputs are whitened, each sample gets a new draw of the noise that it may
have had; this keeps the network from learning the repeats by heart. The optimiser is Adam (Kingma and Ba 2015) with a
warm-up and a cosine decay. Every random draw depends on the seed and the step only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import cos, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.encoder import Encoder
from decoders.embedding.sampler import Index, Sampler
from decoders.errors import TrainingUnavailable
from decoders.serialization import Arrays
from stream.errors import BadUsage

BATCH_SIZE = 512
LEARNING_RATE = 1e-3
WARM_UP = 50
"""Steps in which the learning rate rises."""

NOISE = 1.0
"""Standard deviation of the noise added to the inputs, in units of the whitened noise."""

_BETA = (0.9, 0.99)
_INPUT_LAYER = ("first", "first_bias", "skip")
_SHARED = ("hidden", "hidden_bias", "last", "last_bias")


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
    inputs
        Whitened windows of each recording, float32 [time, inputs]; samples are numbered through all recordings.
    position
        Int64 [time], position in the movie (or in time); samples at nearby positions are not negatives of each other.
        None excludes only the same sample.
    n_near
        Largest difference in ``position`` that is nearby.
    """

    inputs: tuple[NDArray[np.float32], ...]
    position: Index | None = None
    n_near: int = 0

    def excluded(self, anchor: Index, positive: Index) -> NDArray[np.bool_]:
        """Mark the pairs that are not negatives, bool [pairs, pairs]; false on the diagonal of positive pairs."""
        a, b = (
            (anchor, positive) if self.position is None else (self.position[anchor], self.position[positive])
        )
        excluded = np.abs(a[:, None] - b[None, :]) <= self.n_near
        np.fill_diagonal(excluded, False)
        return np.asarray(excluded, np.bool_)


class Trainer:
    """Minimises the InfoNCE loss step by step.

    Parameters
    ----------
    starts
        Encoder of each recording to start from; they share the layers after the input layer, of which the first
        encoder's are used.
    samples
        Training samples.
    sampler
        Draws the positive pairs.
    n_steps
        Number of steps over which the learning rate falls to zero.
    temperature
        Temperature of the InfoNCE loss.
    seed
        Random seed of the noise.
    device
        Device of torch, such as ``cpu`` or ``cuda``.
    trained
        Numbers of the recordings whose input layer is trained; with this, the shared layers stay as they are. None
        trains everything.

    Attributes
    ----------
    step_number
        Steps taken.
    """

    def __init__(
        self,
        starts: Sequence[Encoder],
        samples: Samples,
        sampler: Sampler,
        *,
        n_steps: int,
        temperature: float = 0.1,
        seed: int = 0,
        device: str = "cpu",
        trained: Sequence[int] | None = None,
    ) -> None:
        self._torch = require_torch()
        self._device = _device(self._torch, device)
        self._starts, self._samples, self._sampler = tuple(starts), samples, sampler
        self._n_steps, self._temperature, self._seed = n_steps, temperature, seed
        self._inputs = [self._tensor(inputs) for inputs in samples.inputs]
        self._ends = np.cumsum([len(inputs) for inputs in samples.inputs])
        own = {f"{i}.{name}": getattr(e, name) for i, e in enumerate(starts) for name in _INPUT_LAYER}
        shared = {name: getattr(starts[0], name) for name in _SHARED}
        self._weights = {name: self._tensor(array) for name, array in {**own, **shared}.items()}
        self._trained = list(self._weights)
        if trained is not None:
            self._trained = [f"{i}.{name}" for i in trained for name in _INPUT_LAYER]
        for name in self._trained:
            self._weights[name].requires_grad_()
        self._moment = {name: self._torch.zeros_like(self._weights[name]) for name in self._trained}
        self._square = {name: self._torch.zeros_like(self._weights[name]) for name in self._trained}
        self.step_number = 0

    @property
    def encoders(self) -> list[Encoder]:
        """Encoder of each recording with the present weights."""
        arrays: dict[str, Any] = {name: _array(w) for name, w in self._weights.items()}
        shared = {name: arrays[name] for name in _SHARED}
        return [
            replace(start, **shared, **{name: arrays[f"{i}.{name}"] for name in _INPUT_LAYER})
            for i, start in enumerate(self._starts)
        ]

    @property
    def encoder(self) -> Encoder:
        """The only encoder, or the first recording's."""
        return self.encoders[0]

    def step(self) -> float:
        """Take a step and return the loss before it, in nats."""
        noise = self._torch.Generator(self._device).manual_seed(1_000_003 * self._seed + self.step_number)
        pairs = self._sampler.batch(self.step_number, BATCH_SIZE)
        loss = sum(self._loss(anchor, positive, noise) for anchor, positive in pairs) / len(pairs)
        gradients = self._torch.autograd.grad(loss, [self._weights[name] for name in self._trained])
        self.step_number += 1
        with self._torch.no_grad():
            for name, gradient in zip(self._trained, gradients, strict=True):
                self._adam(name, gradient)
        return float(loss.detach())

    def state(self) -> Arrays:
        """Return the weights and Adam's moments as arrays."""
        kinds = {"weights": self._weights, "moment": self._moment, "square": self._square}
        return {f"{kind}.{name}": _array(w) for kind, by_name in kinds.items() for name, w in by_name.items()}

    def restore(self, state: Arrays, step_number: int) -> None:
        """Continue from what `state` returned after ``step_number`` steps."""
        with self._torch.no_grad():
            for kind, by_name in (
                ("weights", self._weights),
                ("moment", self._moment),
                ("square", self._square),
            ):
                for name, w in by_name.items():
                    w.copy_(self._tensor(state[f"{kind}.{name}"]))
        self.step_number = step_number

    def _adam(self, name: str, gradient: Any) -> None:
        weight, moment, square = self._weights[name], self._moment[name], self._square[name]
        moment.mul_(_BETA[0]).add_(gradient, alpha=1 - _BETA[0])
        square.mul_(_BETA[1]).addcmul_(gradient, gradient, value=1 - _BETA[1])
        size = (square / (1 - _BETA[1] ** self.step_number)).sqrt_().add_(1e-8)
        done = min(1.0, self.step_number / self._n_steps)
        rate = LEARNING_RATE * min(1.0, self.step_number / WARM_UP) * (1 + cos(pi * done)) / 2
        weight.sub_(rate / (1 - _BETA[0] ** self.step_number) * moment / size)

    def _loss(self, anchor: Index, positive: Index, noise: Any) -> Any:
        torch, n = self._torch, len(anchor)
        points = self._points(np.concatenate([anchor, positive]), noise)
        similar = points[:n] @ points[n:].T / self._temperature
        excluded = torch.from_numpy(self._samples.excluded(anchor, positive)).to(self._device)
        similar = similar.masked_fill(excluded, float("-inf"))
        truth = torch.arange(n, device=self._device)
        entropy = torch.nn.functional.cross_entropy
        return (entropy(similar, truth) + entropy(similar.T, truth)) / 2

    def _points(self, index: Index, noise: Any) -> Any:
        """Embed samples with noise added to their inputs, tensor [samples, dimensions]."""
        torch = self._torch
        session = np.searchsorted(self._ends, index, side="right")
        parts, order = [], []
        for number in np.unique(session).tolist():
            at = np.flatnonzero(session == number)
            inputs = self._inputs[number]
            rows = torch.from_numpy(index[at] - self._ends[number] + len(inputs)).to(self._device)
            x = inputs[rows]
            draw = torch.randn(x.shape, generator=noise, device=self._device)
            parts.append(first_layer(torch, self._weights, number, x + NOISE * draw))
            order.append(at)
        back = torch.from_numpy(np.argsort(np.concatenate(order))).to(self._device)
        layer, skip = (torch.cat(part)[back] for part in zip(*parts, strict=True))
        return shared_layers(torch, self._weights, layer, skip)

    def _tensor(self, array: NDArray[Any]) -> Any:
        return self._torch.tensor(array, dtype=self._torch.float32, device=self._device)


def first_layer(torch: Any, weights: dict[str, Any], number: int, x: Any) -> tuple[Any, Any]:
    """Compute the first layer of a recording and its linear path (see `Encoder`)."""
    layer = _gelu(torch, x @ weights[f"{number}.first"] + weights[f"{number}.first_bias"])
    return layer, x @ weights[f"{number}.skip"]


def shared_layers(torch: Any, weights: dict[str, Any], layer: Any, skip: Any) -> Any:
    """Compute points of unit length from the first layer and the linear path (see `Encoder`)."""
    layer = _gelu(torch, layer @ weights["hidden"] + weights["hidden_bias"])
    points = layer @ weights["last"] + weights["last_bias"] + skip
    return points / points.norm(dim=1, keepdim=True).clamp(min=1e-6)


def _gelu(torch: Any, x: Any) -> Any:
    return torch.nn.functional.gelu(x, approximate="tanh")


def _array(tensor: Any) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().cpu().numpy().copy()
    return array


def _device(torch: Any, name: str) -> Any:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadUsage(f"torch cannot use the device {name!r}: {str(error).splitlines()[0]}") from error
    return device


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
