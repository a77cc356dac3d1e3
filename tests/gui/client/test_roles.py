"""What a stream must look like, and which of its samples are shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pylsl
import pytest

from decoders.prediction import PREDICTION_CHANNELS
from gui.client.roles import ROLES, shape_problem, usable_rows
from tests.gui.feeds import SOURCE

FLOAT, TEXT = pylsl.cf_float32, pylsl.cf_string
N_CHANNELS = {"prediction": 12, "posterior": 901, "forecast": 44, "embedding": 8, "status": 1, "stimulus": 2,
              "neural": 120, "continuous": 3, "label": 2, "second label": 1}  # fmt: skip
GOOD = np.array([5, 0.5, 6, 0.5, 3.0, np.nan, 7, 100.0, np.nan, np.nan, 0.1, 0])


def problem(role: str, fmt: int, n_channels: int, n_frames: int) -> str:
    return shape_problem(role, pylsl.StreamInfo("V1", "any", n_channels, 0.0, fmt), n_frames)


@pytest.mark.parametrize("role", ROLES)
def test_a_stream_of_the_right_shape_is_opened(role: str) -> None:
    fmt = TEXT if role == "status" else FLOAT
    assert problem(role, fmt, N_CHANNELS[role], 900) == ""


@pytest.mark.parametrize("role", ROLES)
def test_text_in_place_of_numbers_is_refused_and_the_other_way_round(role: str) -> None:
    fmt = FLOAT if role == "status" else TEXT
    assert "instead of" in problem(role, fmt, N_CHANNELS[role], 900)


@pytest.mark.parametrize(
    ("role", "n_channels"),
    [("prediction", 3), ("prediction", 13), ("posterior", 1), ("posterior", 100_000), ("forecast", 7),
     ("stimulus", 65), ("neural", 100_001), ("status", 2)],
)  # fmt: skip
def test_another_number_of_channels_is_refused_with_that_number(role: str, n_channels: int) -> None:
    fmt = TEXT if role == "status" else FLOAT
    assert f"{n_channels} channels instead of" in problem(role, fmt, n_channels, 900)


def test_a_long_movie_has_pooled_channels() -> None:
    assert problem("posterior", FLOAT, 2_000 + 1, 20_000) == ""
    assert problem("posterior", FLOAT, 901, 20_000)


@pytest.mark.parametrize(
    ("channel", "value"),
    [(name, value) for name in ("frame", "confidence", "next_frame", "sequence", "stamp_raw", "entropy_bits")
     for value in (np.nan, np.inf, -np.inf, 1e300)]
    + [("frame", 90), ("frame", -2), ("next_frame", 2.0**40), ("confidence", 7), ("next_confidence", -9),
       ("model_version", -1), ("lag_ms", np.inf)],
)  # fmt: skip
def test_a_prediction_out_of_bounds_is_left_out(channel: str, value: float) -> None:
    rows = np.tile(GOOD, (3, 1))
    rows[1, PREDICTION_CHANNELS.index(channel)] = value
    kept, stamps = usable_rows("prediction", rows, np.array([1.0, 2.0, 3.0]), SOURCE)
    assert stamps.tolist() == [1.0, 3.0]
    assert len(kept) == 2


@pytest.mark.parametrize("role", [role for role in ROLES if role != "status"])
@pytest.mark.parametrize("stamp", [np.nan, np.inf, 1e300])
def test_a_sample_without_a_timestamp_is_left_out(role: str, stamp: float) -> None:
    source = replace(SOURCE, n_frames=900)
    rows = np.tile(GOOD, (2, 1)) if role == "prediction" else np.zeros((2, N_CHANNELS[role]), np.float32)
    kept, stamps = usable_rows(role, rows, np.array([stamp, 3.0]), source)
    assert stamps.tolist() == [3.0]
    assert len(kept) == 1


@pytest.mark.parametrize("role", ["posterior", "forecast", "embedding", "stimulus"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_a_sample_that_is_not_finite_is_left_out(role: str, value: float) -> None:
    rows = np.zeros((2, N_CHANNELS[role]), np.float32)
    rows[0, 0] = value
    assert usable_rows(role, rows, np.array([2.0, 3.0]), SOURCE)[1].tolist() == [3.0]


def test_a_dead_channel_does_not_cost_the_neural_sample() -> None:
    rows = np.array([[np.nan, 1.0], [np.nan, np.nan]], np.float32)
    assert usable_rows("neural", rows, np.array([2.0, 3.0]), SOURCE)[1].tolist() == [2.0]
