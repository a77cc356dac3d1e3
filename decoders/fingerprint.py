"""Fingerprints of training data, by which a model knows them again in whatever file they come."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from stream.session import Session

RUN = 16
"""Samples in a row that make one fingerprint."""

LEAST_CHANGES = 6
"""Values of a run that must differ from its first sample: a stretch with a single spike is no fingerprint."""


def fingerprints(session: Session) -> NDArray[np.uint64]:
    """Hashes of every run of `RUN` samples in a row, uint64 [runs], sorted, each once.

    Parameters
    ----------
    session
        Training takes every one; testing compares every sixteenth, so that any shared stretch of twice that
        length is found, however a recording was cut.
    """
    return np.unique(_hashes(session, 1))


def overlap(session: Session, known: NDArray[np.uint64]) -> float:
    """The part of a session whose samples are among fingerprinted ones, from 0 to 1.

    Parameters
    ----------
    session
        To be tested on.
    known
        From `fingerprints` of the training data.
    """
    here = _hashes(session, RUN)
    return float(np.mean(np.isin(here, known))) if len(here) and len(known) else 0.0


def _hashes(session: Session, stride: int) -> NDArray[np.uint64]:
    neural = np.ascontiguousarray(session.neural, np.float32)
    out = []
    for begin in range(0, len(neural) - RUN + 1, stride):
        run = neural[begin : begin + RUN]
        if np.count_nonzero(run != run[0]) >= LEAST_CHANGES:  # silent stretches look alike
            out.append(hashlib.blake2b(run.tobytes(), digest_size=8).digest())
    return np.frombuffer(b"".join(out), np.uint64)
