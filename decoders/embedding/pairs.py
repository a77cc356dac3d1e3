"""Batches of positive pairs from one recording or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.arrays import LabelStates, Recording
from decoders.embedding.sampler import (
    FramePositives,
    Index,
    NearestPositives,
    Positives,
    Sampler,
    TimePositives,
)
from decoders.embedding.trainer import Samples


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Training data of one recording, or a part of them.

    Attributes
    ----------
    inputs
        Float32 [time, inputs], whitened windows.
    block, run
        Int64 [time], numbers of the repeat and of the contiguous run.
    state
        Int64 [time], frame or bin of the labels; -1 = unknown, or None without such.
    position
        Int64 [time], frame numbers, of which those that are near are not pushed apart; None without frames.
    labels
        Float32 [time, k], continuous labels, or None.
    known
        Bool [time], samples whose labels are known.
    """

    inputs: NDArray[np.float32]
    block: Index
    run: Index
    state: Index | None
    position: Index | None
    labels: NDArray[np.float32] | None
    known: NDArray[np.bool_]

    @classmethod
    def of_recording(cls, inputs: NDArray[np.float32], r: Recording, states: LabelStates | None) -> Part:
        """Return the training data of a recording, float32 [time, inputs] being its whitened windows."""
        state = None if states is None else states.of_recording(r)
        known = r.known if state is None else r.known & (state >= 0)
        position = None if states is None or state is None else states.positions(state)
        return cls(inputs, r.block, r.run, state, position, r.labels, known)

    @classmethod
    def of_means(
        cls, means: NDArray[np.float32], count: NDArray[np.int64], states: LabelStates | None
    ) -> Part:
        """Return the means of the states that a recording had as training data."""
        state = np.flatnonzero(count)
        position = None if states is None else states.positions(state)
        labels = None if states is None or states.values is None else states.values[state]
        n = len(state)
        return cls(
            means[state], np.zeros(n, np.int64), np.arange(n), state, position, labels, np.ones(n, bool)
        )


def joint_batches(
    recordings: Sequence[Sequence[Part]], mode: str, n_offset: int, n_near: int, seed: int
) -> tuple[Samples, Sampler]:
    """Return the training samples of all recordings, and a sampler of their pairs.

    Each part gives as many anchors. With several recordings, half of the positives by label come from another one.

    Parameters
    ----------
    recordings
        Parts of each recording.
    mode
        ``label``, ``time`` or ``hybrid``.
    n_offset
        Largest distance in samples of positives close in time.
    n_near
        Largest distance of positions that are not pushed apart.
    seed
        Random seed of the batches.
    """
    parts = [part for each in recordings for part in each]
    session = np.repeat(np.arange(len(recordings)), [sum(len(p.inputs) for p in each) for each in recordings])
    block = _numbered([p.block for p in parts])
    run = _numbered([p.run for p in parts])
    known = np.concatenate([p.known for p in parts])
    index = np.flatnonzero(known)
    labels, state, position = (
        _joined([getattr(p, name) for p in parts]) for name in ("labels", "state", "position")
    )
    positives: list[Positives] = []
    if mode != "time":
        frames = state if labels is None or position is not None else None
        # of the same recording, by repeat; then of another one
        apart = None if len(recordings) == 1 else session
        for groups, kept in ((block, apart), (session, None))[: 1 if apart is None else 2]:
            same = frames if kept is None else kept if frames is None else frames * len(recordings) + kept
            if labels is not None:
                positives.append(NearestPositives(index, labels, groups, run, n_offset, same))
            elif same is not None:
                positives.append(FramePositives(index, same, groups))
    if mode != "label":
        positives.append(TimePositives(index, run, n_offset))
    inputs = tuple(np.concatenate([p.inputs for p in each]) for each in recordings)
    if mode == "time":
        samples = Samples(inputs, np.arange(len(known)), n_offset)
    else:
        samples = Samples(inputs, position, n_near if position is not None else 0)
    ends = np.cumsum([len(p.inputs) for p in parts])
    return samples, Sampler(index, tuple(positives), seed, ends)


def _numbered(numbers: Sequence[Index]) -> Index:
    """Join numbers of several parts so that no two parts share one."""
    out, first = [], 0
    for each in numbers:
        out.append(each + first)
        first += int(each.max(initial=-1)) + 1
    return np.concatenate(out)


def _joined(arrays: Sequence[NDArray[Any] | None]) -> NDArray[Any] | None:
    return None if any(a is None for a in arrays) else np.concatenate([a for a in arrays if a is not None])
