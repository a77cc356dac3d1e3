"""The engine's description of itself, read from its prediction stream: the one place where its facts get their types."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from decoders.data.frame_states import FrameStates
from decoders.data.label_places import LabelPlaces
from decoders.prediction import UNSURE_BELOW
from gui.client.inlet import DisplayInlet
from gui.state.snapshot import Source
from stream.errors import BadRecording
from stream.printable import printable
from stream.stream_facts import number_fact

MAX_FRAMES = 1_000_000
"""Largest number of movie frames: nine hours at 30 Hz."""

MODES = ("live", "replay", "simulated")

LONGEST_PATH = 4_096
LONGEST_LIST = 1_000_000
"""Largest number of characters in a list of frames or places."""


class Facts:
    """Facts of a description, each read with its type and bounds; one that is neither counts as absent.

    Parameters
    ----------
    facts
        Texts by name, as `stream.lsl.outlet.read_facts` returns them.
    stream
        Name of the stream, for messages.

    Attributes
    ----------
    problems
        Why facts were not used.
    """

    def __init__(self, facts: Mapping[str, str], stream: str) -> None:
        self._facts, self._stream = facts, stream
        self.problems: list[str] = []

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A number from ``low`` to ``high``; ``default`` if there is none."""
        try:
            return number_fact(self._facts, name, default, low, high, self._stream)
        except BadRecording as error:
            self.problems.append(str(error))
            return default

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``; ``default`` if there is none."""
        return round(self.number(name, default, low, high))

    def text(self, name: str, default: str = "", longest: int = 120) -> str:
        """One line of printable text of bounded length."""
        return printable(self._facts.get(name, default), limit=longest)

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        """One of several words; empty if it is none of them."""
        text = self._facts.get(name, "")
        return text if text in choices else ""

    def frames(self, n_frames: int) -> str:
        """Ranges of ``n_frames`` frame numbers; empty if there are none."""
        text = self._facts.get("frames", "")[:LONGEST_LIST]
        try:
            if text and len(FrameStates.from_text(text)) != n_frames:
                raise BadRecording(f"frames='{text[:60]}' are not {n_frames} frames")
        except BadRecording as error:
            self.problems.append(f"{self._stream}: {printable(str(error))}")
            return ""
        return text

    def places(self, n_frames: int) -> str:
        """Places of a label, one for each of ``n_frames`` frames, as JSON; empty if there are none."""
        text = self._facts.get("places", "")[:LONGEST_LIST]
        if text and not _are_places(text, n_frames):
            self.problems.append(
                f"{self._stream}: places={printable(text, limit=60)!r} are not {n_frames} places"
            )
            return ""
        return text

    def speed(self) -> str:
        """Replay speed: ``max`` or a number."""
        text = self._facts.get("speed", "1")
        return text if text == "max" else f"{self.number('speed', 1.0, 1e-3, 1e4):g}"


def _are_places(text: str, n_frames: int) -> bool:
    try:
        places = LabelPlaces.from_card(json.loads(text))
        numbers = np.concatenate([places.centres, places.scale[None]])
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    return len(places.centres) == n_frames and bool(np.isfinite(numbers).all() and (places.scale > 0).all())


def parse_engine_info(inlet: DisplayInlet) -> tuple[Source, tuple[str, ...]]:
    """Parse the engine's description in its prediction stream.

    Parameters
    ----------
    inlet
        Inlet of the prediction stream.

    Returns
    -------
    source, problems
        The description, and why some of its facts were not used.
    """
    facts = Facts(inlet.facts, printable(inlet.name, limit=80))
    name = inlet.name.removesuffix("-prediction")
    stamp_rate = facts.number("stamp_rate", 1.0, 1e-4, 1e4)
    n_frames = facts.integer("n_frames", 0, 0, MAX_FRAMES)
    movie_rate = facts.number("movie_rate_hz", 0.0, 0.0, 10_000.0)
    baseline_share = facts.number("baseline_within_1s", -1.0, 0.0, 1.0)
    source = Source(
        name=name,
        neural_name=inlet.facts.get("source_stream", name),
        neural_hostname=inlet.facts.get("source_hostname", ""),
        neural_source_id=inlet.facts.get("source_id", ""),
        hostname=inlet.hostname,
        mode=facts.one_of("mode", MODES),
        speed=facts.speed(),
        rate_hz=facts.number("recorded_rate_hz", inlet.rate_hz / stamp_rate, 0.0, 1e6),
        stamp_rate=stamp_rate,
        n_frames=n_frames,
        frames=facts.frames(n_frames),
        places=facts.places(n_frames),
        movie_rate_hz=movie_rate,
        tolerance_frames=facts.integer("tolerance_frames", round(movie_rate), 0, MAX_FRAMES),
        movie_name=facts.text("movie_name"),
        playback=facts.text("playback", "on") == "on",
        lookahead_ms=facts.number("lookahead_ms", 0.0, 0.0, 600_000.0),
        signal_lag_ms=facts.number("signal_lag_ms", 0.0, 0.0, 600_000.0),
        unsure_below=facts.number("unsure_below", UNSURE_BELOW, 0.0, 1.0),
        model_simulated=facts.text("model_simulated") == "1",
        baseline=facts.text("baseline", longest=20) if baseline_share >= 0 else "",
        baseline_within_1s=max(baseline_share, 0.0),
        recording=facts.text("recording"),
        model_path=facts.text("model_path", longest=LONGEST_PATH),
        model_hash=facts.text("model_hash"),
        explore=facts.text("explore") == "1",
    )
    return source, tuple(facts.problems)
