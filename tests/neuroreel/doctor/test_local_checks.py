from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from neuroreel.commands.doctor import command
from neuroreel.doctor import local_checks as health
from neuroreel.doctor import network_checks as health_network
from neuroreel.doctor.check import Check, Status


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
        "networks",
        "LSL settings",
        "ports",
        "firewall",
        "wall clock",
    } <= set(checks)
    assert not {"LSL lab", "multicast"} & set(checks)  # nothing is sent into the network unasked
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


@pytest.mark.live
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


@pytest.mark.live
def test_two_networks_are_a_warning() -> None:
    assert health_network.check_interfaces({}).status == Status.OK
    assert health_network.check_interfaces({"eth0": "10.0.0.1"}).status == Status.OK
    check = health_network.check_interfaces({"eth0": "10.0.0.1", "wlan0": "192.168.0.7"})
    assert check.status == Status.WARN
    assert "wlan0 192.168.0.7" in check.found
    assert "ListenAddress" in check.advice
    assert all(not address.startswith("127.") for address in health_network.addresses().values())


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("[lab]\nKnownPeers = {10.0.0.2}\n", Status.OK, "knownpeers={10.0.0.2}"),
        ("[multicast]\nResolveScope = machine\n", Status.WARN, "hides this computer"),
        ("[lab]\nSessionID = rig2\n", Status.WARN, "same SessionID"),
        ("nothing like it", Status.WARN, "No setting in the file can be read"),
        ("", Status.OK, "defaults"),
    ],
)
def test_settings_of_the_laboratory(tmp_path: Path, text: str, status: Status, said: str) -> None:
    config = tmp_path / "lsl_api.cfg"
    config.write_text(text)
    check = health_network.check_settings(config)
    assert check.status == status
    assert said in check.found + check.advice


def test_no_settings_are_fine() -> None:
    assert health_network.check_settings(None).status == Status.OK


@pytest.mark.live
def test_ports_that_are_taken_are_counted(tmp_path: Path) -> None:
    config = tmp_path / "lsl_api.cfg"
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        config.write_text(f"[ports]\nBasePort = {taken.getsockname()[1]}\nPortRange = 0\n")
        check = health_network.check_ports(config)
        assert check.status == Status.WARN
        assert check.found.startswith("0 of 1 free")
    assert health_network.check_ports(config).status == Status.OK
    config.write_text("[ports]\nBasePort = many\n")
    assert health_network.check_ports(config).status == Status.WARN


DROP = "chain input { type filter hook input priority 0; policy drop; }"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, Status.OK),
        ({"nft": DROP}, Status.WARN),
        ({"nft": DROP + "\ntcp dport 16571-16604 accept"}, Status.OK),
        ({"iptables": "-P INPUT ACCEPT\n"}, Status.OK),
        ({"iptables": "-P INPUT DROP\n", "ufw": "Status: inactive"}, Status.WARN),
        ({"ufw": "Status: active"}, Status.WARN),
        ({"firewalld": "running"}, Status.WARN),
        ({"firewalld": "not running"}, Status.OK),
        ({"macOS": "Firewall is enabled. (State = 1)"}, Status.WARN),
        ({"nft": None}, Status.OK),
    ],
)
def test_a_firewall_is_told_of(said: dict[str, str | None], status: Status) -> None:
    check = health_network.check_firewall(said)
    assert check.status == status
    assert ("16571" in check.advice) == (status == Status.WARN)


def test_firewall_tools_that_are_not_there_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_network.shutil, "which", lambda _: None)
    assert health_network.firewall_rules() == {}


@pytest.mark.live
def test_multicast_that_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_network, "GROUP", "127.0.0.1")  # no group: joining it fails
    check = health_network.check_multicast()
    assert check.status == Status.WARN
    assert "KnownPeers" in check.advice


@pytest.mark.parametrize(("said", "status"), [("yes", Status.OK), ("no", Status.WARN), ("", Status.OK)])
def test_the_wall_clock_and_who_keeps_it(said: str, status: Status) -> None:
    assert health_network.check_wall_clock(said).status == status
