"""Selection of the lag of a signal behind the stimulus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.fitting.select_lag import select_lag
from stream.errors import BadUsage
from stream.session import Kind, Session
from tests.decoders.test_bold import RUN, scan


@pytest.fixture(scope="module")
def run() -> Session:
    return scan(n_runs=1)


def prefers_long_lags(n_lag: int) -> float:
    return float(n_lag)


@pytest.mark.parametrize("lag_s", [-1.0, 21.0, float("nan")])
def test_a_lag_out_of_range_is_refused(run: Session, lag_s: float) -> None:
    with pytest.raises(BadUsage, match="give 0 to 20"):
        select_lag(run, lag_s, prefers_long_lags)


def test_a_lag_needs_a_regular_rate(run: Session) -> None:
    with pytest.raises(BadUsage, match="regular sampling rate"):
        select_lag(replace(run, rate_hz=0.0), 4.0, prefers_long_lags)


def test_other_signals_than_bold_have_no_lag_by_default(run: Session) -> None:
    spikes = replace(run, kind=Kind.SPIKES)
    assert select_lag(spikes, None, prefers_long_lags) == 0
    assert select_lag(spikes, 4.0, prefers_long_lags) == 2


def test_the_lag_with_the_best_score_is_selected(run: Session) -> None:
    assert select_lag(run, None, prefers_long_lags) == 4
    assert select_lag(run, None, lambda n_lag: -abs(n_lag - 2.0)) == 2


def test_candidate_lags_are_short_relative_to_the_segments(run: Session) -> None:
    short = replace(run, segment=(np.arange(RUN) // 20).astype(np.int32))
    assert select_lag(short, None, prefers_long_lags) == 2
