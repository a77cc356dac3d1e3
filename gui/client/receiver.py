"""The thread that listens to an engine and fills the mailbox."""

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
from gui.client.engine_info import source_of
from gui.client.inlet import DisplayInlet, StreamGone
from gui.client.movie_pictures import load_movie_pictures
from gui.state.snapshot import Candidate, Source, State
from gui.state.store import Store
from stream.lsl.outlet import NEURAL_TYPES
from stream.notices import WARNINGS

logger = logging.getLogger(__name__)

POLL_S = 0.01
"""Between two looks at the streams: the window needs no more, and at 1,000 Hz each look takes ten frames at once."""

LOOK_S = 0.2
SETTLED_S = 0.6
"""Another engine may need this long to be found before the first one counts as the only one."""

REMEMBER_S = 10.0
"""How long the picker still lists a stream that went away."""

HOLD_S = 0.6
"""How long opening the predictions waits for the streams beside them to be found."""

STALE_S = 0.4
STALE_PERIODS = 3
"""An engine that says nothing for so long, or so many of its samples, is stale."""

NOTICE_S = 15.0
"""How long something that went wrong is shown."""

ROLES = {
    "posterior": "Posterior",
    "forecast": "Forecast",
    "embedding": "Embedding",
    "status": "Markers",
}

_OVER = ("back", "channel_back", "nan_over", "clock_known", "second_sender_gone")
_TROUBLE = {"stale": State.STALE, "lost": State.LOST, "mismatch": State.MISMATCH}


