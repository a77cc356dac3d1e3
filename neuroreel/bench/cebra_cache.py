"""Runs of the peer, which take minutes, kept as JSON with their settings and the hashes of their data."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from neuroreel.bench.cebra import PeerSettings, run_peer
from stream.session import Session

QUOTED = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"
"""The runs that the documentation quotes; only there in a checkout."""


def cache_folder() -> Path:
    """Where runs are kept: ``$XDG_CACHE_HOME/neuroreel/peers``, or below ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neuroreel" / "peers"


def peer_run(
    train: Session, test: Session, settings: PeerSettings, seed: int = 0, *, cached: bool = False
) -> dict[str, Any]:
    """A run of the peer.

    Parameters
    ----------
    train, test, settings, seed
        See `neuroreel.bench.cebra.run_peer`.
    cached
        Take it from the cache when it is there.

    Returns
    -------
    result
        With ``from_cache``, the file it was taken from, or None.
    """
    name = f"cebra-{settings.iterations}-{_key(train, test, settings, seed)}.json"
    if cached:
        for folder in (QUOTED, cache_folder()):
            found = _read(folder / name)
            if found is not None:
                return {**found, "from_cache": str(folder / name)}
    result = run_peer(train, test, settings, seed)
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return {**result, "from_cache": None}


def _key(train: Session, test: Session, settings: PeerSettings, seed: int) -> str:
    said = json.dumps([asdict(settings), seed, train.sha256(), test.sha256()], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "accuracy_within_1s" in found else None
