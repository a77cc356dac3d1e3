"""An array that stays in its HDF5 file and is read part by part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

MAX_LOADED_BYTES = 256_000_000
"""Size as float32 above which ``neural`` stays in its file."""


class LazyArray:
    """A dataset [time, channels] of an HDF5 file; indexing it reads that part as float32.

    Parameters
    ----------
    path
        HDF5 file; stays open.
    name
        Path of the dataset in the file.
    """

    def __init__(self, path: Path, name: str) -> None:
        from stream.io.hdf5 import member, open_hdf5

        self._data = member(open_hdf5(path), name)
        self.shape: tuple[int, ...] = self._data.shape
        self.ndim = len(self.shape)
        self.dtype = np.dtype(np.float32)

    def __repr__(self) -> str:
        return f"<LazyArray: {self._data.file.filename} {self._data.name} {self.shape}>"

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        if isinstance(index, np.ndarray) and index.dtype.kind in "biu":
            rows = np.flatnonzero(index) if index.dtype.kind == "b" else index
            if not len(rows):
                return np.zeros((0, *self.shape[1:]), np.float32)
            first = int(rows.min())
            return self[first : int(rows.max()) + 1][rows - first]  # much faster than fancy indexing in h5py
        return np.asarray(self._data[index], np.float32)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self._data[()], dtype or np.float32)
