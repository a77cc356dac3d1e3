"""Cards of newly fitted models."""

from __future__ import annotations

import json
from dataclasses import replace

from decoders.data.training_set import concatenate_sessions, training_set
from decoders.fitting.card import new_card
from decoders.fitting.options import FitOptions
from decoders.fitting.settings import ReadoutSettings
from stream.session import Session
from tests.decoders.conftest import N_FRAMES


def test_durations_are_in_milliseconds_and_the_card_is_json(watched: Session) -> None:
    data = replace(training_set(watched, N_FRAMES, 0.3), lag_s=0.5)
    options = FitOptions(lookahead_frames=3, train_repeats=(0, 1))
    settings = ReadoutSettings(6, 0.5, True, 8.0, -1.0, spans=(3, 6), channel_share=0.6)
    card = json.loads(json.dumps(new_card(data, watched, options, settings)))
    assert (card["context_ms"], card["lookahead_ms"], card["lag_ms"]) == (200, 100, 500)
    assert card["windows_ms"] == [100, 200]
    assert card["trained_on"]["repeats"] == [0, 1]
    assert card["trained_on"]["sha256"] == watched.sha256()
    assert card["unused_channels"] == ["unit-3"]
    assert card["decoder"] == "cosine"
    assert card["channel_share"] == 0.6
    assert "simulated" not in card
    simulated = concatenate_sessions([watched, replace(watched, simulated=True)])
    assert new_card(data, simulated, options, settings)["simulated"] is True
