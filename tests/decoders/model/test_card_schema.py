from __future__ import annotations

import math
from typing import Any

import pytest

from decoders.errors import BadModel
from decoders.model.card_schema import MAX_DELAY_MS, MAX_FRAMES, check_card
from decoders.model.model import Model

INVALID: dict[str, list[Any]] = {
    "channel_names": [None, "x", [], [1, 2], {}],
    "n_frames": [None, "x", 0, -5, 2.0, True, MAX_FRAMES + 1],
    "kind": [None, "x", 3, []],
    "rate_hz": [None, "30", -1, True, math.nan, math.inf, [30]],
    "movie_rate_hz": [None, -1],
    "context_ms": [None, -1],
    "lookahead_ms": [None, -1, MAX_DELAY_MS + 1],
    "lag_ms": [None, MAX_DELAY_MS + 1],
    "shrinkage": [None, -1],
    "channel_share": [0, 1.5, "all"],
    "mode": [None, 3],
    "decoder": [None, 3],
    "recording": [None, 3],
    "labels": [None, "x", [1], [["a"]], [[1, 1]], [["a", 0]], [["a", 1.5]]],
    "clips": [
        None,
        "x",
        [1],
        [{"name": "a"}],
        [{"name": "a", "first_frame": 0, "n_frames": 7, "rate_hz": 30.0}],
    ],
}


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
