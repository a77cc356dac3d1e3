"""Independent readers: what a file that is read without a word must hold."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.session import Session

Arrays = tuple[NDArray[Any], NDArray[np.float64]]


class NothingToCompare(Exception):
    """The other reader is known to fail at what this file shows."""


def difference(path: Path, kind: str, session: Session) -> str:
    """Return how a session differs from what an independent reader finds; empty if it does not.

    Parameters
    ----------
    path
        The file.
    kind
        Kind of file.
    session
        What NeuroReel read.
    """
    if kind not in READERS:
        return ""
    try:
        neural, stamps = READERS[kind](path, session)
    except NothingToCompare:
        return ""
    except Exception as error:
        return f"another reader refuses it: {error!r}"
    with np.errstate(over="ignore", invalid="ignore"):
        neural = np.asarray(neural, np.float64).astype(np.float32)
    if neural.shape != np.shape(session.neural) and neural.T.shape == np.shape(session.neural):
        neural = neural.T
    if neural.shape != np.shape(session.neural):
        return f"shape {np.shape(session.neural)} instead of {neural.shape}"
    if not np.array_equal(neural, np.asarray(session.neural), equal_nan=True):
        return "other values"
    period = 1.5 / session.rate_hz if session.rate_hz > 0 else 0.0  # uneven timestamps are smoothed
    if not np.allclose(np.ravel(stamps), session.stamps, rtol=0, atol=max(1e-6, period)):
        return "other timestamps"
    return ""


def _xdf(path: Path, session: Session) -> Arrays:
    import pyxdf

    source: Any = path
    if path.read_bytes()[:2] == b"\x1f\x8b":
        import gzip

        source = io.BytesIO(gzip.decompress(path.read_bytes()))
    try:
        streams, _ = pyxdf.load_xdf(source, synchronize_clocks=False, dejitter_timestamps=False)
    except TypeError as error:  # pyxdf needs a text in elements of any stream that may be empty
        raise NothingToCompare from error
    named = [one for one in streams if one["info"]["name"][0] == session.name and len(one["time_stamps"])]
    if not named:  # pyxdf begins anew at a header that comes twice
        raise NothingToCompare
    return named[0]["time_series"], named[0]["time_stamps"]


def _npz(path: Path, _: Session) -> Arrays:
    with np.load(path) as arrays:
        return arrays["neural"], arrays["stamps"]


def _csv(path: Path, session: Session) -> Arrays:
    lines = [line for line in path.read_text("utf-8-sig").split("\n") if line and not line.startswith("#")]
    header, *rows = list(csv.reader(lines))
    numbers = [
        [float(cell) if cell.strip().lower() not in ("", "na") else np.nan for cell in row] for row in rows
    ]
    table = np.array(numbers)
    stripped = [name.strip() for name in header]
    columns = [stripped.index(name.strip()) for name in session.channel_names]
    return table[:, columns], table[:, stripped.index("time")]


def _h5(path: Path, _: Session) -> Arrays:
    import h5py

    with h5py.File(path) as file:
        return file["neural"][()], file["stamps"][()]


def _mat(path: Path, _: Session) -> Arrays:
    import scipy.io

    # no others: scipy crashes at some that are damaged
    variables = scipy.io.loadmat(path, variable_names=["neural", "stamps"])
    return variables["neural"], variables["stamps"]


READERS: dict[str, Callable[[Path, Session], Arrays]] = {
    "xdf": _xdf,
    "npz": _npz,
    "csv": _csv,
    "h5": _h5,
    "mat": _mat,
}
"""Readers by kind of file; the others are compared with nothing."""
