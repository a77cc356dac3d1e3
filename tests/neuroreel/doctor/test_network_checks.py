from __future__ import annotations

import socket
from pathlib import Path

import pytest

from neuroreel.doctor import network_checks
from neuroreel.doctor.check import Status


@pytest.mark.live
def test_addresses_leave_out_the_loopback() -> None:
    assert all(not address.startswith("127.") for address in network_checks.addresses().values())


def test_several_networks_are_a_warning() -> None:
    assert network_checks.check_interfaces({}).status == Status.OK
    assert network_checks.check_interfaces({"eth0": "10.0.0.1"}).status == Status.OK
    check = network_checks.check_interfaces({"eth0": "10.0.0.1", "wlan0": "192.168.0.7"})
    assert check.status == Status.WARN
    assert "wlan0 192.168.0.7" in check.found
    assert "ListenAddress" in check.advice


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("[lab]\nKnownPeers = {10.0.0.2}\n", Status.OK, "knownpeers={10.0.0.2}"),
        ("[multicast]\nResolveScope = machine\n", Status.WARN, "hides this computer"),
        ("[lab]\nSessionID = rig2\n", Status.WARN, "same SessionID"),
        ("nothing like it", Status.WARN, "No setting in the file can be read"),
        ("", Status.OK, "defaults"),
    ],
    ids=["peers", "one machine", "session", "unreadable", "empty"],
)
def test_lsl_settings(tmp_path: Path, text: str, status: Status, message: str) -> None:
    config = tmp_path / "lsl_api.cfg"
    config.write_text(text)
    check = network_checks.check_settings(config)
    assert check.status == status
    assert message in check.found + check.advice


def test_no_lsl_settings_are_fine() -> None:
    assert network_checks.check_settings(None).status == Status.OK


@pytest.mark.live
def test_ports_in_use_are_counted(tmp_path: Path) -> None:
    config = tmp_path / "lsl_api.cfg"
    with socket.socket() as used:
        used.bind(("0.0.0.0", 0))
        used.listen()
        config.write_text(f"[ports]\nBasePort = {used.getsockname()[1]}\nPortRange = 0\n")
        check = network_checks.check_ports(config)
        assert check.status == Status.WARN
        assert check.found.startswith("0 of 1 free")
    assert network_checks.check_ports(config).status == Status.OK


def test_port_that_is_not_a_number_is_a_warning(tmp_path: Path) -> None:
    config = tmp_path / "lsl_api.cfg"
    config.write_text("[ports]\nBasePort = many\n")
    assert network_checks.check_ports(config).status == Status.WARN


DROP = "chain input { type filter hook input priority 0; policy drop; }"


@pytest.mark.parametrize(
    ("outputs", "status"),
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
def test_firewall_that_filters_is_a_warning(outputs: dict[str, str | None], status: Status) -> None:
    check = network_checks.check_firewall(outputs)
    assert check.status == status
    assert ("16571" in check.advice) == (status == Status.WARN)


def test_firewall_tools_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_checks.shutil, "which", lambda _: None)
    assert network_checks.firewall_rules() == {}


@pytest.mark.live
def test_blocked_multicast_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_checks, "GROUP", "127.0.0.1")  # not a multicast group: joining it fails
    check = network_checks.check_multicast()
    assert check.status == Status.WARN
    assert "KnownPeers" in check.advice


@pytest.mark.parametrize(
    ("synchronized", "status"), [("yes", Status.OK), ("no", Status.WARN), ("", Status.OK)]
)
def test_wall_clock_without_ntp_is_a_warning(synchronized: str, status: Status) -> None:
    assert network_checks.check_wall_clock(synchronized).status == status
