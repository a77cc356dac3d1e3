from __future__ import annotations

from dataclasses import replace

import numpy as np

from decoders.data.fingerprint import fingerprints, overlap
from stream.session import Session
from tests.decoders.conftest import watched_session


def test_shared_samples_are_found_anywhere(watched: Session) -> None:
    known = fingerprints(watched.select_repeats([0, 1]))
    assert overlap(watched.select_repeats([2, 3]), known) == 0
    assert overlap(watched, known) > 0.2
    index = np.arange(watched.n_samples)
    assert overlap(watched.take((index > 30) & (index < 63)), known) > 0


def test_sparse_activity_gives_no_fingerprint() -> None:
    rng = np.random.default_rng(0)
    session = watched_session()
    sparse = [
        replace(session, neural=(rng.random(session.neural.shape) < 0.01).astype(np.float32))
        for _ in range(2)
    ]
    assert overlap(sparse[0], fingerprints(sparse[1])) == 0
    silent = replace(session, neural=np.zeros_like(session.neural))
    assert overlap(silent, fingerprints(silent)) == 0
