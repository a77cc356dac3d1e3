"""The engine's side of refits: repeats are collected and sent, refitted models are loaded and take over."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decoders.live.refit_client import RefitClient
from decoders.live.repeat_buffer import BLANK_S, PIECE_S, PieceBuffer, RepeatBuffer, repeat_session
from decoders.model.model import Model
from decoders.rolling.trainer_process import without_training_data
from stream.control import ControlReader
from stream.io.session_io import load_session
from stream.session import Kind, Session


def collect(frames: list[int], repeats: list[int], rate_hz: float = 10.0) -> list[Session]:
    buffer, out = RepeatBuffer(rate_hz), []
    for index in range(len(frames)):
        buffer.add(np.full(2, index, np.float32), index / rate_hz, 0)
    for frame, repeat in zip(frames, repeats, strict=True):
        rows = buffer.settle(frame, repeat)
        if rows is not None:
            out.append(repeat_session(rows, ("a", "b"), Kind.SPIKES, rate_hz))
    return out


def test_a_repeat_has_the_labels_with_known_values() -> None:
    buffer, nan = RepeatBuffer(10.0), np.nan
    for index in range(12):
        buffer.add(np.zeros(2, np.float32), index / 10, 0)
    for index in range(11):
        known = nan if index < 3 else index
        assert buffer.settle(index, 0, np.array([known, known, nan], np.float32)) is None
    rows = buffer.settle(0, 1, np.zeros(3, np.float32))
    assert rows is not None
    session = repeat_session(rows, ("a", "b"), Kind.SPIKES, 10.0, [("position", 2), ("late", 1)])
    assert list(session.labels) == ["position"]
    np.testing.assert_array_equal(session.labels["position"][:, 0], [nan] * 3 + list(range(3, 11)))


def test_repeats_are_collected_with_the_blank_before_them() -> None:
    blank, shown = [-1] * 8, list(range(12))
    parts = collect(
        blank + shown + blank + shown + blank, [-1] * 8 + [3] * 12 + [-1] * 8 + [4] * 12 + [-1] * 8
    )
    assert [part.neural[:, 0].tolist() for part in parts] == [
        list(range(20)),
        list(range(20, 40)),
    ]
    assert parts[0].frame.tolist() == blank + shown


@pytest.mark.parametrize("numbered", [True, False])
def test_repeats_without_a_blank_between_them_end_where_the_next_begins(numbered: bool) -> None:
    frames = list(range(12)) * 3
    repeats = np.repeat([0, 1, 2], 12).tolist() if numbered else [-1] * 36
    parts = collect(frames, repeats)
    assert [part.frame.tolist() for part in parts] == [list(range(12))] * 2


def test_a_short_blank_belongs_to_the_repeat_around_it() -> None:
    short = [-1] * (round(BLANK_S * 10) - 1)
    frames = [*range(12), *short, *range(12, 20), *[-1] * 5]
    repeats = [0] * 12 + [-1] * len(short) + [0] * 8 + [-1] * 5
    (part,) = collect(frames, repeats)
    assert part.frame.tolist() == frames[:-5]


def test_very_short_repeats_are_dropped() -> None:
    assert collect([0, 1, 2] + [-1] * 8, [0, 0, 0] + [-1] * 8) == []


class FakeTrainer:
    """Records the commands to a trainer and sends its messages through a pipe."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self._read, self._write = os.pipe()
        self.messages = ControlReader(self._read)

    def send(self, do: str, **more: Any) -> bool:
        self.commands.append({"do": do, **more})
        return True

    def reply(self, **message: Any) -> None:
        os.write(self._write, json.dumps(message).encode() + b"\n")

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


class Rig:
    """A client beside a fake trainer, with the status events that it publishes."""

    def __init__(self, model: Model, folder: Path) -> None:
        self.trainer = FakeTrainer()
        self.client = RefitClient(self.trainer, self.trainer.messages, folder)
        self.events: list[dict[str, Any]] = []
        self.client.start(model, simulated=True)

    def poll_until(self, done: Callable[[], bool]) -> Model | None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            refitted = self.client.poll(
                lambda event, **fields: self.events.append({"event": event, **fields})
            )
            if refitted is not None or done():
                return refitted
            time.sleep(0.002)
        raise AssertionError(f"nothing happened within 60 s; events: {self.events}")

    def play(self, session: Session) -> None:
        for sample, stamp in zip(session.neural, session.stamps, strict=True):
            self.client.add(np.asarray(sample), float(stamp), 0)
        self.client.settle(list(zip(session.frame.tolist(), session.repeat.tolist(), strict=True)),
                           [label.copy() for label in session.labels["position"]])  # fmt: skip


