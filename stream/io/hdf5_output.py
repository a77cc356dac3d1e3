"""A file that HDF5 writes into and that never reports an error to it: after one, the library crashes the process."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self


class Hdf5Output:
    """A new file for ``h5py.File``; keeps the first error and ignores what is written after it.

    The context raises that error when it ends, and `check` earlier.

    Parameters
    ----------
    path
        File to create.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb+", buffering=0)
        self._error: OSError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self.check()

    def check(self) -> None:
        """Raise the error of an earlier write, if there was one.

        Raises
        ------
        OSError
            For example because the disk is full.
        """
        if self._error is not None:
            raise self._error

    def write(self, data: bytes) -> int:
        """Write at the position, unless an earlier write failed.

        Parameters
        ----------
        data
            What to write.
        """
        rest = memoryview(data)
        try:
            while len(rest) and self._error is None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the file.

        Parameters
        ----------
        size
            In bytes; None for the position.
        """
        size = self.tell() if size is None else size
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size

    def read(self, size: int = -1) -> bytes:
        """Read at the position; h5py takes what has this method for a file, and calls `readinto`.

        Parameters
        ----------
        size
            Number of bytes; -1 for all.
        """
        return self._file.read(size)

    def readinto(self, buffer: memoryview) -> int:
        """Read at the position; what was never written is zero.

        Parameters
        ----------
        buffer
            Filled completely.
        """
        n = self._file.readinto(buffer)
        buffer[n:] = bytes(len(buffer) - n)
        return len(buffer)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move the position.

        Parameters
        ----------
        offset, whence
            As for any file.
        """
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._file.tell()

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""
