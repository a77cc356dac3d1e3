"""Reading a recording back when it has ended, and comparing it with what was received."""

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
    spool
        What wrote it, closed.
    streams
        What was recorded.

    Returns
    -------
    summary
        ``file``, ``bytes``, ``high_water_bytes``, ``problems``, ``verified`` (whether the file holds every sample,
        bit by bit, with its stamp), and ``streams``: `RecordedStream.summary` with ``lost``, the samples that were
        received but are not in the file, and ``matches``.
    """
    problems = list(disk_writer.past_problems)
    if disk_writer.n_pending:
        problems.append(f"{disk_writer.n_pending} bytes could not be written")
    held, damage = read_xdf_stats(disk_writer.path)
    if damage:
        problems.append(damage)
    rows = []
    for stream in streams:
        found = held.get(stream.stream_id, StreamStats())
        lost = stream.stats.n_samples - found.n_samples
        matches = found.same_samples(stream.stats)
        if not matches:
            problems.append(f"'{stream.name}' is not in the file as received ({lost} samples are missing)")
        rows.append(stream.summary() | {"lost": lost, "matches": matches})
    return {
        "file": str(disk_writer.path),
        "bytes": disk_writer.n_written,
        "high_water_bytes": disk_writer.high_water,
        "problems": problems,
        "verified": not damage and not disk_writer.problem and all(row["matches"] for row in rows),
        "streams": rows,
    }
