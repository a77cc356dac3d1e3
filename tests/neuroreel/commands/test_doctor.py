from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from neuroreel.doctor import local_checks
from neuroreel.doctor.check import Check, Status
from tests.neuroreel.commands.runner import run


@pytest.mark.live
def test_report_as_json_contains_every_check() -> None:
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "neuroreel", "doctor", "--json", "-"],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )
    report = json.loads(done.stdout)
    checks = {check["name"]: check for check in report["checks"]}
    assert {
        "Python",
        "numpy",
        "liblsl",
        "LSL loopback",
        "screen",
        "Qt",
        "fonts",
        "threads",
        "clock",
        "disk",
        "networks",
        "LSL settings",
        "ports",
        "firewall",
        "wall clock",
    } <= set(checks)
    assert not {"LSL lab", "multicast"} & set(checks)  # by default nothing is sent to the network
    assert checks["LSL loopback"]["status"] == "ok", checks["LSL loopback"]
    assert checks["Qt"]["status"] == "ok", checks["Qt"]
    assert report["ok"] == all(check["status"] != "fail" for check in report["checks"])
    assert done.returncode == (0 if report["ok"] else 1)


def test_brackets_in_an_advice_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    check = Check("ports", Status.WARN, "[1] free", "set [ports]")
    monkeypatch.setattr(local_checks, "check_all", lambda scope: [check])
    output = run("doctor").output
    assert "[1] free" in output
    assert "set [ports]" in output


@pytest.mark.parametrize(("status", "code"), [(Status.OK, 0), (Status.WARN, 0), (Status.FAIL, 1)])
def test_only_a_failed_check_changes_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, status: Status, code: int
) -> None:
    monkeypatch.setattr(local_checks, "check_all", lambda scope: [Check("thing", status, "found", "do this")])
    result = run("doctor")
    assert result.exit_code == code
    assert "thing" in result.output
    assert "do this" in result.output
