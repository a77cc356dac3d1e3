"""Views of a recording; `RecorderChild` and the views of a running recording are tested in tests/live."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

import pytest

from neuroreel.recording.views import ReportView, TerminalView, print_summary

ROW = {
    "name": "V1 [left]",
    "samples": 300,
    "measured_rate_hz": 30.0,
    "nominal_rate_hz": 30.0,
    "gaps": 1,
    "duration_s": 10.0,
    "clock_offsets": 2,
    "lost": 0,
    "matches": True,
}
SUMMARY = {
    "streams": [ROW, ROW | {"name": "keys", "nominal_rate_hz": 0.0, "lost": 4, "matches": False}],
    "file": "a.xdf",
    "bytes": 2_500_000,
    "seconds": 10.0,
    "verified": True,
    "problems": [],
}


def test_summary_of_a_verified_recording(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(SUMMARY)
    output = capsys.readouterr().out
    assert "V1 [left]" in output
    assert "4, differs" in output
    assert "irregular" in output
    assert "a.xdf: 2.50 MB in 10.0 s; verified, no samples lost." in output


def test_summary_of_a_recording_with_losses(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(SUMMARY | {"verified": False, "problems": ["the disk was full"]})
    captured = capsys.readouterr()
    assert "NOT verified" in captured.out
    assert "problem: the disk was full" in captured.err


def recorder(problem: str) -> Any:
    stream = SimpleNamespace(
        name="V1",
        stats=SimpleNamespace(n_samples=300),
        measured_hz=30.0,
        stale=True,
        update_rate=lambda: None,
    )
    disk_writer = SimpleNamespace(path="a.xdf", problem=problem, n_written=1_000_000)
    return SimpleNamespace(streams=[stream], disk_writer=disk_writer, unmatched={"EEG"}, elapsed_s=3661.0)


def test_one_line_per_second_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalView("a.xdf") as view:
        view.update(recorder("the disk is full"))
        view.update(recorder("the disk is full"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "NOT WRITTEN: a.xdf: the disk is full"
    assert lines[1] == "1:01:01  1.00 MB  V1 300 (30.0 Hz, STALE)  EEG: missing"
    assert lines[2] == lines[1]


def test_reports_for_a_parent_process(capfd: pytest.CaptureFixture[str]) -> None:
    view = ReportView()
    try:
        view.ready(recorder(""))
        view.update(recorder("the disk is full"))
        view.update(recorder(""))
    finally:
        view.end({"verified": True})
    reports = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [report["do"] for report in reports] == ["ready", "event", "status", "event", "status", "end"]
    assert reports[0]["pid"] == os.getpid()
    assert (reports[1]["event"], reports[3]["event"]) == ("failing", "recovered")
    assert reports[2]["problem"] == "the disk is full"
    assert reports[5]["summary"] == {"verified": True}
