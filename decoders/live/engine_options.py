"""Options of a running engine, and the metadata of its streams."""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import dataclass

from decoders.model.model import Model
from decoders.prediction import UNSURE_BELOW
from stream.acquisition.channel_health import ChannelHealth
from stream.lsl.connection import Connection
from stream.notices import Notices
from stream.session import Kind


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Options of a running engine.

    Attributes
    ----------
    name
        First part of the output streams' names.
    seconds
        Duration of the run in seconds; None = until stopped or until a replay announces its end.
    stimulus_offset_ms
        Added to the timestamps of the stimulus: the time that the monitor takes to show a frame.
    await_consumer_s
        Longest wait in seconds for a consumer of the predictions before the neural stream is opened.
    model_path
        Path of the model file, published in the streams' descriptions for the display.
    adapt
        Whether to correct slow changes of each channel's level and gain, without labels.
    lag_budget_s
        Samples later than usual by more than this are skipped, and decoding resumes with the newest; 0 disables it.
    trace
        Whether to keep the times of every sample, for measurements of limited length.
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
    """Metadata for the descriptions of the engine's streams.

    Parameters
    ----------
    model, inlet, options
        As given to the engine; the inlet has been prepared.
    """
    facts = {"mode": "live", "speed": "1", **inlet.facts}
    baseline, accuracy = model.stored_baseline
    places = model.states.places
    facts |= {
        "model_hash": model.hash,
        "model_path": options.model_path,
        "playback": "on" if model.use_playback else "off",
        "adaptation": "on" if options.adapt else "off",
        "movie_name": ", ".join(clip.name for clip in model.clips[:3]),
        "n_frames": str(model.n_frames),
        "frames": str(model.states),
        **({"places": json.dumps(places.facts())} if places is not None else {}),
        "movie_rate_hz": repr(model.movie_rate_hz),
        "tolerance_frames": str(model.tolerance_frames),
        "lookahead_ms": repr(float(model.card["lookahead_ms"])),
        "signal_lag_ms": repr(float(model.card["lag_ms"])),
        "unsure_below": repr(UNSURE_BELOW),
        "model_simulated": str(int(model.simulated)),
        **({"explore": "1"} if model.explores else {}),
        "baseline": baseline,
        "baseline_within_1s": repr(accuracy) if baseline else "",
        "source_stream": inlet.name,
        "source_hostname": inlet.hostname,
        "source_id": inlet.source_id,
    }
    return facts


def channel_health(model: Model, notices: Notices) -> ChannelHealth:
    """Monitor of the channels that a model uses.

    Parameters
    ----------
    model
        Fitted model; its preprocessor holds the mean count of each channel in training.
    notices
        Receives the monitor's notices.
    """
    preprocessor = model.parts.preprocessor
    counts = preprocessor.kind is Kind.SPIKES and model.rate_hz > 0
    expected_hz = preprocessor.mean * model.rate_hz if counts else None
    return ChannelHealth(model.channel_names, expected_hz, preprocessor.valid, notices)


def milliseconds(seconds: float) -> float | None:
    """Convert seconds to rounded milliseconds for JSON.

    Parameters
    ----------
    seconds
        Any duration; NaN, if unknown, becomes None.

    Examples
    --------
    >>> milliseconds(0.00123456)
    1.2346
    """
    return round(seconds * 1e3, 4) if seconds == seconds else None


def peak_memory_mb() -> float:
    """Peak memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
