from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from stream.lsl.sender import Received
from stream.recorder.comparison import compare_received, describe_differences

RATE_HZ = 10.0


def received(begin: int, end: int, uid: str = "a", lost: int = 0) -> Received:
    """Samples with these numbers at 10 Hz, with some missing in between."""
    return Received(uid, end - begin - lost, begin / RATE_HZ, (end - 1) / RATE_HZ)


def compare(engine: Received, recorder: Received, rate_hz: float = RATE_HZ) -> dict[str, Any]:
    (row,) = compare_received([engine], [asdict(recorder)], rate_hz)
    return row


@pytest.mark.parametrize(
    ("engine", "recorder", "only_engine", "only_recorder", "where"),
    [
        (received(0, 100), received(0, 100), 0, 0, []),
        (received(0, 100), received(5, 100), 5, 0, ["beginning"]),
        (received(3, 100), received(0, 100), 0, 3, ["beginning"]),
        (received(0, 100), received(0, 97), 3, 0, ["end"]),
        (received(0, 100), received(0, 130), 0, 30, ["end"]),
        (received(0, 100), received(5, 110), 5, 10, ["beginning", "end"]),
        (received(0, 100), received(5, 105), 5, 5, ["beginning", "end"]),
        (received(0, 100, lost=4), received(0, 100), 0, 4, ["middle"]),
        (received(0, 100, lost=5), received(5, 100), 5, 5, ["beginning", "middle"]),
        (received(0, 100, lost=4), received(2, 103), 2, 7, ["beginning", "middle", "end"]),
    ],
)
def test_what_only_one_has_is_counted_by_place(
    engine: Received, recorder: Received, only_engine: int, only_recorder: int, where: list[str]
) -> None:
    row = compare(engine, recorder)
    assert (row["only_engine"], row["only_recorder"], row["where"]) == (only_engine, only_recorder, where)
    assert (row["engine_samples"], row["recorder_samples"]) == (engine.samples, recorder.samples)


def test_outlets_that_only_one_was_connected_to_are_listed() -> None:
    rows = compare_received(
        [received(0, 10), Received("empty"), received(20, 25, "b")],
        [asdict(received(0, 10)), asdict(received(30, 32, "c"))],
        RATE_HZ,
    )
    assert [(row["uid"], row["only_engine"], row["only_recorder"]) for row in rows] == [
        ("a", 0, 0),
        ("b", 5, 0),
        ("c", 0, 2),
    ]


def test_an_outlet_that_was_connected_twice_is_one() -> None:
    twice = [received(0, 10), received(15, 20)]
    (row,) = compare_received(twice, [asdict(received(0, 20, lost=5))], RATE_HZ)
    assert (row["engine_samples"], row["only_engine"], row["only_recorder"]) == (15, 0, 0)


def test_differences_are_described_but_not_what_was_recorded_after_the_end() -> None:
    compared = compare_received(
        [received(0, 10), received(20, 30, "b")],
        [asdict(received(2, 11)), asdict(received(20, 35, "b"))],
        RATE_HZ,
    )
    assert describe_differences("V1", compared) == [
        "2 samples of 'V1' were decoded but are not in the recording (sender 1 of 2, beginning and end)",
        "1 samples of 'V1' are in the recording but were not decoded (sender 1 of 2, beginning and end)",
    ]
    assert describe_differences("V1", compared[1:]) == []


def test_irregular_streams_are_compared_by_their_counts() -> None:
    row = compare(received(0, 100), received(5, 110), rate_hz=0.0)
    assert (row["only_engine"], row["only_recorder"], row["where"]) == (0, 5, ["middle"])
