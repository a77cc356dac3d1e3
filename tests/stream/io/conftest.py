"""Reads files in the test's own process, where the test is not about the child process."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from stream.errors import BadRecording, NeuroReelError
from stream.io import sandboxed_reader
from stream.io.arrays import FileContents
from stream.io.sandboxed_child import READERS


class NoLimits:
    """Replaces `stream.io.read_limits.ReadLimits`, which would limit the test process itself."""

    def reserve(self, n_bytes: int, what: str) -> None: ...

    def progress(self) -> None: ...


def read_in_process(reader: str, path: Path, options: Mapping[str, object]) -> FileContents:
    """Read like `stream.io.sandboxed_reader.read_sandboxed`, without a child process."""
    try:
        contents: FileContents = importlib.import_module(READERS[reader]).read(path, NoLimits(), **options)
    except NeuroReelError:
        raise
    except Exception as error:
        raise BadRecording(f"it cannot be read: {error}.") from error
    return contents


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read NWB, HDF5 and MATLAB files in this process."""
    monkeypatch.setattr(sandboxed_reader, "read_sandboxed", read_in_process)
