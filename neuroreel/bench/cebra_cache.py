"""Cache of CEBRA runs, which take minutes: JSON files named after their settings and the hashes of their data."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from neuroreel.bench.cebra import CebraSettings, run_cebra
from stream.session import Session

QUOTED = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"
"""Runs quoted in the documentation; exists only in a source checkout."""


def cache_folder() -> Path:
    """Folder of the cache: ``$XDG_CACHE_HOME/neuroreel/peers``, or in ``~/.cache``, or among the temporary files."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # no home folder
        base = Path(tempfile.gettempdir())
    return base / "neuroreel" / "peers"


def cebra_run(
    train: Session, test: Session, settings: CebraSettings, seed: int = 0, *, cached: bool = False
) -> dict[str, Any]:
    """Fit and score CEBRA, or read the result of an earlier run from the cache.

    Parameters
    ----------
    train, test, settings, seed
        See `neuroreel.bench.cebra.run_cebra`.
    cached
        Use the cached result if there is one.

    Returns
    -------
    result
        As from `neuroreel.bench.cebra.run_cebra`; ``from_cache`` is the file it was read from, or None.
    """
    name = f"cebra-{settings.iterations}-{_key(train, test, settings, seed)}.json"
    if cached:
        for folder in (QUOTED, cache_folder()):
            stored = _read(folder / name)
            if stored is not None:
                return {**stored, "from_cache": str(folder / name)}
    result = run_cebra(train, test, settings, seed)
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return {**result, "from_cache": None}


def _key(train: Session, test: Session, settings: CebraSettings, seed: int) -> str:
    text = json.dumps([asdict(settings), seed, train.sha256(), test.sha256()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and "accuracy_within_1s" in result else None
