"""Options of a fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from decoders.errors import BadSplit
from decoders.fitting.options import FitOptions
from stream.errors import BadUsage


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"positives": "colours"}, BadUsage, "unknown positives 'colours'"),
        ({"resume": Path("training")}, BadUsage, "no training to resume"),
        ({"mode": "magic"}, BadUsage, "unknown mode 'magic'"),
        ({"decoder": "oracle"}, BadUsage, "unknown decoder 'oracle'"),
        ({"lookahead_frames": -1}, BadUsage, "lookahead of -1"),
        ({"lookahead_frames": 201}, BadUsage, "give 0 to 200"),
        ({"context_s": -1.0}, BadUsage, "context of -1"),
        ({"train_repeats": (0,), "train_time": (0, 0.5)}, BadSplit, "only one"),
    ],
)
def test_invalid_options_are_refused(options: dict, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        FitOptions(**options)
