from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from neuroreel import health
from neuroreel.commands.doctor import command
from neuroreel.health import Check, Status


@pytest.mark.live
def test_doctor_reports_every_part_as_json() -> None:
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
    } <= set(checks)
    assert "LSL lab" not in checks
    assert checks["LSL loopback"]["status"] == "ok", checks["LSL loopback"]
    assert checks["Qt"]["status"] == "ok", checks["Qt"]
    assert report["ok"] == all(check["status"] != "fail" for check in report["checks"])
    assert done.returncode == (0 if report["ok"] else 1)


@pytest.mark.parametrize(("status", "code"), [(Status.OK, 0), (Status.WARN, 0), (Status.FAIL, 1)])
def test_only_a_failure_fails(monkeypatch: pytest.MonkeyPatch, status: Status, code: int) -> None:
    monkeypatch.setattr(health, "check_all", lambda scope: [Check("thing", status, "found", "do this")])
    result = CliRunner().invoke(command, [])
    assert result.exit_code == code
    assert "thing" in result.output
    assert "do this" in result.output


def test_a_trial_that_dies_is_reported_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.sys, "executable", "/bin/false")
    assert health.check_lsl("loopback").status == Status.FAIL
    assert health.check_lsl("lab").status == Status.WARN


def test_missing_bundle_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "BUNDLED", ("nothing.xdf",))
    check = health.check_bundled()
    assert check.status == Status.FAIL
    assert "nothing.xdf" in check.found


def test_lsl_configuration_that_is_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LSLAPICFG", str(tmp_path / "none.cfg"))
    assert health.check_lsl_configuration().status == Status.WARN


def test_no_screen_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(health.sys, "platform", "linux")
    assert health.check_screen().status == Status.WARN
    monkeypatch.setenv("DISPLAY", ":0")
    assert health.check_screen().status == Status.OK
