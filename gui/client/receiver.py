"""The thread that receives an engine's streams and writes them into the store."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pylsl

from decoders.errors import BadModel
from gui.client.engine_info import parse_engine_info
from gui.client.inlet import DisplayInlet, StreamGone
from gui.client.movie_pictures import load_movie_pictures
from gui.state.snapshot import Candidate, Source, State
from gui.state.store import Store
from stream.lsl.outlet import NEURAL_TYPES
from stream.notices import WARNINGS

logger = logging.getLogger(__name__)

POLL_S = 0.01
"""Seconds between two pulls: enough for the window; at 1,000 Hz each pull returns ten frames."""

LOOK_S = 0.2
SETTLED_S = 0.6
"""Seconds to search for other engines before the first one counts as the only one."""

REMEMBER_S = 10.0
"""Seconds for which the picker still lists a stream that is gone."""

HOLD_S = 0.6
"""Seconds to search for the engine's other streams before the prediction stream is opened."""

STALE_S = 0.4
STALE_PERIODS = 3
"""An engine is stale when it sends nothing for `STALE_S` and `STALE_PERIODS` of its samples."""

NOTICE_S = 15.0
"""Seconds for which a warning is shown."""

ROLES = {
    "posterior": "Posterior",
    "forecast": "Forecast",
    "embedding": "Embedding",
    "status": "Markers",
}

_OVER = ("back", "channel_back", "nan_over", "clock_known", "second_sender_gone")
_TROUBLE = {"stale": State.STALE, "lost": State.LOST, "mismatch": State.MISMATCH}


