"""Compares what two programs received of one stream: the recorder, and the engine that it runs beside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stream.lsl.sender import Received


def compare_received(
    decoded: Sequence[Received], recorded: Iterable[Mapping[str, Any]], rate_hz: float
) -> list[dict[str, Any]]:
    """Compare counts and timestamps for each outlet that sent the stream, in the order in which it was received.

    Where both the beginning and the end differ, the nominal rate tells the two apart; the sum is exact.

    Parameters
    ----------
    decoded
        Samples that the engine received.
    recorded
        Entries ``senders`` of the recorder's summary.
    rate_hz
        Nominal rate of the stream in Hz; 0 for irregular streams.

    Returns
    -------
    compared
        For each outlet: ``uid``, ``engine_samples``, ``recorder_samples``, ``only_engine`` and ``only_recorder``
        (samples that the other one lacks), and ``where`` the first of these, the second, or both lie: a list of
        ``beginning``, ``middle``, ``end``.
    """
    theirs = {str(row["uid"]): Received(**row) for row in recorded}
    ours: dict[str, Received] = {}
    for received in decoded:
        if received.samples:
            ours[received.uid] = _joined(ours[received.uid], received) if received.uid in ours else received
    rows = []
    for uid in dict.fromkeys((*ours, *theirs)):
        engine, recorder = ours.get(uid, Received(uid)), theirs.get(uid, Received(uid))
        parts = _excess(engine, recorder, rate_hz)
        rows.append(
            {
                "uid": uid,
                "engine_samples": engine.samples,
                "recorder_samples": recorder.samples,
                "only_engine": sum(max(n, 0) for n in parts.values()),
                "only_recorder": sum(max(-n, 0) for n in parts.values()),
                "where": [where for where, n in parts.items() if n],
            }
        )
    return rows


def describe_differences(name: str, compared: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one sentence for each difference; what was recorded after the engine had ended is none.

    Parameters
    ----------
    name
        Name of the stream.
    compared
        Result of `compare_received`.
    """
    texts = []
    for number, row in enumerate(compared, 1):
        sender = f"sender {number} of {len(compared)}, " if len(compared) > 1 else ""
        where = f"({sender}{' and '.join(row['where'])})"
        if row["only_engine"]:
            texts.append(
                f"{row['only_engine']} samples of '{name}' were decoded but are not in the recording {where}"
            )
        if row["only_recorder"] and (number < len(compared) or row["where"] != ["end"]):
            texts.append(
                f"{row['only_recorder']} samples of '{name}' are in the recording but were not decoded {where}"
            )
    return texts


def _excess(engine: Received, recorder: Received, rate_hz: float) -> dict[str, int]:
    """Samples that the engine has more than the recorder, by place; negative where the recorder has more."""
    total = engine.samples - recorder.samples
    if not engine.samples or not recorder.samples:
        return {"beginning": total}
    begin_s = recorder.first_stamp - engine.first_stamp
    end_s = engine.last_stamp - recorder.last_stamp
    if not begin_s or not end_s:
        place = "beginning" if begin_s else "end" if end_s else "middle"
        if total * (begin_s + end_s) >= 0 and (total or place == "middle"):
            return {place: total}
    beginning, end = round(begin_s * rate_hz), round(end_s * rate_hz)
    return {"beginning": beginning, "middle": total - beginning - end, "end": end}


def _joined(first: Received, then: Received) -> Received:
    """Samples of one outlet that was connected twice."""
    return Received(first.uid, first.samples + then.samples, first.first_stamp, then.last_stamp)
