"""An array that stays in its HDF5 file until a part of it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

MAX_LOADED_BYTES = 256_000_000
"""What is larger as float32 stays in the file."""


class LazyArray:
    """A dataset [time, channels], read as float32; stands for an array wherever parts of it are taken.

    Parameters
    ----------
    path
        The HDF5 file; it stays open.
    name
        Of the dataset.
    """

    def __init__(self, path: Path, name: str) -> None:
        import h5py

        self._data = h5py.File(path, "r")[name]
        self.shape: tuple[int, ...] = self._data.shape
        self.ndim = len(self.shape)
        self.dtype = np.dtype(np.float32)

    def __repr__(self) -> str:
        return f"<OnDisk: {self._data.file.filename} {self._data.name} {self.shape}>"

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        if isinstance(index, np.ndarray) and index.dtype.kind in "biu":
            rows = np.flatnonzero(index) if index.dtype.kind == "b" else index
            if not len(rows):
                return np.zeros((0, *self.shape[1:]), np.float32)
            first = int(rows.min())
            return self[first : int(rows.max()) + 1][rows - first]  # much faster than h5py's own picking
        return np.asarray(self._data[index], np.float32)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self._data[()], dtype or np.float32)
