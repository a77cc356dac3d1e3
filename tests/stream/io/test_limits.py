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
