"""The engine's side of rolling: keep showings with their truth, send them to the trainer, load what it hands over.

The trainer is a process of its own. Writing a showing and loading weights happen in one thread here, so that no frame
waits for them.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

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
"""A showing is over when nothing has been shown for so long."""

LEAD_S = 5.0
"""Of the blank before a showing, so much belongs to it."""

LONGEST_S = 600.0
"""What goes on for longer is taken as several showings."""

MIN_MOMENTS = 10
"""A showing with fewer shown moments is none."""

SWITCH_S = 1e-4
"""How long the thread may hold the interpreter while a frame waits; Python's own 5 ms would delay frames."""

Row = tuple[NDArray[np.float32], float, int, int, int, NDArray[np.float32]]
"""Samples, stamp, segment, frame, repeat, continuous labels side by side."""

NO_LABELS = np.zeros(0, np.float32)


class TrainerLink(Protocol):
    """How the trainer is told something: a child process, usually."""

    def send(self, do: str, **more: Any) -> bool:
        """Send a command; False when it does not listen any more."""
        ...


class RepeatBuffer:
    """Puts samples and their truth together to whole showings.

    Parameters
    ----------
    rate_hz
        Samples per second of recorded time; 0 = irregular, taken as one.
    """

    def __init__(self, rate_hz: float) -> None:
        rate = rate_hz or 1.0
        self._n_blank = max(1, round(BLANK_S * rate))
        self._n_lead = max(1, round(LEAD_S * rate))
        self._n_longest = max(MIN_MOMENTS, round(LONGEST_S * rate))
        self._waiting: deque[tuple[NDArray[np.float32], float, int]] = deque()
        self._lead: deque[Row] = deque(maxlen=self._n_lead)
        self._rows: list[Row] = []
        self._blank: list[Row] = []

    def add(self, samples: NDArray[np.float32], stamp: float, segment: int) -> None:
        """Remember a sample until its truth has settled.

        Parameters
        ----------
        samples
            Float32 [channels], raw; copied.
        stamp
            Seconds of recorded time.
        segment
            Of the stream.
        """
        self._waiting.append((samples.copy(), stamp, segment))

    def settle(self, frame: int, repeat: int, labels: NDArray[np.float32] = NO_LABELS) -> list[Row] | None:
        """Take in the truth of the oldest sample that has none yet.

        Parameters
        ----------
        frame, repeat
            -1 = nothing shown, unknown.
        labels
            Float32 [columns], continuous labels; NaN = unknown.

        Returns
        -------
        rows
            A showing with the blank before it, when this moment says that it is over; else None.
        """
        row: Row = (*self._waiting.popleft(), frame, repeat, labels)
        if frame < 0:
            return self._take_blank(row)
        done = self._end() if self._begins_another(row) else None
        self._rows.extend(self._blank)
        self._blank.clear()
        self._rows.append(row)
        return done

    def _begins_another(self, row: Row) -> bool:
        if not self._rows:
            return False
        _, _, _, frame, repeat, _ = row
        _, _, _, last_frame, last_repeat, _ = self._rows[-1]
        if len(self._rows) >= self._n_longest or repeat != last_repeat:
            return True
        return repeat < 0 and frame == 0 and last_frame > 0

    def _take_blank(self, row: Row) -> list[Row] | None:
        if not self._rows:
            self._lead.append(row)
            return None
        self._blank.append(row)
        return self._end() if len(self._blank) >= self._n_blank else None

    def _end(self) -> list[Row] | None:
        """The showing so far; what was blank after it leads in to the next."""
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
) -> Session:
    """A kept showing as a recording, numbered 0.

    Parameters
    ----------
    rows
        From `RepeatBuffer.settle`.
    channel_names, kind, rate_hz
        Of the stream.
    labels
        Names of the continuous labels in the rows, and how many columns each has; one of which nothing is known is
        left out.
    """
    frame = np.array([row[3] for row in rows], np.int32)
    side_by_side, known, first = (
        np.stack([row[5] for row in rows]),
        {},
        0,
    )  # as `LabelScore.settle` gives them
    for name, k in labels:
        values = side_by_side[:, first : first + k]
        first += k
        if np.isfinite(values).all(1).any():
            known[name] = values
    return Session(
        neural=np.stack([row[0] for row in rows]),
        stamps=np.array([row[1] for row in rows]),
        frame=frame,
        repeat=np.where(frame >= 0, 0, -1).astype(np.int32),
        segment=np.array([row[2] for row in rows], np.int32),
        channel_names=channel_names,
        kind=kind,
        rate_hz=rate_hz,
        labels=known,
    )


