"""The thread that receives an engine's streams and writes them into the store."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import numpy as np
import pylsl

from decoders.live.trainer_news import describe
from gui.client.engine_info import parse_engine_info
from gui.client.engine_streams import Candidates, EngineStreams
from gui.client.inlet import DisplayInlet, StreamGone
from gui.client.movie_pictures import load_movie_pictures
from gui.client.roles import LABEL_ROLES, ROLES, usable_rows
from gui.client.status_message import LONGEST_SENTENCE, StatusMessage, parse_status
from gui.state.signal_history import MAX_TRACES
from gui.state.snapshot import Source, State
from gui.state.store import Store
from stream.lsl.resolve import readable
from stream.notices import WARNINGS
from stream.printable import printable

logger = logging.getLogger(__name__)

POLL_S = 0.01
"""Seconds between two pulls: enough for the window; at 1,000 Hz each pull returns ten frames."""

LOOK_S = 0.2
SETTLED_S = 0.6
"""Seconds to search for other engines before the first one counts as the only one."""

STALE_S = 0.4
STALE_PERIODS = 3
"""An engine is stale when it sends nothing for `STALE_S` and `STALE_PERIODS` of its samples."""

OFFSET_S = 1.0
"""Longest wait for the first clock offset of a stimulus program on another computer."""

NOTICE_S = 15.0
"""Seconds for which a warning is shown."""

_OVER = ("back", "channel_back", "nan_over", "clock_known", "second_sender_gone")
_TROUBLE = {"stale": State.STALE, "lost": State.LOST, "mismatch": State.MISMATCH}


class Receiver(threading.Thread):
    """Finds an engine's streams, pulls them, and reconnects when they return.

    Nothing that a stream sends ends it: a stream that cannot be read is dropped, by name, and the rest continues.

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
        self._choice: tuple[str, str] | None = None
        self._streams = EngineStreams()
        self._candidates = Candidates()
        self._source = Source()
        self._last_data = 0.0
        self._n_unusable = 0
        self._offsets_known = False
        self._scoring = True
        self._first_seen: float | None = None
        self._ended = False
        self._reason = ""
        self._input = ("live", "")
        self._notice = ""
        self._notice_until = 0.0
        self._stopping = threading.Event()

    def choose(self, name: str, uid: str = "") -> None:
        """Watch another engine; safe to call from another thread.

        Parameters
        ----------
        name
            Name of its streams.
        uid
            LSL's id of its prediction stream, where several engines have that name.
        """
        self._choice = (name, uid)

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
            self._streams.close()

    def _receive(self) -> None:
        resolver = pylsl.ContinuousResolver(forget_after=2.0)
        look_at = 0.0
        while not self._stopping.is_set():
            if time.monotonic() >= look_at:
                self._look(readable(resolver.results()))
                look_at = time.monotonic() + LOOK_S
            for role in ROLES:
                if role in self._streams.inlets:
                    self._pull(role, self._streams.inlets[role])
            self._score()
            self._update_state()
            self._stopping.wait(POLL_S)

    def _score(self) -> None:
        """Score what has settled; if that fails, the window continues without a score."""
        if not self._scoring:
            return
        try:
            self._store.settle()
        except Exception as error:
            logger.debug("the score cannot be computed", exc_info=True)
            self._scoring = False
            self._tell(
                f"there is no score any more: it cannot be computed ({printable(str(error), limit=200)})"
            )

    def _look(self, found: list[pylsl.StreamInfo]) -> None:
        """Update the list of streams on the network and open those that are still missing."""
        unique = list({info.uid(): info for info in found}.values())
        self._store.set_candidates(self._candidates.update(unique))
        if self._choice is not None:
            (self._name, uid), self._choice = self._choice, None
            self._streams.close()
            self._streams = EngineStreams(uid)
            self._source = Source()
        if self._name is None:
            self._name = self._only_engine(unique)
        if self._name is None:
            return
        engine = self._streams.find_engine(self._name, unique)
        if engine is not None:
            self._begin(engine)
        neural = bool(self._last_data)
        known, continuous = (self._streams.inlets.get(role) for role in ("neural", "continuous"))
        self._streams.open_side_streams(self._source, unique, neural=neural)
        inlet = self._streams.inlets.get("neural")
        if inlet is not None and inlet is not known:
            labels = [printable(label, limit=10) for label in inlet.labels[:MAX_TRACES]]
            self._store.set_neural(inlet.n_channels, inlet.type, labels, printable(inlet.unit, limit=10))
        if self._streams.inlets.get("continuous") is not continuous:
            self._store.set_position(self._streams.axes)
        self._streams.open_engine()
        self._store.set_refused(self._streams.refused)

    def _only_engine(self, found: list[pylsl.StreamInfo]) -> str | None:
        engines = [info for info in found if info.type() in ROLES["prediction"].types]
        if not engines:
            self._first_seen = None
            return None
        self._first_seen = self._first_seen or time.monotonic()
        if len(engines) > 1 or time.monotonic() - self._first_seen < SETTLED_S:
            return None
        return str(engines[0].name()).removesuffix("-prediction")

    def _begin(self, inlet: DisplayInlet) -> None:
        self._ended = False
        self._input = ("live", "")
        self._last_data, self._n_unusable, self._offsets_known = 0.0, 0, False
        source, problems = parse_engine_info(inlet)
        if problems:
            self._tell(printable("; ".join(problems)))
        if source != self._source:
            self._source = source
            self._store.begin(source)
            self._store.set_movie_pictures(*load_movie_pictures(self._model, source))
        else:
            self._store.begin(source)
        self._store.set_state(State.WAITING, "connected, no prediction yet")

    def _pull(self, role: str, inlet: DisplayInlet) -> None:
        """Write a stream's new samples into the store; a stream that cannot be read is dropped."""
        try:
            if ROLES[role].text:
                for text in inlet.pull_texts():
                    self._read_status(text)
                return
            pulled = inlet.pull()
            if pulled is not None:
                rows, stamps = usable_rows(role, *pulled, self._source)
                n_unusable = len(pulled[1]) - len(stamps)
                self._store.add_unusable(n_unusable)
                self._n_unusable += n_unusable if role == "prediction" else 0
                if len(stamps):
                    self._hand_on(role, rows, stamps)
        except StreamGone:
            self._streams.lose(role)
            if role == "stimulus":
                self._store.end_truth()
        except Exception as error:
            logger.debug("%s cannot be read", inlet.name, exc_info=True)
            self._streams.refuse(role, inlet.name, inlet.uid, f"it cannot be read ({error})")
            self._tell(self._streams.refused[role])

    def _hand_on(self, role: str, rows: np.ndarray, stamps: np.ndarray) -> None:
        if role == "prediction":
            self._last_data = time.monotonic()
            self._ended = False
            self._store.add_predictions(rows, stamps)
        elif role in ("stimulus", *LABEL_ROLES) and "prediction" not in self._streams.inlets:
            return  # by which clock is unknown
        elif role == "stimulus":
            self._add_truth(rows, stamps)
        elif role == "posterior":
            self._store.add_posterior(rows, stamps)
        elif role == "forecast":
            self._store.add_forecast(rows)
        elif role == "embedding":
            self._store.add_embedding(rows[:, self._shown_dimensions()], stamps)
        elif role == "continuous":
            self._store.add_continuous(rows, stamps)
        elif role in LABEL_ROLES:
            shift_s = self._shift_s(self._streams.inlets.get(role))
            by_engine_clock = shift_s is not None
            self._store.add_label(
                LABEL_ROLES.index(role), rows, stamps + (shift_s or 0.0), by_engine_clock=by_engine_clock
            )
        else:
            self._store.add_neural(rows, stamps)

    def _shown_dimensions(self) -> list[int]:
        """Columns of the embedding that are drawn: those made for the eye, if there are any, else all."""
        labels = self._streams.inlets["embedding"].labels
        display = [index for index, label in enumerate(labels) if label.startswith("display")]
        return display or list(range(len(labels)))

    def _add_truth(self, rows: np.ndarray, stamps: np.ndarray) -> None:
        """Hand on stimulus events: by the clock of the neural sender, or of the engine if theirs is another one."""
        states, places = self._source.states, self._source.states.places
        if places is None:
            frames = rows[:, 0].astype(np.int32)
        else:  # a label has the timestamp of its sample, a frame that of its onset, up to a period earlier
            frames = states.numbers(places.of_values(rows))
            rate_hz = self._source.rate_hz * self._source.stamp_rate
            stamps = stamps - (0.5 / rate_hz if rate_hz else 0.0)
        shift_s = self._shift_s(self._streams.inlets.get("stimulus"))
        self._store.add_truth(frames, stamps + (shift_s or 0.0), by_engine_clock=shift_s is not None)

    def _shift_s(self, inlet: DisplayInlet | None) -> float | None:
        """Seconds from the clock of a side stream to the engine's; None where it has the clock of the neural sender."""
        engine = self._streams.inlets.get("prediction")
        if inlet is None or engine is None:
            return None
        if inlet.hostname in (self._source.neural_hostname or inlet.hostname, ""):
            return None
        wait_s = 0.0 if self._offsets_known else OFFSET_S
        shift_s = inlet.clock_offset_s(wait_s) - engine.clock_offset_s(wait_s)
        self._offsets_known = True
        if not np.isfinite(shift_s):
            raise ValueError(f"the clock of {printable(inlet.hostname, limit=60)} is unknown")
        return shift_s

    def _read_status(self, text: str) -> None:
        message = parse_status(text)
        if message is None:
            self._store.add_unusable(1)
            return
        if message.event in ("state", "stats") and message.state:
            self._input = message.state, message.reason
        if message.event == "stats":
            self._store.add_stats(message.fields)
        if message.event in ("rolling", "swap", "rollback", "refusal"):
            self._show_trainer(message)
        if message.event == "end":
            self._ended = True
            self._reason = message.reason
        elif message.event in WARNINGS or message.event in _OVER:
            self._tell(message.text or message.event)
        else:
            self._add_clock_offset(message)

    def _show_trainer(self, message: StatusMessage) -> None:
        """Show a decision of the trainer; its fields may be anything."""
        try:
            decision = describe(message.fields)
        except (KeyError, TypeError, ValueError):
            self._store.add_unusable(1)
        else:
            self._store.set_trainer(printable(decision, limit=LONGEST_SENTENCE))

    def _add_clock_offset(self, message: StatusMessage) -> None:
        if np.isfinite(message.clock_offset_ms):
            self._store.add_clock_offset(message.clock_offset_ms)

    def _tell(self, notice: str) -> None:
        """Show a notice for a while."""
        self._notice_until = time.monotonic() + NOTICE_S
        self._notice = notice

    def _update_state(self) -> None:
        """Write the connection state, its reason and the notice into the store."""
        if self._notice_until and time.monotonic() > self._notice_until:
            self._notice_until, self._notice = 0.0, ""
        self._store.set_notice(self._notice or self._streams.warning)
        self._store.set_state(*self._state())

    def _state(self) -> tuple[State, str]:
        streams = self._streams
        name = printable(self._name or "", limit=80)
        if self._name is None:
            return State.SEARCHING, "searching for an engine on the network"
        if self._ended:
            return State.ENDED, self._reason
        if "prediction" not in streams.inlets:
            if streams.ambiguous:
                return State.AMBIGUOUS, streams.ambiguous
            if "prediction" in streams.refused:
                return State.MISMATCH, streams.refused["prediction"]
            if streams.lost:
                return State.LOST, f"the engine of {name} is gone"
            return State.WAITING, f"waiting for {name}-prediction"
        if self._input[0] in _TROUBLE:
            state, reason = _TROUBLE[self._input[0]], self._input[1]
            silent_s = time.monotonic() - self._last_data
            if state is State.STALE and self._last_data and silent_s > self._stale_s():
                # the engine reports it once, and the time continues
                reason = (
                    f"{printable(self._source.neural_name, limit=80)} has sent nothing for {silent_s:.1f} s"
                )
            return state, reason
        if not self._last_data and self._n_unusable:
            what = "timestamps or values that are not finite or out of bounds"
            return State.MISMATCH, f"{name}-prediction has sent {self._n_unusable} samples, all with {what}"
        if not self._last_data:
            return State.WAITING, f"{name}-prediction is connected but has sent nothing yet"
        age_s = time.monotonic() - self._last_data
        if age_s > self._stale_s():
            return State.STALE, f"the engine has sent nothing for {age_s:.1f} s"
        return State.LIVE, ""

    def _stale_s(self) -> float:
        rate = self._streams.inlets["prediction"].rate_hz
        return max(STALE_S, STALE_PERIODS / rate) if rate > 0 else 10.0
