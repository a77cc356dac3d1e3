"""Reading a recording back when it has ended, and comparing it with what was received."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stream.io.xdf_stats import StreamStats, count_xdf
from stream.recorder.disk_writer import DiskWriter
from stream.recorder.recorded_stream import RecordedStream


def check_recording(spool: DiskWriter, streams: Sequence[RecordedStream]) -> dict[str, Any]:
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
        bit by bit, with its stamp), and ``streams``: `RecordedStream.facts` with ``lost``, the samples that were
        received but are not in the file, and ``matches``.
    """
    problems = list(spool.troubles)
    if spool.waiting:
        problems.append(f"{spool.waiting} bytes could not be written")
    held, damage = count_xdf(spool.path)
    if damage:
        problems.append(damage)
    rows = []
    for stream in streams:
        found = held.get(stream.stream_id, StreamStats())
        lost = stream.tally.n_samples - found.n_samples
        matches = found.same_samples(stream.tally)
        if not matches:
            problems.append(f"'{stream.name}' is not in the file as received ({lost} samples are missing)")
        rows.append(stream.facts() | {"lost": lost, "matches": matches})
    return {
        "file": str(spool.path),
        "bytes": spool.n_written,
        "high_water_bytes": spool.high_water,
        "problems": problems,
        "verified": not damage and not spool.problem and all(row["matches"] for row in rows),
        "streams": rows,
    }
