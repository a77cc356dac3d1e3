"""The engine's description of itself, read from its prediction stream."""

from __future__ import annotations

import math

from gui.client.inlet import DisplayInlet
from gui.state.snapshot import Source


def parse_engine_info(inlet: DisplayInlet) -> Source:
    """Parse the engine's description in its prediction stream.

    Parameters
    ----------
    link
        Inlet of the prediction stream.
    """
    facts = inlet.facts
    name = inlet.name.removesuffix("-prediction")
    stamp_rate = _number(facts.get("stamp_rate"), 1.0) or 1.0
    movie_rate = _number(facts.get("movie_rate_hz"), 0.0)
    return Source(
        name=name,
        neural_name=facts.get("source_stream", name),
        hostname=inlet.hostname,
        mode=facts.get("mode", ""),
        speed=facts.get("speed", "1"),
        rate_hz=_number(facts.get("recorded_rate_hz"), inlet.rate_hz / stamp_rate),
        stamp_rate=stamp_rate,
        n_frames=int(_number(facts.get("n_frames"), 0)),
        movie_rate_hz=movie_rate,
        tolerance_frames=int(_number(facts.get("tolerance_frames"), round(movie_rate))),
        movie_name=facts.get("movie_name", ""),
        playback=facts.get("playback", "on") == "on",
        lookahead_ms=_number(facts.get("lookahead_ms"), 0.0),
        signal_lag_ms=_number(facts.get("signal_lag_ms"), 0.0),
        recording=facts.get("recording", ""),
        model_path=facts.get("model_path", ""),
        model_hash=facts.get("model_hash", ""),
    )


def _number(text: str | None, default: float) -> float:
    try:
        number = float(text) if text is not None else default
    except ValueError:
        return default
    return number if math.isfinite(number) else default
