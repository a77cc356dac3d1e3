"""What ``bench fit`` and ``bench decode`` measure on: the bundled recording, or the same with 1,000 units."""

from __future__ import annotations

from dataclasses import dataclass

from decoders.data.training_set import with_repeat_boundaries
from stream.session import Session

UNITS = (120, 1000)


@dataclass(frozen=True, slots=True, eq=False)
class BenchData:
    """One recording, split.

    Attributes
    ----------
    name
        Of the preset it was simulated with.
    train, test
        Showings that share none; every showing is a segment of its own.
    train_repeats
        Numbers of the training showings.
    whole
        Everything.
    """

    name: str
    train: Session
    test: Session
    train_repeats: tuple[int, ...]
    whole: Session


def bench_data(n_units: int) -> BenchData:
    """The recording with so many units.

    Parameters
    ----------
    n_units
        One of `UNITS`.
    """
    from replay_data.bundle import TRAIN_REPEATS, demo_recording
    from stream.io.session_io import load_session

    if n_units == UNITS[0]:
        name, whole = "demo", load_session(demo_recording())
    else:
        from replay_data.simulate import simulate

        name = "units-1000"
        whole = simulate(name, 0)
    others = [repeat for repeat in whole.repeats if repeat not in TRAIN_REPEATS]
    train, test = (with_repeat_boundaries(whole.select_repeats(part)) for part in (TRAIN_REPEATS, others))
    return BenchData(name, train, test, TRAIN_REPEATS, whole)