@pytest.fixture
def rig(model: Model, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(model, tmp_path)
    yield rig
    rig.client.close()
    rig.trainer.close()


def test_a_completed_repeat_is_sent_to_the_trainer(rig: Rig, watched: Session) -> None:
    rig.play(watched.select_repeats([0, 1]))
    rig.poll_until(lambda: len(rig.trainer.commands) == 1)
    (command,) = rig.trainer.commands
    assert (command["do"], command["number"]) == ("showing", 1)
    sent, original = load_session(command["file"]), watched.select_repeats([0])
    assert sent.simulated  # as the stream that it came from
    np.testing.assert_array_equal(sent.frame, original.frame[: sent.n_samples])
    np.testing.assert_array_equal(sent.neural, original.neural[: sent.n_samples])
    np.testing.assert_array_equal(sent.labels["position"], original.labels["position"][: sent.n_samples])


def test_a_swap_continues_from_the_running_models_state(
    rig: Rig, model: Model, watched: Session, tmp_path: Path
) -> None:
    path = tmp_path / "version-1.safetensors"
    without_training_data(model).save(path)
    rig.trainer.reply(do="swap", version=1, file=str(path))
    refitted = rig.poll_until(lambda: False)
    assert refitted is not None
    assert refitted.version == 1
    assert refitted.pictures is model.pictures
    assert rig.client.counts == {"swaps": 1, "refusals": 0, "rollbacks": 0}
    assert rig.events == [{"event": "swap", "state_carried": True, "version": 1}]


def test_weights_that_cannot_be_loaded_are_refused(rig: Rig, tmp_path: Path) -> None:
    rig.trainer.reply(do="swap", version=1, file=str(tmp_path / "missing.safetensors"))
    assert rig.poll_until(lambda: bool(rig.events)) is None
    assert rig.events[0]["event"] == "refusal"
    assert "cannot be loaded" in rig.events[0]["reason"]
    assert rig.client.counts["refusals"] == 1
    assert rig.trainer.commands == [{"do": "rejected", "version": 1}]


def test_a_repeat_that_cannot_be_saved_does_not_end_decoding(
    rig: Rig, watched: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("decoders.live.refit_client.save_session", fail)
    rig.play(watched.select_repeats([0, 1]))
    assert rig.poll_until(lambda: bool(rig.events)) is None
    assert rig.events[0]["reason"] == "repeat 1 cannot be saved for the trainer: No space left on device"
    assert rig.trainer.commands == []


def test_refusals_and_states_of_the_trainer_are_published(rig: Rig) -> None:
    rig.trainer.reply(do="ready")
    rig.trainer.reply(do="refuse", reason="the refit is worse on the newest repeat", new=0.5)
    rig.trainer.reply(do="stop")
    rig.poll_until(lambda: len(rig.events) == 3)
    assert rig.events[0] == {"event": "rolling", "state": "ready"}
    assert (rig.events[1]["event"], rig.events[1]["version"], rig.events[1]["new"]) == ("refusal", 0, 0.5)
    assert rig.events[2]["state"] == "ended"
    assert rig.client.counts["refusals"] == 1


def test_without_labels_pieces_of_equal_length_are_complete_without_a_truth() -> None:
    buffer = PieceBuffer(10.0)
    n = round(PIECE_S * 10)
    pieces = [buffer.add(np.full(3, index, np.float32), index / 10, 0) for index in range(2 * n + 5)]
    complete = [rows for rows in pieces if rows is not None]
    assert [len(rows) for rows in complete] == [n, n]
    buffer.settle(5, 0)
    session = repeat_session(complete[1], ("a", "b", "c"), Kind.SPIKES, 10.0)
    assert session.neural[:, 0].tolist() == list(range(n, 2 * n))
    assert np.all(session.frame == -1)
