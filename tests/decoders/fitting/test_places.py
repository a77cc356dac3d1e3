"""Places of a label: values of a discrete one, clusters of a continuous one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.data.frame_states import FrameStates
from decoders.fitting.places import MAX_VALUES, label_states, n_places_for
from stream.session import Session
from tests.decoders.conftest import places_session

NONE = FrameStates.counted(0)


def labelled(values: np.ndarray) -> Session:
    session = places_session(n_laps=8)
    rows = np.resize(np.asarray(values, np.float32), (session.n_samples, 1))
    return replace(session, labels={"x": rows})


@pytest.mark.parametrize(
    ("values", "frames", "discrete"),
    [
        ([3, 5, 9], "3, 5, 9", True),
        ([-1, 0, 1], "0-2", True),
        ([0.5, 1, 2, np.nan], "0-2", False),
        (np.arange(MAX_VALUES + 1), None, False),
    ],
)
def test_whole_numbers_are_places_by_themselves(
    values: list[float], frames: str | None, discrete: bool
) -> None:
    session = labelled(np.array(values))
    states = label_states([session], session, None, NONE, 0)
    assert states.places is not None
    assert states.places.discrete is discrete
    assert frames is None or str(states) == frames


def test_the_number_of_places_grows_with_the_data() -> None:
    assert [n_places_for(n) for n in (10, 80, 400, 3000, 10_000, 10**7)] == [3, 10, 50, 64, 100, 128]


def test_centres_come_from_the_training_data_alone() -> None:
    whole = labelled(np.linspace(0, 1, 384))
    early = whole.select_time(0, 0.5)
    states = label_states([whole], early, None, NONE, 0)
    assert states.places is not None
    assert states.places.centres.max() <= early.labels["x"].max()
    again = label_states([whole], whole, None, states, 0)
    assert len(again) == len(states)
