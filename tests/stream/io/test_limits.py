from __future__ import annotations

from pathlib import Path

import pytest

from stream.errors import BadRecording
from stream.io import limits
from stream.io.npz import load_npz, save_npz
from stream.session import Session


def test_a_recording_that_exceeds_the_free_memory_is_refused(
    tmp_path: Path, small_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_npz(small_session, tmp_path / "a.npz")
    monkeypatch.setattr(limits, "free_bytes", lambda: 1000)
    with pytest.raises(BadRecording, match=r"GB when it is read; at most 5e-07 GB may be used now"):
        load_npz(tmp_path / "a.npz")


def test_a_size_that_no_compression_reaches_is_refused() -> None:
    limits.check_claimed_size("a", 1_000_000, 1000)
    with pytest.raises(BadRecording, match="'a' declares 10000000 bytes, but only 1000"):
        limits.check_claimed_size("a", 10_000_000, 1000)


def test_the_pictures_of_a_recording_have_a_budget() -> None:
    limits.check_claimed_size("movie", 300_000_000, 1_000_000)
    for n_bytes, n_stored in ((400_000_000, 390_000), (1_100_000_000, 200_000_000)):
        with pytest.raises(BadRecording, match=r"bytes of pictures; at most .* are read"):
            limits.check_claimed_size("movie", n_bytes, n_stored)
