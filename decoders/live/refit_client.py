"""The engine's side of rolling refits: collects repeats with their true frames, sends them to the trainer, loads refits.

The trainer is a separate process. A thread writes repeats and loads weights, so that no sample waits for them.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from decoders.model import file as model_file
from decoders.model.model import Model
from decoders.model.parts import ModelParts
from stream.control import ControlReader
from stream.errors import NeuroReelError
from stream.io.session_io import save_session
from stream.session import Kind, Session

log = logging.getLogger(__name__)

BLANK_S = 0.5
"""Duration of a blank that ends a repeat."""

LEAD_S = 5.0
"""Longest part of the blank before a repeat that belongs to it."""

LONGEST_S = 600.0
"""Longest repeat; longer ones are split."""

MIN_MOMENTS = 10
"""Shortest repeat in samples with a frame on screen; shorter ones are dropped."""

SWITCH_S = 1e-4
"""Longest time for which the thread may hold the interpreter; Python's default of 5 ms would delay samples."""

NO_LABELS = np.zeros(0, np.float32)


class Row(NamedTuple):
    """One sample with its true frame, repeat, and continuous labels side by side."""

    samples: NDArray[np.float32]
    stamp: float
    segment: int
    frame: int
    repeat: int
    labels: NDArray[np.float32]


class TrainerLink(Protocol):
    """Sends commands to the trainer, usually a child process."""

    def send(self, do: str, **more: Any) -> bool:
        """Send a command; returns False if the trainer no longer receives it."""
        ...


class RepeatBuffer:
    """Joins samples and their true frames into whole repeats.

    Parameters
    ----------
    rate_hz
        Sampling rate in recorded time in Hz; 0 for irregular streams, treated as 1 Hz.
    first_frame
        The movie's first frame, at which a repeat of unknown number begins.
    """

    def __init__(self, rate_hz: float, first_frame: int = 0) -> None:
        self._first_frame = first_frame
        rate = rate_hz or 1.0
        self._n_blank = max(1, round(BLANK_S * rate))
        self._n_lead = max(1, round(LEAD_S * rate))
        self._n_longest = max(MIN_MOMENTS, round(LONGEST_S * rate))
        self._waiting: deque[tuple[NDArray[np.float32], float, int]] = deque()
        self._lead: deque[Row] = deque(maxlen=self._n_lead)
        self._rows: list[Row] = []
        self._blank: list[Row] = []

    def add(self, samples: NDArray[np.float32], stamp: float, segment: int) -> None:
        """Add a sample; `settle` adds its true frame later.

        Parameters
        ----------
        samples
            Raw sample, float32 [channels]; copied.
        stamp
            Timestamp in seconds of recorded time.
        segment
            Segment of the stream.
        """
        self._waiting.append((samples.copy(), stamp, segment))

    def settle(self, frame: int, repeat: int, labels: NDArray[np.float32] = NO_LABELS) -> list[Row] | None:
        """Add the true frame of the oldest sample that has none yet.

        Parameters
        ----------
        frame, repeat
            Frame on screen and its repeat; -1 = none, unknown.
        labels
            Continuous labels, float32 [columns]; NaN = unknown.

        Returns
        -------
        rows
            The last repeat with the blank before it if this sample ends it, else None.
        """
        row = Row(*self._waiting.popleft(), frame, repeat, labels)
        if frame < 0:
            return self._add_blank(row)
        finished = self._finish() if self._starts_repeat(row) else None
        self._rows.extend(self._blank)
        self._blank.clear()
        self._rows.append(row)
        return finished

    def _starts_repeat(self, row: Row) -> bool:
        if not self._rows:
            return False
        last = self._rows[-1]
        if len(self._rows) >= self._n_longest or row.repeat != last.repeat:
            return True
        return row.repeat < 0 and row.frame == self._first_frame and last.frame > self._first_frame

    def _add_blank(self, row: Row) -> list[Row] | None:
        if not self._rows:
            self._lead.append(row)
            return None
        self._blank.append(row)
        return self._finish() if len(self._blank) >= self._n_blank else None

    def _finish(self) -> list[Row] | None:
        """The repeat so far; the blank after it belongs to the next one."""
        rows = [*self._lead, *self._rows]
        n_shown = len(self._rows)
        self._lead.clear()
        self._lead.extend(self._blank)
        self._blank.clear()
        self._rows = []
        return rows if n_shown >= MIN_MOMENTS else None


def repeat_session(
    rows: list[Row],
    channel_names: tuple[str, ...],
    kind: Kind,
    rate_hz: float,
    labels: Sequence[tuple[str, int]] = (),
    *,
    simulated: bool = False,
) -> Session:
    """Convert a repeat to a session in which it has number 0.

    Parameters
    ----------
    rows
        Rows from `RepeatBuffer.settle`.
    channel_names, kind, rate_hz
        Channels, kind and sampling rate of the stream.
    labels
        Names of the continuous labels in the rows, and the number of columns of each; labels without any known value
        are left out.
    simulated
        Whether a simulator made the data.
    """
    frame = np.array([row.frame for row in rows], np.int32)
    side_by_side = np.stack([row.labels for row in rows])
    known, first = {}, 0
    for name, k in labels:
        values = side_by_side[:, first : first + k]
        first += k
        if np.isfinite(values).all(1).any():
            known[name] = values
    return Session(
        neural=np.stack([row.samples for row in rows]),
        stamps=np.array([row.stamp for row in rows]),
        frame=frame,
        repeat=np.where(frame >= 0, 0, -1).astype(np.int32),
        segment=np.array([row.segment for row in rows], np.int32),
        channel_names=channel_names,
        kind=kind,
        rate_hz=rate_hz,
        labels=known,
        simulated=simulated,
    )


