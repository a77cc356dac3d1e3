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
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from decoders.live.repeat_buffer import NO_LABELS, PieceBuffer, RepeatBuffer, Row, repeat_session
from decoders.live.trainer_news import describe
from decoders.model import file as model_file
from decoders.model.model import Model
from decoders.model.parts import ModelParts
from stream.control import ControlReader
from stream.errors import NeuroReelError, StreamLost
from stream.io.session_io import save_session
from stream.session import Kind

log = logging.getLogger(__name__)

FIRST_MODEL_S = 60.0
"""Longest wait for the trainer to start."""

SWITCH_S = 1e-4
"""Longest time for which the thread may hold the interpreter; Python's default of 5 ms would delay samples."""


class TrainerLink(Protocol):
    """Sends commands to the trainer, usually a child process."""

    def send(self, do: str, **more: Any) -> bool:
        """Send a command; returns False if the trainer no longer receives it."""
        ...


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
        self._news: dict[str, Any] = {}

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
        self._buffer: RepeatBuffer | PieceBuffer = (
            PieceBuffer(model.rate_hz)
            if model.explores
            else RepeatBuffer(model.rate_hz, int(model.states.frames[0]))
        )
        self._default_switch_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)

    def first_model(self) -> Model:
        """Wait until the trainer is ready, and load the model that it starts with.

        Raises
        ------
        StreamLost
            If the trainer does not start.
        """
        assert self._messages is not None
        message = self._messages.poll(FIRST_MODEL_S)
        if message is None or message["do"] != "ready":
            raise StreamLost("the trainer did not start; nothing can be embedded without it.")
        return Model.load(self._folder / "version-0.safetensors")

    def take_news(self) -> str:
        """Return the trainer's decisions since the last call as a sentence; empty if there were none."""
        news, self._news = self._news, {}
        return describe(news) if news else ""

    def add(self, samples: NDArray[np.float32], stamp: float, segment: int) -> None:
        """Add a decoded sample; see `RepeatBuffer.add`."""
        self._send(self._buffer.add(samples, stamp, segment))

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
            self._send(self._buffer.settle(frame, repeat, values))

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

    def _send(self, rows: list[Row] | None) -> None:
        """Save a repeat or piece, if there is one, for the trainer."""
        if rows is not None and self._messages is not None:
            self._n_repeats += 1
            path = self._folder / f"repeat-{self._n_repeats}.npz"
            self._saving.append((self._n_repeats, self._thread.submit(self._save, rows, path)))

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
            self._report(publish, event="rolling", state=do, **message)

    def _refuse(self, publish: Callable[..., None], reason: str, **fields: Any) -> None:
        self.counts["refusals"] += 1
        self._report(publish, event="refusal", version=self._model.version, reason=reason, **fields)

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
        self._report(publish, event=event, state_carried=carried, **facts)
        return refitted

    def _report(self, publish: Callable[..., None], **news: Any) -> None:
        """Publish an event, and keep it for `take_news`."""
        self._news = news
        publish(**news)
