"""NeuroReel decodes live, over Lab Streaming Layer, which movie frame a brain is looking at.

Exports the public names and imports each from its module on first use. Type checkers read ``__init__.pyi``.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__version__ = "0.2.0"

_EXPORTS = {
    "Session": "stream.session",
    "Kind": "stream.session",
    "Movie": "stream.movie",
    "Clip": "stream.movie",
    "load_movie": "stream.movie",
    "Chunk": "stream.chunk",
    "bin_spikes": "stream.binning",
    "load_session": "stream.io.session_io",
    "save_session": "stream.io.session_io",
    "Inlet": "stream.lsl.inlet",
    "find_stream": "stream.lsl.resolve",
    "Replay": "stream.replay.player",
    "Recorder": "stream.recorder.recorder",
    "Model": "decoders.model.model",
    "Prediction": "decoders.prediction",
    "Predictions": "decoders.prediction",
    "FitOptions": "decoders.fitting.options",
    "fit_model": "decoders.fitting.fit",
    "Embedding": "decoders.embedding.estimator",
    "metrics": "neuroreel",
    "plot": "neuroreel",
    "EvaluateOptions": "decoders.evaluation.evaluate",
    "evaluate": "decoders.evaluation.evaluate",
    "cross_validate": "decoders.evaluation.evaluate",
    "Engine": "decoders.live.engine",
    "LiveOptions": "decoders.live.engine_options",
    "NeuroReelError": "stream.errors",
    "BadUsage": "stream.errors",
    "BadRecording": "stream.errors",
    "ShapeMismatch": "stream.errors",
    "OutputExists": "stream.errors",
    "CannotWrite": "stream.errors",
    "AmbiguousStream": "stream.errors",
    "StreamError": "stream.errors",
    "NoStream": "stream.errors",
    "StreamLost": "stream.errors",
    "NotFitted": "decoders.errors",
    "BadModel": "decoders.errors",
    "ModelMismatch": "decoders.errors",
    "TrainedOnTestData": "decoders.errors",
    "BadSplit": "decoders.errors",
    "TrainingUnavailable": "decoders.errors",
}
__all__ = ["__version__", *_EXPORTS]


def _guard() -> None:
    """Raise ImportError if Python finds another project's package of the same name first."""
    here = Path(__file__).resolve().parent.parent
    for name in ("stream", "decoders", "gui", "replay_data"):
        spec = find_spec(name)
        found = Path(spec.origin).resolve().parent if spec is not None and spec.origin else None
        if found != here / name:
            raise ImportError(
                f"the package '{name}' that NeuroReel needs lies in {here / name}, but Python finds "
                f"{found or 'none'}. Remove or rename the other one, or install NeuroReel in an environment of its own."
            )


_guard()


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        if _EXPORTS[name] == __name__:
            return importlib.import_module(f"{__name__}.{name}")
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'neuroreel' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