class Receiver(threading.Thread):
    """Finds an engine's streams, pulls them, and comes back to them when they went away.

    Parameters
    ----------
    mailbox
        Where everything goes.
    name
        What the engine's streams are called; None takes the only engine there is.
    model
        The model's file; None takes the one that the streams name.
    """

    def __init__(self, mailbox: Store, name: str | None = None, model: Path | None = None) -> None:
        super().__init__(name="receiver", daemon=True)
        self.error: Exception | None = None
        self._mailbox = mailbox
        self._name = name
        self._model = model
        self._chosen: str | None = None
        self._links: dict[str, DisplayInlet] = {}
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
        """Watch the engine of that name; may be called from another thread."""
        self._chosen = name

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self.is_alive():
            self.join(3.0)

    def run(self) -> None:
        """Listen until stopped; an error that the user can mend is kept in ``error``."""
        try:
            self._listen()
        except Exception as error:  # reported by the window, which cannot catch what a thread raises
            logger.debug("the receiver failed", exc_info=True)
            self.error = error
        finally:
            for link in self._links.values():
                link.close()

    def _listen(self) -> None:
        resolver = pylsl.ContinuousResolver(forget_after=2.0)
        look_at = 0.0
        while not self._stopping.is_set():
            if time.monotonic() >= look_at:
                self._look(resolver.results())
                look_at = time.monotonic() + LOOK_S
            self._pull()
            self._mailbox.settle()
            self._judge()
            self._stopping.wait(POLL_S)

    def _look(self, found: list[pylsl.StreamInfo]) -> None:
        """Take note of what is on the network and open what is still missing."""
        unique = list({info.uid(): info for info in found}.values())
        self._list(unique)
        if self._chosen is not None and self._chosen != self._name:
            self._leave()
            self._name = self._chosen
        if self._name is None:
            self._name = self._only_engine(unique)
        if self._name is None:
            return
        if "prediction" not in self._links and self._pending is None:
            self._find_engine(_named(unique, f"{self._name}-prediction", ("Prediction",)))
        engine = self._links.get("prediction", self._pending)
        if engine is None:
            return
        self._open_beside(engine, unique)
        if self._pending is not None and self._complete():
            self._open_engine(self._pending)

    def _find_engine(self, infos: list[pylsl.StreamInfo]) -> None:
        """Read what the engine says of itself; it is opened last, for a replay may wait for that to begin."""
        self._pending = self._link("prediction", infos)
        if self._pending is not None:
            self._pending_since = time.monotonic()
            self._begin(self._pending)

    def _open_beside(self, engine: DisplayInlet, found: list[pylsl.StreamInfo]) -> None:
        """Open what else the engine sends, and what it listens to."""
        here = [info for info in found if info.hostname() == engine.hostname]
        neural = self._source.neural_name
        wanted: list[tuple[str, list[pylsl.StreamInfo], str, Sequence[str]]] = [
            (role, here, f"{self._name}-{role}", (type_,)) for role, type_ in ROLES.items()
        ]
        if (
            self._last_data
        ):  # before that a replay would take the display for its engine, and start without one
            wanted.append(("neural", found, neural, NEURAL_TYPES))
        wanted.append(("stimulus", found, f"{neural}-stimulus", ("Stimulus",)))
        for role, among, name, types in wanted:
            if role in self._links:
                continue
            link = self._link(role, _named(among, name, types))
            if link is None or not self._opened(link, role):
                continue
            if role == "neural":
                self._mailbox.set_neural(link.n_channels, link.type)

    def _complete(self) -> bool:
        """Whether everything is open that there is to open, or was waited for long enough."""
        waited_s = time.monotonic() - self._pending_since
        return {*ROLES, "stimulus"} <= self._links.keys() or waited_s > HOLD_S

    def _open_engine(self, link: DisplayInlet) -> None:
        self._pending = None
        self._opened(link, "prediction")

    def _leave(self) -> None:
        """Close everything, to watch another engine."""
        for link in self._links.values():
            link.close()
        self._links.clear()
        self._lost.clear()
        self._pending = None
        self._source = Source()

    def _list(self, found: list[pylsl.StreamInfo]) -> None:
        """Tell the picker what is there, and for a while what was."""
        now = time.monotonic()
        for info in found:
            if info.type() == "Prediction" or info.type() in NEURAL_TYPES:
                key = (info.name(), info.type(), info.hostname())
                self._seen[key] = (Candidate(*key, info.channel_count(), info.nominal_srate()), now)
        self._seen = {key: entry for key, entry in self._seen.items() if now - entry[1] < REMEMBER_S}
        self._mailbox.set_candidates(
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

    def _link(self, role: str, infos: list[pylsl.StreamInfo]) -> DisplayInlet | None:
        """The newest of the streams that match, unless it is the one that was just lost; not yet open."""
        infos = [info for info in infos if info.uid() != self._lost.get(role)]
        try:
            return DisplayInlet(max(infos, key=lambda info: info.created_at())) if infos else None
        except StreamGone as error:
            logger.debug("%s does not answer", error)
            return None

    def _opened(self, link: DisplayInlet, role: str) -> bool:
        try:
            link.open()
        except StreamGone as error:
            logger.debug("%s could not be opened", error)
            return False
        self._links[role] = link
        return True

    def _begin(self, link: DisplayInlet) -> None:
        self._ended = False
        self._input = ("live", "")
        self._last_data = 0.0
        source = source_of(link)
        if source != self._source:
            self._source = source
            self._mailbox.begin(source)
            try:
                self._mailbox.set_library(*load_movie_pictures(self._model, source))
            except BadModel as error:
                if self._model is not None:
                    raise
                self._mailbox.set_library(None, str(error))
        else:
            self._mailbox.begin(source)
        self._mailbox.set_state(State.WAITING, "connected, no prediction yet")

    def _pull(self) -> None:
        """Hand on what every stream holds; the prediction first, for the others refer to it."""
        for role in ("prediction", "stimulus", "posterior", "forecast", "embedding", "neural", "status"):
            link = self._links.get(role)
            if link is None:
                continue
            try:
                self._hand_on(role, link)
            except StreamGone:
                link.close()
                del self._links[role]
                self._lost[role] = link.uid

    def _hand_on(self, role: str, link: DisplayInlet) -> None:
        if role == "status":
            for text in link.pull_texts():
                self._status(text)
            return
        pulled = link.pull()
        if pulled is None:
            return
        rows, stamps = pulled
        if role == "prediction":
            self._last_data = time.monotonic()
            self._ended = False
            self._mailbox.add_predictions(rows, stamps)
        elif role == "stimulus":
            self._mailbox.add_truth(rows[:, 0].astype(np.int32), stamps)
        elif role == "posterior":
            self._mailbox.add_posterior(rows, stamps)
        elif role == "forecast":
            self._mailbox.add_forecast(rows)
        elif role == "embedding":
            self._mailbox.add_embedding(rows, stamps)
        else:
            self._mailbox.add_neural(rows, stamps)

    def _status(self, text: str) -> None:
        with contextlib.suppress(ValueError):
            message = json.loads(text)
            if not isinstance(message, dict):
                return
            event = message.get("event")
            if event in ("state", "stats") and "state" in message:
                self._input = str(message["state"]), str(message.get("reason", ""))
            if event == "stats":
                self._mailbox.add_stats(message)
            if event == "end":
                self._ended = True
                self._reason = str(message.get("reason", ""))
            elif event in WARNINGS or event in _OVER:
                self._notice_until = time.monotonic() + NOTICE_S
                self._mailbox.set_notice(str(message.get("text", event)))
            elif isinstance(message.get("clock_offset_ms"), int | float):
                self._mailbox.add_clock_offset(float(message["clock_offset_ms"]))

    def _judge(self) -> None:
        """Say how it is going."""
        now = time.monotonic()
        age_s = now - self._last_data
        state, reason = State.LIVE, ""
        if self._name is None:
            state, reason = State.SEARCHING, "looking for an engine on the network"
        elif self._ended:
            state, reason = State.ENDED, self._reason
        elif "prediction" not in self._links:
            lost = "prediction" in self._lost
            state = State.LOST if lost else State.WAITING
            reason = f"the engine of {self._name} is gone" if lost else f"waiting for {self._name}-prediction"
        elif self._input[0] in _TROUBLE:
            state, reason = _TROUBLE[self._input[0]], self._input[1]
        elif not self._last_data:
            state, reason = State.WAITING, f"{self._name}-prediction is there, but sends nothing yet"
        elif age_s > self._stale_s():
            state, reason = State.STALE, f"the engine has said nothing for {age_s:.1f} s"
        self._mailbox.set_state(state, reason)
        if self._notice_until and now > self._notice_until:
            self._notice_until = 0.0
            self._mailbox.set_notice("")

    def _stale_s(self) -> float:
        rate = self._links["prediction"].rate_hz
        return max(STALE_S, STALE_PERIODS / rate) if rate > 0 else 10.0


def _named(infos: list[pylsl.StreamInfo], name: str, types: Sequence[str]) -> list[pylsl.StreamInfo]:
    return [info for info in infos if info.name() == name and info.type() in types]
