"""What a running engine may be told, and what it says of itself."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass

from decoders.model.model import Model
from stream.acquisition.channel_health import ChannelHealth
from stream.lsl.connection import Connection
from stream.notices import Notices
from stream.session import Kind


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What a running engine may be told.

    Attributes
    ----------
    name
        What the output streams are called.
    seconds
        Stop after this long; None = until stopped or until a replay announces its end.
    stimulus_offset_ms
        Added to the stamps of the stimulus: the time the monitor takes to show a frame.
    await_consumer_s
        Wait up to this long for somebody to listen before the first frame is taken.
    model_path
        Told to the display in the streams' descriptions.
    adapt
        Follow slow changes of level and gain, without labels.
    lag_budget_s
        When frames come later than usual by more than this, decoding goes on with the newest; 0 = never.
    trace
        Keep the times of every frame, for a measurement of limited length.
    """

    name: str
    seconds: float | None = None
    stimulus_offset_ms: float = 0.0
    await_consumer_s: float = 0.0
    model_path: str = ""
    adapt: bool = False
    lag_budget_s: float = 1.0
    trace: bool = False


def engine_facts(model: Model, inlet: Connection, options: LiveOptions) -> dict[str, str]:
    """What the descriptions of the engine's streams say.

    Parameters
    ----------
    model, inlet, options
        Of the engine; the inlet has been prepared.
    """
    facts = {"mode": "live", "speed": "1", **inlet.facts}
    facts |= {
        "model_hash": model.hash,
        "model_path": options.model_path,
        "playback": "on" if model.use_playback else "off",
        "adaptation": "on" if options.adapt else "off",
        "movie_name": ", ".join(clip.name for clip in model.clips[:3]),
        "n_frames": str(model.n_frames),
        "movie_rate_hz": repr(model.movie_rate_hz),
        "tolerance_frames": str(model.tolerance_frames),
        "lookahead_ms": repr(float(model.card["lookahead_ms"])),
        "signal_lag_ms": repr(float(model.card["lag_ms"])),
        "source_stream": inlet.name,
    }
    return facts


def channel_health(model: Model, notices: Notices) -> ChannelHealth:
    """What watches the channels that a model uses.

    Parameters
    ----------
    model
        Fitted; says how many counts a second each channel had in training.
    notices
        Told what happens.
    """
    cleaner = model.parts.preprocessor
    counts = cleaner.kind is Kind.SPIKES and model.rate_hz > 0
    expected_hz = cleaner.mean * model.rate_hz if counts else None
    return ChannelHealth(model.channel_names, expected_hz, cleaner.valid, notices)


def milliseconds(seconds: float) -> float | None:
    """Rounded, for JSON; None when not known.

    Parameters
    ----------
    seconds
        NaN = not known.
    """
    return round(seconds * 1e3, 4) if seconds == seconds else None


def peak_memory_mb() -> float:
    """The most memory that this process has used."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
