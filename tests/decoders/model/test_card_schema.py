from __future__ import annotations

import math
from typing import Any

import pytest

from decoders.errors import BadModel
from decoders.model.card_schema import MAX_DELAY_MS, MAX_FRAMES, check_card, check_limits
from decoders.model.model import Model
from stream.errors import BadRecording

INVALID: dict[str, list[Any]] = {
    "channel_names": [None, "x", [], [1, 2], {}],
    "n_frames": [None, "x", 0, -5, 2.0, True, MAX_FRAMES + 1],
    "kind": [None, "x", 3, []],
    "rate_hz": [None, "30", -1, True, math.nan, math.inf, [30], 1e6, 1e308, 10**400],
    "movie_rate_hz": [None, -1, 1e6, 1e308, 10**400],
    "context_ms": [None, -1, 1e9, 1e308, 10**400],
    "lookahead_ms": [None, -1, MAX_DELAY_MS + 1],
    "lag_ms": [None, MAX_DELAY_MS + 1, 10**400],
    "shrinkage": [None, -1, 10**400],
    "channel_share": [0, 1.5, "all"],
    "mode": [None, 3],
    "decoder": [None, 3],
    "recording": [None, 3],
    "labels": [
        None,
        "x",
        [1],
        [["a"]],
        [[1, 1]],
        [["a", 0]],
        [["a", 1.5]],
        [["a", 10_000]],
        [["a", 600], ["b", 600]],
    ],
    "clips": [
        None,
        "x",
        [1],
        [{"name": "a"}],
        [{"name": "a", "first_frame": 0, "n_frames": 7, "rate_hz": 30.0}],
        [{"name": "a", "first_frame": 0, "n_frames": 30, "rate_hz": 10**400}],
        [{"name": 3, "first_frame": 0, "n_frames": 30, "rate_hz": 30}],
    ],
}


OPTIONAL: dict[str, Any] = {
    "train_seconds": 1e300,
    "posterior_power": "x",
    "seed": 1.5,
    "trained_on": [],
    "scores": {"a": [math.nan]},
    "baselines": {"lda": {"power": 10**400}},
    "simulated": 1,
    "baseline_accuracy": {"lda": 1.2},
    "forecast_floors": {"persistence": [0.1, 0.2]},
    "windows_ms": [[[[[[[[[[[1]]]]]]]]]]],
}


@pytest.mark.parametrize("field", OPTIONAL)
def test_invalid_values_of_other_fields_are_named(model: Model, field: str) -> None:
    with pytest.raises(BadModel, match=rf"card has {field} = .*Fit the model again"):
        check_card({**model.card, field: OPTIONAL[field]})


@pytest.mark.parametrize(
    "value", [None, 3, "", "0-58", "0-60", "59-0", "0-29, 20-49", "0-99999999999", ["0-59"]]
)
def test_frames_must_be_as_many_as_the_model_decodes(model: Model, value: Any) -> None:
    with pytest.raises(BadModel, match=r"card has frames = .*Fit the model again"):
        check_card({**model.card, "frames": value})


PLACES = {"label": "position", "centres": [[float(i)] for i in range(60)], "scale": [1.0]}


@pytest.mark.parametrize(
    "value",
    [None, 3, [], {}, PLACES | {"label": "speed"}, PLACES | {"scale": [0.0]}, PLACES | {"scale": [1.0, 1.0]},
     PLACES | {"centres": [[0.0], [1.0]]}, PLACES | {"centres": "x"}, PLACES | {"centres": [[0.0], [1.0, 2.0]]}],
)  # fmt: skip
def test_places_must_fit_frames_and_labels(model: Model, value: Any) -> None:
    check_card({**model.card, "places": PLACES})
    with pytest.raises(BadModel, match=r"card has places = .*Fit the model again"):
        check_card({**model.card, "places": value})


def test_a_fitted_models_card_is_valid(model: Model) -> None:
    check_card(model.card)


@pytest.mark.parametrize("field", INVALID)
def test_missing_and_invalid_fields_are_named(model: Model, field: str) -> None:
    for value in INVALID[field]:
        with pytest.raises(BadModel, match=rf"card has {field} = .*Fit the model again"):
            check_card({**model.card, field: value})
    if field != "channel_share":  # cards of earlier versions lack it
        with pytest.raises(BadModel, match=rf"card has {field} = None"):
            check_card({name: value for name, value in model.card.items() if name != field})


def test_samples_too_far_apart_are_refused_before_fitting() -> None:
    check_limits(1 / 600, 0.0, 0, 0.0)
    with pytest.raises(BadRecording, match="at most 600 s apart, got 1e"):
        check_limits(1e-6, 0.0, 0, 0.0)
