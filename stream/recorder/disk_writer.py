"""Decouples recording from the disk: a buffer in memory, and a thread that writes it to a file.

A disk can stall for seconds. `DiskWriter.write` blocks only when the whole buffer is full; the high-water mark tells how
close it came. A write that fails half-way resumes at the same byte, since positions in the buffer are positions in the
file: a disk that was full for a while leaves no trace in the file.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from stream.errors import CannotWrite, OutputExists
from stream.recorder.ring_buffer import RingBuffer

log = logging.getLogger(__name__)

BUFFER_BYTES = 64 << 20
"""Capacity of the buffer: 16 s of 1,000 channels at 1,000 Hz. Uses twice the size of the pending data in memory."""

SYNC_EVERY_S = 1.0
"""Interval of syncing the file to the disk, in seconds: roughly what a power cut can cost."""

_MAX_WRITE_BYTES = 1 << 20
_RETRY_S = 0.5
_IDLE_S = 0.1


class DiskWriter:
    """Writes a new file through a buffer; `write` is thread-safe, and each call stays contiguous.

    Parameters
    ----------
    path
        Output file; it must not exist.
    buffer_bytes
        Capacity of the buffer in bytes.

    Attributes
    ----------
    high_water
        Largest number of bytes that were ever pending.
    problem
        Why the file cannot be written at present; empty if it can.
    past_problems
        All problems so far, oldest first, including the present one.

    Raises
    ------
    OutputExists
        If ``path`` exists.
    CannotWrite
        If the file cannot be created.
    """

    def __init__(self, path: Path | str, *, buffer_bytes: int = BUFFER_BYTES) -> None:
        self.path = Path(path)
        self.high_water = 0
        self.problem = ""
        self.past_problems: list[str] = []
        self._ring = RingBuffer(buffer_bytes, (), np.uint8)
        self._cursor = self._ring.cursor()
        self._file = _create(self.path)
        self._identity = os.fstat(self._file.fileno()).st_ino
        self._producer = threading.Lock()
        self._changed = threading.Condition()
        self._closing = self._abandoned = self._dirty = self._file_missing = False
        self._next_sync = 0.0
        self._thread = threading.Thread(target=self._run, name="disk writer", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        state = "CLOSED" if self._closing else "FAILING" if self.problem else "WRITING"
        return (
            f"<DiskWriter: {state} | {self.path}, {self.n_written} bytes written, {self.n_pending} pending>"
        )

    @property
    def n_written(self) -> int:
        """Number of bytes in the file."""
        return self._cursor.position

    @property
    def n_pending(self) -> int:
        """Number of bytes that are not written yet."""
        return self._cursor.lag

    @property
    def free_bytes(self) -> int:
        """Free space of the file's disk in bytes; 0 if unknown."""
        try:
            return shutil.disk_usage(self.path.absolute().parent).free
        except OSError:
            return 0

    def tell(self) -> int:
        """Return the number of bytes accepted so far, written or pending."""
        return self._ring.end

    def write(self, data: bytes, /) -> int:
        """Accept data for writing; blocks only while the buffer is full.

        Parameters
        ----------
        data
            Bytes to write; other threads' data never come in between.

        Raises
        ------
        CannotWrite
            If the file was closed before there was room.
        """
        rest = np.frombuffer(data, np.uint8)
        with self._producer:
            while len(rest):
                with self._changed:
                    while not (room := self._ring.capacity - self._cursor.lag) and not self._abandoned:
                        self._changed.wait(_IDLE_S)
                    if self._abandoned or not self._thread.is_alive():
                        raise CannotWrite(
                            f"{self.path} accepts no more data: {self.problem or 'it is closed'}."
                        )
                    if not self._cursor.lag:
                        self._ring.clear()
                    self._ring.append(rest[:room])
                    self.high_water = max(self.high_water, self._cursor.lag)
                    self._changed.notify_all()
                rest = rest[room:]
        return len(data)

    def flush(self) -> None:
        """Do nothing: the writing thread writes and syncs on its own schedule."""

    def abandon(self) -> None:
        """Give up: make every blocked or later `write` raise `CannotWrite`."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def close(self) -> None:
        """Write the pending data, sync and close the file.

        If the disk refuses, one more attempt is made; `n_pending` is then the number of lost bytes.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if self._file_missing:
            self._restore()
        self._file.close()

    def discard(self) -> None:
        """Close and delete the file."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _run(self) -> None:
        """Write until closed (the writing thread)."""
        while True:
            with self._changed:
                if not self._cursor.lag and not self._closing:
                    self._changed.wait(_IDLE_S)
                closing = self._closing
            written = self._write_pending()
            if written and closing and not self._cursor.lag:
                self._next_sync = 0.0
                self._write_pending()
                return
            if not written and closing:
                self.abandon()
                return
            if not written:
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, _RETRY_S)

    def _write_pending(self) -> bool:
        """Write a part of the pending data, and sync when due; False if the disk refuses."""
        try:
            if self._cursor.lag:
                count = self._file.write(memoryview(self._cursor.view(_MAX_WRITE_BYTES)))  # type: ignore[arg-type]
                with self._changed:
                    self._cursor.advance(count or 0)
                    self._changed.notify_all()
                self._dirty = True
            if time.monotonic() >= self._next_sync:
                self._sync()
        except OSError as error:
            self._report(_describe(error))
            return False
        if self.problem and not self._file_missing:
            log.warning("%s can be written again", self.path)
            self.problem = ""
        return True

    def _sync(self) -> None:
        """Sync the file to the disk, and check that it is still at its path."""
        self._next_sync = time.monotonic() + SYNC_EVERY_S
        if self._dirty:
            os.fsync(self._file.fileno())
            self._dirty = False
        try:
            self._file_missing = self.path.stat().st_ino != self._identity
        except OSError:
            self._file_missing = True
        if self._file_missing:
            self._report("the file was deleted, moved or replaced")

    def _restore(self) -> None:
        """Write a deleted file again at its path; its content exists as long as it is open."""
        try:
            self._file.seek(0)
            with self.path.open("xb") as copy:
                shutil.copyfileobj(self._file, copy, _MAX_WRITE_BYTES)
        except OSError as error:
            self._report(
                f"the file was deleted, moved or replaced, and restoring it failed: {_describe(error)}"
            )
            return
        self._file_missing, self.problem = False, ""
        log.warning("%s was missing and is restored", self.path)

    def _report(self, problem: str) -> None:
        """Store a new problem and log it once."""
        if problem != self.problem:
            log.error("%s cannot be written: %s", self.path, problem)
            self.problem = problem
            self.past_problems.append(problem)


def _create(path: Path) -> Any:
    """Create a file, unbuffered."""
    try:
        return io.FileIO(path, "xb+")
    except FileExistsError:
        raise OutputExists(
            f"{path} exists, and recordings are never overwritten; give another name."
        ) from None
    except OSError as error:
        raise CannotWrite(
            f"{path} cannot be created: {_describe(error)}. Choose a folder that exists and is writable."
        ) from error


def _describe(error: OSError) -> str:
    """Describe an error of the operating system."""
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return (error.strerror or repr(error)).removesuffix(".")
