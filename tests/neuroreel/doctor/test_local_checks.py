"""Checks of this computer; the probes of LSL and Qt run in tests/neuroreel/commands/test_doctor.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from neuroreel.doctor import local_checks
from neuroreel.doctor.check import Status


@pytest.mark.live
def test_probe_that_dies_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_checks.sys, "executable", "/bin/false")
    assert local_checks.check_lsl("loopback").status == Status.FAIL
    assert local_checks.check_lsl("lab").status == Status.WARN


def test_missing_bundled_file_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_checks, "BUNDLED", ("nothing.xdf",))
    check = local_checks.check_bundled()
    assert check.status == Status.FAIL
    assert "nothing.xdf" in check.found


def test_missing_lsl_configuration_file_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LSLAPICFG", str(tmp_path / "none.cfg"))
    assert local_checks.check_lsl_configuration().status == Status.WARN


def test_missing_screen_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(local_checks.sys, "platform", "linux")
    assert local_checks.check_screen().status == Status.WARN
    monkeypatch.setenv("DISPLAY", ":0")
    assert local_checks.check_screen().status == Status.OK