class RefitClient:
    """Sends repeats to the trainer and receives refitted models from it.

    Parameters
    ----------
    trainer
        Trainer process.
    messages
        Its messages, JSON lines.
    folder
        Folder in which repeats and weights are exchanged.

    Attributes
    ----------
    counts
        Number of swaps, refusals and rollbacks.
    """

    def __init__(self, trainer: TrainerLink, messages: ControlReader, folder: Path) -> None:
        self._trainer = trainer
        self._messages: ControlReader | None = messages
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, "rolling")
        self._saving: deque[tuple[int, Future[Path]]] = deque()
        self._loading: tuple[dict[str, Any], Future[Model]] | None = None
        self._n_repeats = 0
        self.counts = {"swaps": 0, "refusals": 0, "rollbacks": 0}

    def start(self, model: Model, *, simulated: bool = False) -> None:
        """Start with the model of the engine.

        Parameters
        ----------
        model
            Running model.
        simulated
            Whether a simulator makes the samples.
        """
        self._model, self._simulated = model, simulated
        self._buffer = RepeatBuffer(model.rate_hz, int(model.states.frames[0]))
        self._default_switch_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)

    def add(self, samples: NDArray[np.float32], stamp: float, segment: int) -> None:
        """Add a decoded sample; see `RepeatBuffer.add`."""
        self._buffer.add(samples, stamp, segment)

    def settle(
        self, truths: list[tuple[int, int]], labels: Sequence[NDArray[np.float32]] | None = None
    ) -> None:
        """Add true frames and labels in the order of the samples, and save every repeat that they complete.

        Parameters
        ----------
        truths
            Frame and repeat of each sample that has settled.
        labels
            Continuous labels of the same samples, float32 [columns] each.
        """
        labels = [NO_LABELS] * len(truths) if labels is None else labels
        for (frame, repeat), values in zip(truths, labels, strict=True):
            rows = self._buffer.settle(frame, repeat, values)
            if rows is not None and self._messages is not None:
                self._n_repeats += 1
                path = self._folder / f"repeat-{self._n_repeats}.npz"
                self._saving.append((self._n_repeats, self._thread.submit(self._save, rows, path)))

    def poll(self, publish: Callable[..., None]) -> Model | None:
        """Send saved repeats, handle the trainer's messages, and return a refit that is ready to be swapped in.

        Parameters
        ----------
        publish
            Publishes an event and its fields on the status stream.

        Returns
        -------
        model
            Refitted model in the state of the running one; None if there is none.
        """
        while self._saving and self._saving[0][1].done():
            number, saved = self._saving.popleft()
            try:
                self._trainer.send("showing", file=str(saved.result()), number=number)
            except (OSError, NeuroReelError) as error:
                self._refuse(publish, f"repeat {number} cannot be saved for the trainer: {error}")
        if self._loading is not None and self._loading[1].done():
            return self._swap(publish)
        if self._messages is not None and self._loading is None:
            message = self._messages.poll()
            if message is not None:
                self._handle(message, publish)
        return None

    def close(self) -> None:
        """Stop the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        sys.setswitchinterval(self._default_switch_s)

    def _save(self, rows: list[Row], path: Path) -> Path:
        model = self._model
        labels = [(str(name), int(k)) for name, k in model.card["labels"]]
        session = repeat_session(
            rows, model.channel_names, Kind(model.kind), model.rate_hz, labels, simulated=self._simulated
        )
        save_session(session, path)
        return path

    def _handle(self, message: dict[str, Any], publish: Callable[..., None]) -> None:
        do = message.pop("do")
        if do in ("swap", "rollback"):
            self._loading = ({"event": do, **message}, self._thread.submit(self._load, message.pop("file")))
        elif do == "stop":
            self._messages = None
            publish("rolling", state="ended", reason="the trainer has ended; the model is no longer refitted")
        elif do == "refuse":
            self._refuse(publish, **message)
        else:
            publish("rolling", state=do, **message)

    def _refuse(self, publish: Callable[..., None], reason: str, **fields: Any) -> None:
        self.counts["refusals"] += 1
        publish("refusal", version=self._model.version, reason=reason, **fields)

    def _load(self, path: str) -> Model:
        arrays, card = model_file.read(path)
        return Model(replace(ModelParts.from_file(arrays, card), pictures=self._model.pictures), card)

    def _swap(self, publish: Callable[..., None]) -> Model | None:
        assert self._loading is not None
        facts, future = self._loading
        self._loading = None
        event, _ = facts.pop("event"), facts.pop("file")
        try:
            refitted = future.result()
        except Exception as error:  # decoding continues, whatever is wrong with them
            self._trainer.send("rejected", version=int(facts["version"]))
            self._refuse(publish, f"the refitted weights cannot be loaded: {error}")
            return None
        carried = refitted.take_over(self._model)
        refitted.version = int(facts["version"])
        self._model = refitted
        self.counts["swaps" if event == "swap" else "rollbacks"] += 1
        publish(event, state_carried=carried, **facts)
        return refitted