class Receiver(threading.Thread):
    """Finds an engine's streams, pulls them, and reconnects when they return.

    Parameters
    ----------
    store
        Receives all data.
    name
        Name of the engine's streams; None uses the only running engine.
    model
        Model file; None uses the file that the streams name.
    """

    def __init__(self, store: Store, name: str | None = None, model: Path | None = None) -> None:
        super().__init__(name="receiver", daemon=True)
        self.error: Exception | None = None
        self._store = store
        self._name = name
        self._model = model
        self._chosen: str | None = None
        self._inlets: dict[str, DisplayInlet] = {}
        self._pending: DisplayInlet | None = None
        self._pending_since = 0.0
        self._source = Source()
        self._lost: dict[str, str] = {}
        self._last_data = 0.0
        self._first_seen: float | None = None
        self._seen: dict[tuple[str, str, str], tuple[Candidate, float]] = {}
        self._ended = False
        self._reason = ""
        self._input = ("live", "")
        self._notice_until = 0.0
        self._stopping = threading.Event()

    def choose(self, name: str) -> None:
        """Watch another engine; safe to call from another thread."""
        self._chosen = name

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self.is_alive():
            self.join(3.0)

    def run(self) -> None:
        """Receive until stopped; an error ends the thread and is kept in ``error``."""
        try:
            self._receive()
        except Exception as error:  # the window reports it: it cannot catch what a thread raises
            logger.debug("the receiver failed", exc_info=True)
            self.error = error
        finally:
            for inlet in self._inlets.values():
                inlet.close()

    def _receive(self) -> None:
        resolver = pylsl.ContinuousResolver(forget_after=2.0)
        look_at = 0.0
        while not self._stopping.is_set():
            if time.monotonic() >= look_at:
                self._look(resolver.results())
                look_at = time.monotonic() + LOOK_S
            self._pull()
            self._store.settle()
            self._update_state()
            self._stopping.wait(POLL_S)

    def _look(self, found: list[pylsl.StreamInfo]) -> None:
        """Update the list of streams on the network and open those that are still missing."""
        unique = list({info.uid(): info for info in found}.values())
        self._update_candidates(unique)
        if self._chosen is not None and self._chosen != self._name:
            self._disconnect()
            self._name = self._chosen
        if self._name is None:
            self._name = self._only_engine(unique)
        if self._name is None:
            return
        if "prediction" not in self._inlets and self._pending is None:
            self._find_engine(_named(unique, f"{self._name}-prediction", ("Prediction",)))
        engine = self._inlets.get("prediction", self._pending)
        if engine is None:
            return
        self._open_side_streams(engine, unique)
        if self._pending is not None and self._all_open():
            self._open_engine(self._pending)

    def _find_engine(self, infos: list[pylsl.StreamInfo]) -> None:
        """Read the engine's description. Its stream is opened last: a replay may start when a consumer connects."""
        self._pending = self._find_stream("prediction", infos)
        if self._pending is not None:
            self._pending_since = time.monotonic()
            self._begin(self._pending)

    def _open_side_streams(self, engine: DisplayInlet, found: list[pylsl.StreamInfo]) -> None:
        """Open the engine's other streams, and those that it receives."""
        here = [info for info in found if info.hostname() == engine.hostname]
        neural = self._source.neural_name
        wanted: list[tuple[str, list[pylsl.StreamInfo], str, Sequence[str]]] = [
            (role, here, f"{self._name}-{role}", (type_,)) for role, type_ in ROLES.items()
        ]
        if self._last_data:  # opened earlier, it would make a replay start before its engine is there
            wanted.append(("neural", found, neural, NEURAL_TYPES))
        wanted.append(("stimulus", found, f"{neural}-stimulus", ("Stimulus",)))
        for role, among, name, types in wanted:
            if role in self._inlets:
                continue
            inlet = self._find_stream(role, _named(among, name, types))
            if inlet is None or not self._opened(inlet, role):
                continue
            if role == "neural":
                self._store.set_neural(inlet.n_channels, inlet.type)

    def _all_open(self) -> bool:
        """Whether all other streams are open, or `HOLD_S` has passed."""
        waited_s = time.monotonic() - self._pending_since
        return {*ROLES, "stimulus"} <= self._inlets.keys() or waited_s > HOLD_S

    def _open_engine(self, inlet: DisplayInlet) -> None:
        self._pending = None
        self._opened(inlet, "prediction")

    def _disconnect(self) -> None:
        """Close all inlets, to watch another engine."""
        for inlet in self._inlets.values():
            inlet.close()
        self._inlets.clear()
        self._lost.clear()
        self._pending = None
        self._source = Source()

    def _update_candidates(self, found: list[pylsl.StreamInfo]) -> None:
        """Update the picker's list with the streams found now, and those lost a moment ago."""
        now = time.monotonic()
        for info in found:
            if info.type() == "Prediction" or info.type() in NEURAL_TYPES:
                key = (info.name(), info.type(), info.hostname())
                self._seen[key] = (Candidate(*key, info.channel_count(), info.nominal_srate()), now)
        self._seen = {key: entry for key, entry in self._seen.items() if now - entry[1] < REMEMBER_S}
        self._store.set_candidates(
            tuple(replace(self._seen[key][0], alive=self._seen[key][1] == now) for key in sorted(self._seen))
        )

    def _only_engine(self, found: list[pylsl.StreamInfo]) -> str | None:
        engines = [info for info in found if info.type() == "Prediction"]
        if not engines:
            self._first_seen = None
            return None
        self._first_seen = self._first_seen or time.monotonic()
        if len(engines) > 1 or time.monotonic() - self._first_seen < SETTLED_S:
            return None
        return str(engines[0].name()).removesuffix("-prediction")

    def _find_stream(self, role: str, infos: list[pylsl.StreamInfo]) -> DisplayInlet | None:
        """The newest matching stream, not yet open; never the one that was just lost."""
        infos = [info for info in infos if info.uid() != self._lost.get(role)]
        try:
            return DisplayInlet(max(infos, key=lambda info: info.created_at())) if infos else None
        except StreamGone as error:
            logger.debug("%s does not answer", error)
            return None

    def _opened(self, inlet: DisplayInlet, role: str) -> bool:
        try:
            inlet.open()
        except StreamGone as error:
            logger.debug("%s could not be opened", error)
            return False
        self._inlets[role] = inlet
        return True

    def _begin(self, inlet: DisplayInlet) -> None:
        self._ended = False
        self._input = ("live", "")
        self._last_data = 0.0
        source = parse_engine_info(inlet)
        if source != self._source:
            self._source = source
            self._store.begin(source)
            try:
                self._store.set_movie_pictures(*load_movie_pictures(self._model, source))
            except BadModel as error:
                if self._model is not None:
                    raise
                self._store.set_movie_pictures(None, str(error))
        else:
            self._store.begin(source)
        self._store.set_state(State.WAITING, "connected, no prediction yet")

    def _pull(self) -> None:
        """Write new samples of every stream into the store; predictions first, since the others refer to them."""
        for role in ("prediction", "stimulus", "posterior", "forecast", "embedding", "neural", "status"):
            inlet = self._inlets.get(role)
            if inlet is None:
                continue
            try:
                self._hand_on(role, inlet)
            except StreamGone:
                inlet.close()
                del self._inlets[role]
                self._lost[role] = inlet.uid

    def _hand_on(self, role: str, inlet: DisplayInlet) -> None:
        if role == "status":
            for text in inlet.pull_texts():
                self._status(text)
            return
        pulled = inlet.pull()
        if pulled is None:
            return
        rows, stamps = pulled
        if role == "prediction":
            self._last_data = time.monotonic()
            self._ended = False
            self._store.add_predictions(rows, stamps)
        elif role == "stimulus":
            self._store.add_truth(rows[:, 0].astype(np.int32), stamps)
        elif role == "posterior":
            self._store.add_posterior(rows, stamps)
        elif role == "forecast":
            self._store.add_forecast(rows)
        elif role == "embedding":
            self._store.add_embedding(rows, stamps)
        else:
            self._store.add_neural(rows, stamps)

    def _status(self, text: str) -> None:
        with contextlib.suppress(ValueError):
            message = json.loads(text)
            if not isinstance(message, dict):
                return
            event = message.get("event")
            if event in ("state", "stats") and "state" in message:
                self._input = str(message["state"]), str(message.get("reason", ""))
            if event == "stats":
                self._store.add_stats(message)
            if event == "end":
                self._ended = True
                self._reason = str(message.get("reason", ""))
            elif event in WARNINGS or event in _OVER:
                self._notice_until = time.monotonic() + NOTICE_S
                self._store.set_notice(str(message.get("text", event)))
            elif isinstance(message.get("clock_offset_ms"), int | float):
                self._store.add_clock_offset(float(message["clock_offset_ms"]))

    def _update_state(self) -> None:
        """Write the connection state and its reason into the store."""
        now = time.monotonic()
        age_s = now - self._last_data
        state, reason = State.LIVE, ""
        if self._name is None:
            state, reason = State.SEARCHING, "searching for an engine on the network"
        elif self._ended:
            state, reason = State.ENDED, self._reason
        elif "prediction" not in self._inlets:
            lost = "prediction" in self._lost
            state = State.LOST if lost else State.WAITING
            reason = f"the engine of {self._name} is gone" if lost else f"waiting for {self._name}-prediction"
        elif self._input[0] in _TROUBLE:
            state, reason = _TROUBLE[self._input[0]], self._input[1]
        elif not self._last_data:
            state, reason = State.WAITING, f"{self._name}-prediction is connected but has sent nothing yet"
        elif age_s > self._stale_s():
            state, reason = State.STALE, f"the engine has sent nothing for {age_s:.1f} s"
        self._store.set_state(state, reason)
        if self._notice_until and now > self._notice_until:
            self._notice_until = 0.0
            self._store.set_notice("")

    def _stale_s(self) -> float:
        rate = self._inlets["prediction"].rate_hz
        return max(STALE_S, STALE_PERIODS / rate) if rate > 0 else 10.0


def _named(infos: list[pylsl.StreamInfo], name: str, types: Sequence[str]) -> list[pylsl.StreamInfo]:
    return [info for info in infos if info.name() == name and info.type() in types]
