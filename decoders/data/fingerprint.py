"""Fingerprints of training data: a model recognises the samples it was trained on in any file."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from stream.session import Session

RUN_LENGTH = 32
"""Consecutive samples hashed into one fingerprint."""

MIN_CHANGES = 24
"""Sample-to-sample changes a run must contain: a stretch with only a few spikes is not unique."""


def fingerprints(session: Session) -> NDArray[np.uint64]:
    """Hash every run of `RUN_LENGTH` consecutive samples and every whole repeat, uint64 [hashes], sorted.

    Parameters
    ----------
    session
        Training data. Every run of it is hashed; `overlap` hashes only the runs that begin at every `RUN_LENGTH`-th
        sample, which finds any shared stretch of twice that length, however the recording was cut.
    """
    return np.unique(np.r_[_hash_runs(session, 1), _hash_repeats(session)])


def overlap(session: Session, known: NDArray[np.uint64]) -> float:
    """Return the share of a session whose samples have known fingerprints, 0 to 1.

    Parameters
    ----------
    session
        Test data.
    known
        Fingerprints of the training data, from `fingerprints`.
    """
    shares = [
        np.isin(hashes, known).mean()
        for hashes in (_hash_runs(session, RUN_LENGTH), _hash_repeats(session))
        if len(hashes)
    ]
    return float(max(shares, default=0.0))


def is_known_run(samples: NDArray[np.float32], known: NDArray[np.uint64]) -> bool:
    """Whether one run of samples has a known fingerprint.

    Parameters
    ----------
    samples
        Consecutive samples, float32 [`RUN_LENGTH`, channels].
    known
        Fingerprints of the training data, from `fingerprints`.
    """
    if _count_changes(samples).sum() < MIN_CHANGES:
        return False
    return bool(np.isin(_hashes([samples]), known).any())


def _hash_runs(session: Session, stride: int) -> NDArray[np.uint64]:
    neural = np.ascontiguousarray(session.neural, np.float32)
    changes = np.r_[0, np.cumsum(_count_changes(neural))]
    begins = np.arange(0, len(neural) - RUN_LENGTH + 1, stride)
    unique = changes[begins + RUN_LENGTH - 1] - changes[begins] >= MIN_CHANGES
    return _hashes([neural[begin : begin + RUN_LENGTH] for begin in begins[unique]])


def _hash_repeats(session: Session) -> NDArray[np.uint64]:
    """Hash whole repeats (or segments): where firing is too sparse for runs, a whole repeat is still unique."""
    neural = np.ascontiguousarray(session.neural, np.float32)
    repeat = session.repeat_with_blanks() if session.repeats else session.segment
    parts = [neural[repeat == number] for number in np.unique(repeat)]
    return _hashes([part for part in parts if _count_changes(part).sum() >= MIN_CHANGES])


def _count_changes(neural: NDArray[np.float32]) -> NDArray[np.int64]:
    """Count the channels that change from each sample to the next, int64 [time - 1]; missing values do not count."""
    with np.errstate(invalid="ignore", over="ignore"):  # infinity minus infinity
        step = np.diff(neural, axis=0)
    changed: NDArray[np.int64] = np.count_nonzero(np.isfinite(step) & (step != 0), axis=1).astype(np.int64)
    return changed


def _hashes(parts: list[NDArray[np.float32]]) -> NDArray[np.uint64]:
    digests = [hashlib.blake2b(part.tobytes(), digest_size=8).digest() for part in parts]
    return np.frombuffer(b"".join(digests), np.uint64)
