"""Training on a CUDA device against the same on the CPU: ``pytest -s tests/decoders/embedding/test_cuda.py``."""

from __future__ import annotations

import time
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from decoders.embedding.estimator import Embedding

N_FRAMES, N_REPEATS, N_TRAIN = 300, 10, 8
FRAME = np.tile(np.arange(N_FRAMES), N_REPEATS)
REPEAT = np.repeat(np.arange(N_REPEATS), N_FRAMES)
TRAIN = REPEAT < N_TRAIN


def has_cuda() -> bool:
    if find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(not has_cuda(), reason="torch finds no CUDA device"),
]


def animal(seed: int, n_units: int) -> np.ndarray:
    """Counts of units whose rates change smoothly along the movie, float32 [time, units]."""
    rng = np.random.default_rng(seed)
    kernel = np.exp(-0.5 * (np.arange(-12, 13) / 4) ** 2)
    drive = rng.normal(size=(N_FRAMES + 24, n_units))
    smooth = np.stack([np.convolve(d, kernel, "valid") for d in drive.T], 1)
    rates = np.exp(smooth / smooth.std() - 1.5)
    return rng.poisson(rates[FRAME]).astype(np.float32)


def within_ten(points: np.ndarray) -> float:
    """Share of test samples whose frame, decoded by neighbours, is within ten frames."""
    neighbours = KNeighborsClassifier(15, metric="cosine").fit(points[TRAIN], FRAME[TRAIN])
    return float(np.mean(np.abs(neighbours.predict(points[~TRAIN]) - FRAME[~TRAIN]) <= 10))


def trained(recordings: list[np.ndarray], device: str) -> tuple[float, float, float]:
    """Return the mean loss of the last steps, the accuracy of the first recording, and the seconds of training."""
    embedding = Embedding("label", context=10, dimensions=8, steps=400, near=5, device=device)
    begun = time.perf_counter()
    n = len(recordings)
    embedding.fit(
        [counts[TRAIN] for counts in recordings],
        [FRAME[TRAIN]] * n,
        repeat=[REPEAT[TRAIN]] * n,
        segment=[REPEAT[TRAIN]] * n,
    )
    seconds = time.perf_counter() - begun
    accuracy = within_ten(embedding.transform(recordings[0], REPEAT))
    return float(embedding.losses_[-50:].mean()), accuracy, seconds


@pytest.mark.parametrize("n_animals", [1, 3])
def test_cuda_trains_as_well_as_the_cpu(n_animals: int) -> None:
    recordings = [animal(seed, 60 + 20 * seed) for seed in range(n_animals)]
    trained(recordings[:1], "cuda")  # the first use of a device takes seconds
    found = {device: trained(recordings, device) for device in ("cpu", "cuda")}
    for device, (loss, accuracy, seconds) in found.items():
        print(
            f"{n_animals} recordings, {device}: loss {loss:.3f}, within ten frames {accuracy:.3f}, {seconds:.1f} s"
        )
    assert abs(found["cuda"][0] - found["cpu"][0]) < 0.1
    assert abs(found["cuda"][1] - found["cpu"][1]) < 0.03
    assert found["cuda"][1] > 0.8


def test_points_of_a_cuda_embedding_are_computed_without_torch() -> None:
    embedding = Embedding("label", dimensions=3, steps=20, device="cuda").fit(animal(0, 30), FRAME)
    assert embedding.transform(animal(0, 30)).shape == (len(FRAME), 3)
