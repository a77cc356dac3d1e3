"""Reads a finished recording back and compares it with what was received."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stream.io.xdf_stats import StreamStats, read_xdf_stats
from stream.recorder.disk_writer import DiskWriter
from stream.recorder.recorded_stream import RecordedStream


def verify_recording(disk_writer: DiskWriter, streams: Sequence[RecordedStream]) -> dict[str, Any]:
    """Compare a closed file with what was received, stream by stream.

    Parameters
    ----------
    disk_writer
        Closed writer of the file.
    streams
        Streams that were recorded.

    Returns
    -------
    summary
        ``file``, ``bytes``, ``high_water_bytes``, ``problems``, ``verified`` (whether the file holds every sample and
        timestamp, bit by bit), and ``streams``: each `RecordedStream.summary` with ``lost``, the number of samples
        received but not in the file, and ``matches``.
    """
    problems = list(disk_writer.past_problems)
    if disk_writer.n_pending:
        problems.append(f"{disk_writer.n_pending} bytes could not be written")
    file_stats, damage = read_xdf_stats(disk_writer.path)
    if damage:
        problems.append(damage)
    rows = []
    for stream in streams:
        in_file = file_stats.get(stream.stream_id, StreamStats())
        lost = stream.stats.n_samples - in_file.n_samples
        matches = in_file.same_samples(stream.stats)
        if not matches:
            problems.append(
                f"'{stream.name}' in the file differs from what was received ({lost} samples lost)"
            )
        rows.append(stream.summary() | {"lost": lost, "matches": matches})
    return {
        "file": str(disk_writer.path),
        "bytes": disk_writer.n_written,
        "high_water_bytes": disk_writer.high_water,
        "problems": problems,
        "verified": not damage and not disk_writer.problem and all(row["matches"] for row in rows),
        "streams": rows,
    }
