from __future__ import annotations

import pytest

from decoders.errors import ModelMismatch
from decoders.model.card_properties import CardProperties
from decoders.model.model import Model
from stream.session import Kind


def test_fields_of_the_card_are_attributes(model: Model) -> None:
    assert model.kind == Kind.SPIKES
    assert model.rate_hz == 30.0
    assert model.n_delay == 0
    assert model.n_frames == model.axis.n_frames == 60
    assert [clip.name for clip in model.clips] == ["first", "second"]
    assert model.tolerance_frames == model.axis.tolerance_frames == 30
    assert model.continuous_channels == ("position",)
    assert model.decoder_embedding == "linear"


def test_labels_with_several_columns_have_one_channel_each(model: Model) -> None:
    card = CardProperties({**model.card, "labels": [["position", 2], ["speed", 1]]})
    assert card.continuous_channels == ("position_0", "position_1", "speed")


def test_lookahead_and_lag_add_up_to_the_delay(model: Model) -> None:
    assert CardProperties({**model.card, "lookahead_ms": 100.0, "lag_ms": 200.0}).n_delay == 9


def test_other_channels_or_rates_are_refused(model: Model) -> None:
    model.check_stream(model.channel_names, 30.1)
    with pytest.raises(ModelMismatch, match="20 channels, the data have 3"):
        model.check_stream(("a", "b", "c"), 30.0)
    with pytest.raises(ModelMismatch, match=r"'unit-1'.*'unit-0'"):
        model.check_stream(("unit-1", "unit-0", *model.channel_names[2:]), 30.0)
    with pytest.raises(ModelMismatch, match="60 Hz"):
        model.check_stream(model.channel_names, 60.0)
