from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.data.delays import Lookback, delay_samples, delay_truth
from decoders.data.training_set import with_repeat_boundaries
from stream.session import Session
from tests.decoders.conftest import watched_session


@given(n_delay=st.integers(0, 90), seed=st.integers(0, 5))
def test_each_sample_gets_the_truth_of_n_delay_samples_before_in_its_segment(n_delay: int, seed: int) -> None:
    session = with_repeat_boundaries(watched_session(seed, n_repeats=4))
    # Each sample is labelled with its own index, which shows where its truth comes from.
    session = replace(session, labels={"number": np.arange(session.n_samples, dtype=np.float32)[:, None]})
    late, kept = delay_truth(session, n_delay)
    index = np.flatnonzero(kept)
    source = late.labels["number"][:, 0].astype(int)
    assert (index - source == n_delay).all()
    assert (session.segment[index] == session.segment[source]).all()
    assert np.array_equal(late.neural, session.neural[index])
    assert np.array_equal(late.frame, session.frame[source])
    assert np.array_equal(late.repeat, session.repeat[source])
    lengths = np.bincount(session.segment)
    assert late.n_samples == np.maximum(lengths - n_delay, 0).sum()


def test_no_delay_changes_nothing(watched: Session) -> None:
    same, kept = delay_truth(watched, 0)
    assert same is watched
    assert kept.all()


def test_lookback_returns_the_delayed_timestamp_and_whether_it_is_known() -> None:
    lookback = Lookback(2)
    assert [lookback.push(t) for t in (1.0, 2.0, 3.0, 4.0)] == [
        (1.0, False),
        (1.0, False),
        (1.0, True),
        (2.0, True),
    ]
    other = Lookback(2)
    other.take_over(lookback)
    lookback.reset()
    assert lookback.push(9.0) == (9.0, False)
    assert other.push(5.0) == (3.0, True)


@pytest.mark.parametrize(
    ("lookahead", "lag", "samples"), [(0, 0, 0), (66.667, 0, 2), (0, 100, 3), (33.3, 33.3, 2)]
)
def test_delay_in_samples_from_a_card(lookahead: float, lag: float, samples: int) -> None:
    assert delay_samples({"lookahead_ms": lookahead, "lag_ms": lag, "rate_hz": 30.0}) == samples