class RefitClient:
    """Sends showings to the trainer, and takes weights from it.

    Parameters
    ----------
    trainer
        The process that refits.
    answers
        What it says, as JSON lines.
    folder
        Where showings and weights are exchanged.
    """

    def __init__(self, trainer: TrainerLink, answers: ControlReader, folder: Path) -> None:
        self._trainer = trainer
        self._answers: ControlReader | None = answers
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, "rolling")
        self._saving: deque[tuple[int, Future[Path]]] = deque()
        self._loading: tuple[dict[str, Any], Future[Model]] | None = None
        self._n_showings = 0
        self.counts = {"swaps": 0, "refusals": 0, "rollbacks": 0}

    def start(self, model: Model) -> None:
        """Begin with a model.

        Parameters
        ----------
        model
            The running one.
        """
        self._model = model
        self._keeper = RepeatBuffer(model.rate_hz)
        self._usual_switch_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)

    def add(self, samples: NDArray[np.float32], stamp: float, segment: int) -> None:
        """Remember a decoded sample; see `RepeatBuffer.add`."""
        self._keeper.add(samples, stamp, segment)

    def settle(
        self, truths: list[tuple[int, int]], labels: Sequence[NDArray[np.float32]] | None = None
    ) -> None:
        """Take in truths, and labels, in the order of the samples; send showings that are complete."""
        labels = [NO_LABELS] * len(truths) if labels is None else labels
        for (frame, repeat), values in zip(truths, labels, strict=True):
            rows = self._keeper.settle(frame, repeat, values)
            if rows is not None and self._answers is not None:
                self._n_showings += 1
                path = self._folder / f"showing-{self._n_showings}.npz"
                self._saving.append((self._n_showings, self._thread.submit(self._save, rows, path)))

    def poll(self, say: Callable[..., None]) -> Model | None:
        """Send what has been written, hear the trainer, and return weights that are ready to be swapped in.

        Parameters
        ----------
        say
            Tells the status stream: an event and its facts.

        Returns
        -------
        model
            Fresh weights, to go on from the running model's state; None = no change.
        """
        while self._saving and self._saving[0][1].done():
            number, saved = self._saving.popleft()
            self._trainer.send("showing", file=str(saved.result()), number=number)
        if self._loading is not None and self._loading[1].done():
            return self._swap(say)
        if self._answers is not None and self._loading is None:
            heard = self._answers.poll()
            if heard is not None:
                self._hear(heard, say)
        return None

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        sys.setswitchinterval(self._usual_switch_s)

    def _save(self, rows: list[Row], path: Path) -> Path:
        model = self._model
        labels = [(str(name), int(k)) for name, k in model.card["labels"]]
        save_session(repeat_session(rows, model.channel_names, Kind(model.kind), model.rate_hz, labels), path)
        return path

    def _hear(self, heard: dict[str, Any], say: Callable[..., None]) -> None:
        do = heard.pop("do")
        if do in ("swap", "rollback"):
            self._loading = ({"event": do, **heard}, self._thread.submit(self._load, heard.pop("file")))
        elif do == "stop":
            self._answers = None
            say("rolling", state="ended", reason="the trainer has ended; the model stays as it is")
        elif do == "refuse":
            self.counts["refusals"] += 1
            say("refusal", version=self._model.version, **heard)
        else:
            say("rolling", state=do, **heard)

    def _load(self, path: str) -> Model:
        arrays, card = model_file.read(path)
        return Model(replace(ModelParts.from_file(arrays, card), pictures=self._model.pictures), card)

    def _swap(self, say: Callable[..., None]) -> Model | None:
        assert self._loading is not None
        facts, future = self._loading
        self._loading = None
        event, _ = facts.pop("event"), facts.pop("file")
        try:
            fresh = future.result()
        except NeuroReelError as error:
            say("refusal", version=self._model.version, reason=f"the new weights cannot be loaded: {error}")
            return None
        carried = fresh.take_over(self._model)
        fresh.version = int(facts["version"])
        self._model = fresh
        self.counts["swaps" if event == "swap" else "rollbacks"] += 1
        say(event, state_carried=carried, **facts)
        return fresh
