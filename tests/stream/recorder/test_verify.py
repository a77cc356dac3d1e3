from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream.io.xdf_stats import StreamStats
from stream.io.xdf_writer import XdfWriter, stream_xml
from stream.recorder.disk_writer import DiskWriter
from stream.recorder.verify import verify_recording


@dataclass
class Received:
    """Replaces a `stream.recorder.recorded_stream.RecordedStream` that has ended."""

    name: str = "V1"
    stream_id: int = 1
    stats: StreamStats = field(default_factory=StreamStats)

    def summary(self) -> dict[str, Any]:
        return {"stream_id": self.stream_id, "name": self.name}


@pytest.fixture
def disk_writer(tmp_path: Path) -> DiskWriter:
    """A closed writer of a file with ten samples of one stream."""
    disk_writer = DiskWriter(tmp_path / "a.xdf")
    with XdfWriter(tmp_path / "a.xdf", sink=disk_writer) as writer:
        writer.header(1, stream_xml("V1", "Spikes", ("a",), 10, "float32"), "float32", 1)
        writer.samples(1, np.arange(10.0), np.ones((10, 1), np.float32))
    return disk_writer


def received(n_samples: int, value: float = 1.0) -> Any:
    stream = Received()
    stream.stats.add(np.arange(float(n_samples)), np.full((n_samples, 1), value, np.float32))
    return stream


def test_an_identical_file_is_verified(disk_writer: DiskWriter) -> None:
    summary = verify_recording(disk_writer, [received(10)])
    assert summary["verified"]
    assert summary["problems"] == []
    assert summary["streams"] == [{"stream_id": 1, "name": "V1", "lost": 0, "matches": True}]
    assert summary["bytes"] == Path(summary["file"]).stat().st_size


@pytest.mark.parametrize(("n_samples", "value", "lost"), [(12, 1.0, 2), (10, 2.0, 0)])
def test_lost_and_changed_samples_are_reported(
    disk_writer: DiskWriter, n_samples: int, value: float, lost: int
) -> None:
    summary = verify_recording(disk_writer, [received(n_samples, value)])
    assert not summary["verified"]
    assert summary["problems"] == [f"'V1' in the file differs from what was received ({lost} samples lost)"]
    assert summary["streams"][0]["lost"] == lost


def test_a_truncated_file_is_reported(disk_writer: DiskWriter) -> None:
    content = disk_writer.path.read_bytes()
    disk_writer.path.write_bytes(content[:-3])
    summary = verify_recording(disk_writer, [received(10)])
    assert not summary["verified"]
    assert "truncated or damaged" in summary["problems"][0]
