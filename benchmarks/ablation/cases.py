"""The recordings on which parts of the decoder are switched off, each with its training and test data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import v1_sized
from benchmarks.haxby.prepare import load as load_haxby
from benchmarks.independent.recordings import KINDS
from benchmarks.presets.__main__ import split_repeats
from benchmarks.rats.prepare import Fold, buddy_folds, load_track, track_folds
from decoders.data.training_set import with_repeat_boundaries
from decoders.fitting.options import FitOptions
from replay_data.simulate import PRESETS, simulate
from stream.session import Session

SHORT = {
    "demo": replace(PRESETS["demo"], n_train=5, episode=(2, 3), n_scenes=4),
    "sparse-gain-30": replace(PRESETS["sparse-gain-30"], n_train=5, episode=(2, 3), n_scenes=4),
    "many-scenes": replace(PRESETS["many-scenes"], n_units=400, n_scenes=8, n_unseen=8),
}
"""Presets of the simulator, made shorter."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Training data, how to fit on them, and test data by name."""

    train: Session
    options: FitOptions
    tests: dict[str, Session]


def preset(name: str) -> Callable[[int, Path | None], Case]:
    """Return a maker of short presets, tested on each of their last repeats."""

    def make(seed: int, _: Path | None) -> Case:
        session = simulate(SHORT[name], seed)
        train, test = split_repeats(name, session)
        tests = {f"repeat {r}": with_repeat_boundaries(session.select_repeats((r,))) for r in test}
        return Case(session, FitOptions(train_repeats=train, seed=seed), tests)

    return make


def independent(name: str) -> Callable[[int, Path | None], Case]:
    """Return a maker of independent recordings, tested on each of their test repeats."""

    def make(seed: int, _: Path | None) -> Case:
        recording = KINDS[name](seed)
        tests = {
            f"{test} {repeat}": with_repeat_boundaries(recording.session.select_repeats((repeat,)))
            for test, repeats in recording.tests.items()
            for repeat in repeats
        }
        return Case(recording.session, FitOptions(train_repeats=recording.train, seed=seed), tests)

    return make


def v1(seed: int, _: Path | None) -> Case:
    """Make a recording of one-second bins, tested in order and shuffled."""
    session, shuffled = v1_sized.simulated_sessions(seed, "of a movie")
    in_order = session.select_repeats(range(len(v1_sized.TRAIN), v1_sized.N_REPEATS))
    tests = {"in order": with_repeat_boundaries(in_order), "shuffled": with_repeat_boundaries(shuffled)}
    return Case(session, FitOptions(train_repeats=v1_sized.TRAIN, seed=seed), tests)


def haxby(number: int, data: Path | None) -> Case:
    """Load the scan and leave out every third run in turn."""
    assert data is not None
    session = load_haxby(data)
    in_test = session.repeat == session.repeats[3 * number]
    test = with_repeat_boundaries(session.take(in_test))
    return Case(session.take(~in_test), FitOptions(), {"run": test})


def buddy(number: int, data: Path | None) -> Case:
    """Load a fold of the rat on a track, tested on its laps."""
    assert data is not None
    return _fold(list(buddy_folds(data))[number])


def track(number: int, data: Path | None) -> Case:
    """Load a fold of the other rat."""
    assert data is not None
    return _fold(list(track_folds(load_track(data)))[number])


def _fold(fold: Fold) -> Case:
    return Case(fold.train, FitOptions(), {"fold": fold.test})


CASES: dict[str, tuple[Callable[[int, Path | None], Case], int]] = {
    "v1-sized": (v1, 6),
    "fmri-rest": (independent("fmri-rest"), 3),
    "eeg-769": (independent("eeg-769"), 3),
    "rat track": (track, 3),
    "rat buddy": (buddy, 5),
    "sparse-gain-30": (preset("sparse-gain-30"), 2),
    "haxby": (haxby, 4),
    "many-scenes": (preset("many-scenes"), 2),
    "demo": (preset("demo"), 2),
    "gray-5": (independent("gray-5"), 1),
}
"""Makers of the cases by name of the recording, each with its number of seeds or folds."""

NEED_DATA = ("rat buddy", "rat track", "haxby")
"""Recordings that are read from the data folder."""
