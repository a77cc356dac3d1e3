from __future__ import annotations

from pathlib import Path

import numpy as np

from decoders.model.model import Model
from neuroreel.bench.scaled_model import repeated_model, repeated_signals
from replay_data.bundle import demo_model, demo_recording
from stream.io.session_io import load_session


def test_model_with_repeated_channels_predicts_the_same(tmp_path: Path) -> None:
    model = Model.load(demo_model())
    repeated_model(model, 300, 30.0).save(tmp_path / "wide.safetensors")
    wide = Model.load(tmp_path / "wide.safetensors")
    neural = np.asarray(load_session(demo_recording()).neural[:60], np.float32)
    signals = repeated_signals(neural, 300)
    for index in range(60):
        one, other = (m.step(x[index], index / 30) for m, x in ((model, neural), (wide, signals)))
        assert np.allclose(one.posterior, other.posterior, atol=1e-3)
