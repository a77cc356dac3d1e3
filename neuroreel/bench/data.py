"""Recordings for ``bench fit`` and ``bench decode``: the bundled one, or a simulated one with 1,000 units."""

from __future__ import annotations

from dataclasses import dataclass

from decoders.data.training_set import with_repeat_boundaries
from stream.session import Session

UNITS = (120, 1000)


@dataclass(frozen=True, slots=True, eq=False)
class BenchData:
    """A recording split into training and test repeats.

    Attributes
    ----------
    name
        Name of the simulation preset.
    train, test
        Disjoint sets of repeats; each repeat is a segment of its own.
    train_repeats
        Numbers of the training repeats.
    whole
        The whole recording.
    """

    name: str
    train: Session
    test: Session
    train_repeats: tuple[int, ...]
    whole: Session


def bench_data(n_units: int) -> BenchData:
    """Load or simulate the recording with a given number of units.

    Parameters
    ----------
    n_units
        Number of units, one of `UNITS`.
    """
    from replay_data.bundle import TRAIN_REPEATS, demo_recording
    from stream.io.session_io import load_session

    if n_units == UNITS[0]:
        name, whole = "demo", load_session(demo_recording())
    else:
        from replay_data.simulate import simulate

        name = "units-1000"
        whole = simulate(name, 0)
    test_repeats = [repeat for repeat in whole.repeats if repeat not in TRAIN_REPEATS]
    train, test = (
        with_repeat_boundaries(whole.select_repeats(part)) for part in (TRAIN_REPEATS, test_repeats)
    )
    return BenchData(name, train, test, TRAIN_REPEATS, whole)
