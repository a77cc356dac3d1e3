from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stream.errors import ShapeMismatch
from stream.recorder.ring_buffer import Cursor, RingBuffer, RowsOverwritten


class RingMachine(RuleBasedStateMachine):
    """Compares a ring buffer and its readers with a count of rows; the value of a row is its sequence number."""

    @initialize(capacity=st.integers(1, 9), width=st.integers(0, 2))
    def begin(self, capacity: int, width: int) -> None:
        self.shape = (width,) if width else ()
        self.ring = RingBuffer(capacity, self.shape, np.int64)
        self.sent = self.cleared = 0
        self.readers: list[tuple[Cursor, list[int], int]] = []

    @rule(n_rows=st.integers(0, 25))
    def append(self, n_rows: int) -> None:
        values = np.arange(self.sent, self.sent + n_rows)
        self.ring.append(np.broadcast_to(values.reshape(-1, *[1] * len(self.shape)), (n_rows, *self.shape)))
        self.sent += n_rows

    @rule()
    def clear(self) -> None:
        self.ring.clear()
        self.cleared = self.sent

    @rule()
    def another_reader(self) -> None:
        self.readers.append((self.ring.cursor(), [], self.sent))

    @rule(which=st.integers(0, 5), max_rows=st.none() | st.integers(0, 12), use=st.floats(0, 1))
    def read(self, which: int, max_rows: int | None, use: float) -> None:
        if not self.readers:
            return
        cursor, got, _ = self.readers[which % len(self.readers)]
        rows = cursor.view(max_rows)
        assert rows.base is not None
        assert rows.flags["C_CONTIGUOUS"]
        n_used = round(use * len(rows))
        got += [int(row.flat[0]) for row in rows[:n_used]]
        assert cursor.advance(n_used) == 0

    @invariant()
    def every_reader_got_all_rows_it_did_not_miss(self) -> None:
        for cursor, got, first in getattr(self, "readers", []):
            assert first + len(got) + cursor.n_missed == cursor.position
            assert cursor.position + cursor.lag == self.sent
            assert sorted(set(got)) == got

    @invariant()
    def all_windows_hold_the_right_rows(self) -> None:
        ring = getattr(self, "ring", None)
        if ring is None:
            return
        assert (ring.begin, ring.end) == (max(self.cleared, self.sent - ring.capacity), self.sent)
        for first in range(ring.begin, ring.end + 1):
            window = ring.window(first, ring.end)
            assert window.shape == (ring.end - first, *self.shape)
            assert np.shares_memory(window, ring._rows) or not window.size
            expected = np.arange(first, ring.end).reshape(-1, *[1] * len(self.shape))
            assert np.array_equal(window, np.broadcast_to(expected, window.shape))
        if ring.begin:
            with pytest.raises(RowsOverwritten):
                ring.window(ring.begin - 1, ring.end)


TestRing = RingMachine.TestCase


@given(st.lists(st.integers(0, 40), max_size=20), st.integers(1, 64))
def test_a_reader_that_keeps_up_gets_every_row(sizes: list[int], capacity: int) -> None:
    ring = RingBuffer(capacity, (3,), np.float64)
    cursor, got, sent = ring.cursor(), [np.zeros((0, 3))], []
    random = np.random.default_rng(len(sizes))
    for size in sizes:
        rows = random.normal(size=(min(size, capacity), 3))
        ring.append(rows)
        sent.append(rows)
        got.append(cursor.view().copy())  # type: ignore[arg-type]
        cursor.advance(len(got[-1]))
    assert np.concatenate(got).tobytes() == np.concatenate([np.zeros((0, 3)), *sent]).tobytes()
    assert cursor.n_missed == 0


def test_rows_overwritten_during_use_are_counted() -> None:
    ring = RingBuffer(4, (), np.int64)
    cursor = ring.cursor()
    ring.append([0, 1, 2, 3])
    assert cursor.view().tolist() == [0, 1, 2, 3]
    ring.append([4, 5])
    assert cursor.advance(4) == 2
    assert (cursor.n_missed, cursor.view().tolist()) == (2, [4, 5])


def test_invalid_rows_and_ranges_are_refused() -> None:
    ring = RingBuffer(4, (2,))
    with pytest.raises(ShapeMismatch, match=r"\(3,\)"):
        ring.append(np.zeros((1, 3)))
    with pytest.raises(ShapeMismatch):
        ring.append(1.0)
    with pytest.raises(ShapeMismatch, match="there are 0 rows so far"):
        ring.window(0, 1)
    with pytest.raises(ShapeMismatch, match="cannot advance by 1"):
        ring.cursor().advance(1)
    with pytest.raises(ShapeMismatch, match="at least one row"):
        RingBuffer(0)


def test_a_slow_reader_detects_rows_overwritten_by_another_thread() -> None:
    ring = RingBuffer(64, (16,), np.int64)
    cursor, done, bad, good = ring.cursor(), threading.Event(), [], 0

    def write() -> None:
        for start in range(0, 60_000, 20):
            ring.append(np.repeat(np.arange(start, start + 20), 16).reshape(20, 16))
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set() or cursor.lag:
        rows = cursor.view(32)
        first, copy = cursor.position, rows.copy()
        if cursor.advance(len(rows)):
            continue
        good += len(copy)
        if not np.array_equal(copy, np.repeat(np.arange(first, first + len(copy)), 16).reshape(-1, 16)):
            bad.append(first)
    thread.join()
    assert not bad
    assert good > 0
    assert cursor.position == 60_000
