"""Calibration: compares how well the simulated population and real neurons can be decoded; prints the README's table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from replay_data.movie import RATE_HZ
from replay_data.simulate import PRESETS, simulate
from stream.session import Session

REAL_ACCURACY = {10: 0.458, 30: 0.789, 100: 0.965}
"""Accuracy of 10, 30 and 100 real V1 units (Allen Institute Visual Coding Neuropixels, natural_movie_one)."""

N_TRAIN, N_TEST = 16, 4

Array = NDArray[np.float64]


def nearest_mean_accuracy(
    train: Array, test: Array, n_units: int, rng: np.random.Generator, draws: int = 1000
) -> float:
    """Return the nearest-class-mean accuracy of seconds of a movie, averaged over random subsets of units.

    Parameters
    ----------
    train, test
        Float64 [units, seconds], mean spike counts over two disjoint sets of repeats.
    n_units
        Units in each subset.
    rng
        Random generator.
    draws
        Number of random subsets.

    Returns
    -------
    accuracy
        Share of seconds of ``test`` whose nearest second of ``train`` is the same one. The distance is Euclidean, on
        square roots of the counts, with each unit scaled to mean 0 and standard deviation 1 over ``train``.
    """
    means, queries = np.sqrt(train), np.sqrt(test)
    mean, spread = means.mean(1, keepdims=True), means.std(1, keepdims=True) + 1e-6
    means, queries = (means - mean) / spread, (queries - mean) / spread
    n_seconds = train.shape[1]
    n_correct = 0
    for _ in range(draws):
        units = rng.permutation(len(means))[:n_units]
        # The squared norm of the query is the same for all means, so it is left out.
        distance = (means[units] ** 2).sum(0)[:, None] - 2 * means[units].T @ queries[units]
        n_correct += int(np.sum(distance.argmin(0) == np.arange(n_seconds)))
    return float(n_correct / (draws * n_seconds))


def counts_per_second(session: Session, repeats: NDArray[np.int64]) -> Array:
    """Return the mean spike count in each second of the movie.

    Parameters
    ----------
    session
        Recording in which ``repeats`` were shown in order and completely.
    repeats
        Repeats to average.

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
    """Measure the demo's population as the real one was measured: 16 repeats to train, and the next 4 to test.

    Parameters
    ----------
    n_units
        Size of the population from which subsets are drawn.
    draws
        Number of random subsets of each size.
    seed
        Random seed of the simulation and the subsets.

    Returns
    -------
    accuracy
        Accuracy by number of units, as `REAL_ACCURACY`.
    """
    preset = replace(PRESETS["demo"], n_units=n_units, n_train=N_TRAIN + N_TEST, n_dead=0, n_noisy=0)
    session = simulate(preset, seed)
    rng = np.random.default_rng(seed)
    train = counts_per_second(session, np.arange(N_TRAIN))
    test = counts_per_second(session, np.arange(N_TRAIN, N_TRAIN + N_TEST))
    return {size: nearest_mean_accuracy(train, test, size, rng, draws) for size in REAL_ACCURACY}


def main() -> None:
    """Print the README's table."""
    print("| units | real V1 | simulated |\n|---|---|---|")
    for size, accuracy in calibration().items():
        print(f"| {size} | {REAL_ACCURACY[size]:.3f} | {accuracy:.3f} |")


if __name__ == "__main__":
    main()
