"""Is the simulated population easier to decode than real tissue? The measure, and the table in the README."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from replay_data.movie import RATE_HZ
from replay_data.simulate import PRESETS, simulate
from stream.session import Session

REAL_ACCURACY = {10: 0.458, 30: 0.789, 100: 0.965}
"""What 10, 30 and 100 real V1 units reach (Allen Institute Visual Coding Neuropixels, natural_movie_one)."""

N_TRAIN, N_TEST = 16, 4

Array = NDArray[np.float64]


def nearest_mean_accuracy(
    train: Array, test: Array, n_units: int, rng: np.random.Generator, draws: int = 1000
) -> float:
    """How often the seconds of a movie are told apart by the nearest mean of few units.

    Parameters
    ----------
    train, test
        Mean spike counts [units, seconds] over two disjoint sets of showings.
    n_units
        Units drawn without replacement, again in each draw.
    rng
        Source of randomness.
    draws
        How many random subsets.

    Returns
    -------
    accuracy
        Share of seconds of ``test`` whose nearest second of ``train`` is the same one; square roots of the counts,
        each unit scaled to mean 0 and standard deviation 1 over the seconds of ``train``, Euclidean distance.
    """
    known, asked = np.sqrt(train), np.sqrt(test)
    mean, spread = known.mean(1, keepdims=True), known.std(1, keepdims=True) + 1e-6
    known, asked = (known - mean) / spread, (asked - mean) / spread
    n_seconds = train.shape[1]
    right = 0
    for _ in range(draws):
        units = rng.permutation(len(known))[:n_units]
        few, few_asked = known[units], asked[units]
        distance = (few**2).sum(0)[:, None] - 2 * few.T @ few_asked
        right += int(np.sum(distance.argmin(0) == np.arange(n_seconds)))
    return float(right / (draws * n_seconds))


def counts_per_second(session: Session, repeats: NDArray[np.int64]) -> Array:
    """Mean spike count in each second of the movie.

    Parameters
    ----------
    session
        Whose ``repeats`` were shown in order and whole.
    repeats
        Which showings to average.

    Returns
    -------
    counts
        Float64 [units, seconds].
    """
    per_second = round(RATE_HZ)
    total = np.zeros((session.n_channels, session.n_frames // per_second))
    for repeat in repeats:
        shown = session.neural[session.repeat == repeat].astype(np.float64)
        total += shown.reshape(total.shape[1], per_second, -1).sum(1).T
    return total / len(repeats)


def calibration(n_units: int = 600, draws: int = 1000, seed: int = 0) -> dict[int, float]:
    """Measure the demo's population, drawn larger, as the real one was: sixteen showings, and the four after them.

    Parameters
    ----------
    n_units
        Size of the population from which subsets are drawn.
    draws
        Random subsets of each size.
    seed
        Of the simulation and the draws.

    Returns
    -------
    accuracy
        By number of units, as `REAL_ACCURACY`.
    """
    preset = replace(PRESETS["demo"], n_units=n_units, n_train=N_TRAIN + N_TEST, n_dead=0, n_noisy=0)
    session = simulate(preset, seed)
    rng = np.random.default_rng(seed)
    train = counts_per_second(session, np.arange(N_TRAIN))
    test = counts_per_second(session, np.arange(N_TRAIN, N_TRAIN + N_TEST))
    return {size: nearest_mean_accuracy(train, test, size, rng, draws) for size in REAL_ACCURACY}


def main() -> None:
    """Print the table of the README."""
    print("| units | real V1 | simulated |\n|---|---|---|")
    for size, accuracy in calibration().items():
        print(f"| {size} | {REAL_ACCURACY[size]:.3f} | {accuracy:.3f} |")


if __name__ == "__main__":
    main()
