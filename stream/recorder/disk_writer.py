"""Between those who record and the disk: a buffer in memory, and a thread that writes it to a file.

A disk can stall for seconds. Whoever calls `DiskWriter.write` only waits when the whole buffer is full, which is
reported as its high-water mark. A byte's place in the buffer is its place in the file, so a write that fails half-way
is taken up at the very byte when it succeeds again: a disk that was full for a while leaves no trace in the file.
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
"""What the buffer holds, 16 s of 1,000 channels at 1,000 Hz. It takes twice as much memory as what waits in it."""

SYNC_EVERY_S = 1.0
"""How often the operating system is told to put the file on the disk: what a power cut can cost."""

_MAX_WRITE = 1 << 20
_RETRY_S = 0.5
_IDLE_S = 0.1


class DiskWriter:
    """Writes a new file through a buffer; any thread may call `write`, and each call stays in one piece.

    Parameters
    ----------
    path
        The file; it must not exist.
    buffer_bytes
        What the buffer holds.

    Attributes
    ----------
    high_water
        The most bytes that ever waited.
    problem
        Why nothing can be written at present, in words; empty when all is well.
    troubles
        Every problem there has been, oldest first.

    Raises
    ------
    OutputExists
        When ``path`` is there.
    CannotWrite
        When it cannot be made.
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
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        state = "CLOSED" if self._closing else "FAILING" if self.problem else "WRITING"
        return f"<Spool: {state} | {self.path}, {self.n_written} bytes written, {self.n_pending} waiting>"

    @property
    def n_written(self) -> int:
        """Bytes in the file."""
        return self._cursor.position

    @property
    def n_pending(self) -> int:
        """Bytes that wait to be written."""
        return self._cursor.lag

    @property
    def free_bytes(self) -> int:
        """Free space where the file lies; 0 when that cannot be told."""
        try:
            return shutil.disk_usage(self.path.absolute().parent).free
        except OSError:
            return 0

    def tell(self) -> int:
        """Bytes taken so far, whether written or waiting."""
        return self._ring.end

    def write(self, data: bytes, /) -> int:
        """Take data; waits only when the buffer is full.

        Parameters
        ----------
        data
            Written as one piece, whatever other threads write.

        Raises
        ------
        CannotWrite
            When the file was closed before there was room.
        """
        rest = np.frombuffer(data, np.uint8)
        with self._producer:
            while len(rest):
                with self._changed:
                    while not (room := self._ring.capacity - self._cursor.lag) and not self._abandoned:
                        self._changed.wait(_IDLE_S)
                    if self._abandoned or not self._thread.is_alive():
                        raise CannotWrite(
                            f"{self.path} takes no more data: {self.problem or 'it is closed'}."
                        )
                    if not self._cursor.lag:
                        self._ring.clear()
                    self._ring.append(rest[:room])
                    self.high_water = max(self.high_water, self._cursor.lag)
                    self._changed.notify_all()
                rest = rest[room:]
        return len(data)

    def flush(self) -> None:
        """Do nothing: the file is written and synced on its own schedule."""

    def abandon(self) -> None:
        """Let those go that wait for room, because the disk does not take anything."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def close(self) -> None:
        """Write what waits, put it on the disk and close the file.

        When the disk takes nothing, one more attempt is made; `n_pending` then says how many bytes are lost.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if self._file_missing:
            self._restore()
        self._file.close()

    def discard(self) -> None:
        """Close and delete the file: nothing was recorded."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _run(self) -> None:
        """Write until closed."""
        while True:
            with self._changed:
                if not self._cursor.lag and not self._closing:
                    self._changed.wait(_IDLE_S)
                last = self._closing
            worked = self._attempt()
            if worked and last and not self._cursor.lag:
                self._next_sync = 0.0
                self._attempt()
                return
            if not worked and last:
                self.abandon()
                return
            if not worked:
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, _RETRY_S)

    def _attempt(self) -> bool:
        """Write some of what waits, sync when it is time; False when the disk refuses."""
        try:
            if self._cursor.lag:
                count = self._file.write(memoryview(self._cursor.view(_MAX_WRITE)))  # type: ignore[arg-type]
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
            log.warning("%s is written again", self.path)
            self.problem = ""
        return True

    def _sync(self) -> None:
        """Put the file on the disk, and see whether it is still where it was."""
        self._next_sync = time.monotonic() + SYNC_EVERY_S
        if self._dirty:
            os.fsync(self._file.fileno())
            self._dirty = False
        try:
            self._file_missing = self.path.stat().st_ino != self._identity
        except OSError:
            self._file_missing = True
        if self._file_missing:
            self._report("the file is no longer there; it was deleted, moved or replaced")

    def _restore(self) -> None:
        """Write the file once more where it should be: its content is there as long as it is open."""
        try:
            self._file.seek(0)
            with self.path.open("xb") as again:
                shutil.copyfileobj(self._file, again, _MAX_WRITE)
        except OSError as error:
            self._report(f"the file is no longer there, and cannot be written anew: {_describe(error)}")
            return
        self._file_missing, self.problem = False, ""
        log.warning("%s was gone and is written anew", self.path)

    def _report(self, words: str) -> None:
        """Note a problem; the log says it once."""
        if words != self.problem:
            log.error("%s cannot be written: %s", self.path, words)
            self.problem = words
            self.past_problems.append(words)


def _create(path: Path) -> Any:
    """Open a new file, unbuffered."""
    try:
        return io.FileIO(path, "xb+")
    except FileExistsError:
        raise OutputExists(
            f"{path} exists, and recordings are never overwritten. Give another name."
        ) from None
    except OSError as error:
        raise CannotWrite(
            f"{path} cannot be made: {_describe(error)}. Give a folder that is there and writable."
        ) from error


def _describe(error: OSError) -> str:
    """An error of the operating system in words."""
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return (error.strerror or repr(error)).removesuffix(".")
