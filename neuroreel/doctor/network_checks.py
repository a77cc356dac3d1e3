"""The network checks of ``doctor``: interfaces, LSL settings, ports, firewall, multicast and wall clock."""

from __future__ import annotations

import configparser
import shutil
import socket
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from neuroreel.doctor.check import Check, ok, warn

BASE_PORT, PORT_RANGE = 16572, 32
ENOUGH_PORTS = 12
"""Ports used by an engine and a replay on one computer, for data and for stream queries."""

GROUP = "239.255.172.215"
"""LSL's site-local multicast group."""

_SIOCGIFADDR = 0x8915


def check_network(scope: str, config: Path | None) -> Iterator[Check]:
    """Run every network check.

    Parameters
    ----------
    scope
        Network scope; multicast is tested only in ``lab``.
    config
        The ``lsl_api.cfg`` in force in the lab scope; None if there is none.
    """
    yield check_interfaces(addresses())
    yield check_settings(config)
    yield check_ports(config)
    yield check_firewall(firewall_rules())
    if scope == "lab":
        yield check_multicast()
    yield check_wall_clock()


def addresses() -> dict[str, str]:
    """IPv4 addresses by network interface, without the loopback; empty where the system cannot list them."""
    if sys.platform != "linux":
        return {}
    import fcntl

    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
        for _, name in socket.if_nameindex():
            try:
                reply = fcntl.ioctl(query, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:  # no IPv4 address
                continue
            address = socket.inet_ntoa(reply[20:24])
            if not address.startswith("127."):
                found[name] = address
    return found


def check_interfaces(found: dict[str, str]) -> Check:
    """Check whether this computer is connected to several networks; LSL uses all of them.

    Parameters
    ----------
    found
        Addresses by name of the interface, from `addresses`.
    """
    listed = ", ".join(f"{name} {address}" for name, address in found.items()) or "only the loopback"
    if len(found) <= 1:
        return ok("networks", listed)
    return warn(
        "networks",
        listed,
        "LSL uses all of them and may connect over a slow one. Set ListenAddress under [multicast] in "
        "lsl_api.cfg, or disconnect the others while recording.",
    )


def read_settings(config: Path | None) -> dict[str, str]:
    """Settings of an ``lsl_api.cfg`` by lower-case name; empty if there is no file or it cannot be read.

    Parameters
    ----------
    config
        The file; None if there is none.
    """
    parser = configparser.ConfigParser(strict=False, interpolation=None, inline_comment_prefixes=(";", "#"))
    try:
        if config is not None:
            parser.read_string(config.read_text(errors="replace"))
    except (OSError, configparser.Error):
        return {}
    return {name: value.strip() for section in parser.sections() for name, value in parser[section].items()}


def check_settings(config: Path | None) -> Check:
    """Check the settings in LSL's configuration that decide which computers find each other.

    Parameters
    ----------
    config
        The file in force in the lab scope; None if there is none.
    """
    if config is None:
        return ok(
            "LSL settings", "no lsl_api.cfg, so defaults: multicast, session 'default', ports from 16571"
        )
    settings = read_settings(config)
    shown = ("sessionid", "knownpeers", "resolvescope", "listenaddress", "baseport", "portrange", "ipv6")
    found = ", ".join(f"{name}={settings[name]}" for name in shown if settings.get(name)) or "defaults"
    found = f"{config}: {found}"
    if not settings and config.stat().st_size:
        return warn(
            "LSL settings", found, "No setting in the file can be read: correct it, see docs/network.md."
        )
    if settings.get("resolvescope", "").lower() == "machine":
        return warn(
            "LSL settings",
            found,
            "ResolveScope = machine hides this computer and the others from each other. Remove it for the lab scope.",
        )
    if settings.get("sessionid", "default") not in ("", "default"):
        return warn(
            "LSL settings",
            found,
            "Only streams with the same SessionID are found: set it on every computer, or remove it.",
        )
    return ok("LSL settings", found)


def check_ports(config: Path | None) -> Check:
    """Check that enough of LSL's ports are free; further outlets use random ports, which a firewall may block.

    Parameters
    ----------
    config
        File with BasePort and PortRange; None for LSL's defaults.
    """
    settings = read_settings(config)
    try:
        base = int(settings.get("baseport", BASE_PORT))
        last = base + int(settings.get("portrange", PORT_RANGE))
    except ValueError:
        return warn("ports", "BasePort or PortRange in lsl_api.cfg is not a number", "Correct lsl_api.cfg.")
    free = [port for port in range(base, last + 1) if _is_free(port)]
    found = f"{len(free)} of {last - base + 1} free, {base} to {last}"
    if len(free) >= min(ENOUGH_PORTS, last - base + 1):
        return ok("ports", found)
    return warn(
        "ports",
        found,
        "Close other programs with LSL streams, or set a larger PortRange under [ports] in lsl_api.cfg.",
    )


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as trial:
            try:
                trial.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True


def firewall_rules() -> dict[str, str | None]:
    """Output of each installed firewall tool, by name; None where only root may read the rules."""
    commands = {
        "nft": ("nft", "list", "ruleset"),
        "iptables": ("iptables", "-S", "INPUT"),
        "ufw": ("ufw", "status"),
        "firewalld": ("firewall-cmd", "--state"),
        "macOS": ("/usr/libexec/ApplicationFirewall/socketfilterfw", "--getglobalstate"),
    }
    outputs: dict[str, str | None] = {}
    for name, command in commands.items():
        if shutil.which(command[0]) is None:
            continue
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=5, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        refused = done.returncode != 0 and name != "firewalld"  # exits with an error when it is not running
        outputs[name] = None if refused else done.stdout
    return outputs


def check_firewall(outputs: dict[str, str | None]) -> Check:
    """Check whether a firewall may block LSL.

    Parameters
    ----------
    outputs
        Output of each firewall tool, from `firewall_rules`.
    """
    advice = "Allow UDP 16571 and TCP and UDP 16572-16604 from the other computers of the set-up."
    blocking = [name for name, rules in outputs.items() if rules is not None and _blocks(rules)]
    if blocking:
        return warn("firewall", f"{', '.join(blocking)}: incoming connections are filtered", advice)
    unreadable = [name for name, rules in outputs.items() if rules is None]
    if unreadable:
        return ok("firewall", f"{', '.join(unreadable)}: installed; only root may read the rules")
    return ok("firewall", "incoming connections are not filtered" if outputs else "none installed")


def _blocks(rules: str) -> bool:
    """Whether the rules filter incoming connections without an exception for LSL's ports."""
    text = rules.lower()
    filters = (
        any(
            word in text
            for word in ("status: active", "-p input drop", "-p input reject", "state = 1", "enabled")
        )
        or text.strip() == "running"
        or any("hook input" in line and "policy drop" in line for line in text.splitlines())
    )
    return filters and "16571" not in text and "16572" not in text


def check_multicast() -> Check:
    """Check that a multicast packet sent by this computer reaches it again."""
    payload = uuid.uuid4().bytes
    advice = "List the other computers as KnownPeers under [lab] in lsl_api.cfg, or use another network."
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        ):
            receiver.bind(("", 0))
            member = struct.pack("4sl", socket.inet_aton(GROUP), socket.INADDR_ANY)
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            receiver.settimeout(1.0)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            sender.sendto(payload, (GROUP, receiver.getsockname()[1]))
            while receiver.recv(64) != payload:
                pass
    except OSError as error:
        return warn("multicast", f"a packet sent to {GROUP} did not come back: {error}", advice)
    return ok(
        "multicast", f"a packet sent to {GROUP} came back; switches and access points may still drop it"
    )


def check_wall_clock(synchronized: str | None = None) -> Check:
    """Check that the wall clock is synchronized by NTP and does not jump against the monotonic clock.

    Parameters
    ----------
    synchronized
        ``yes`` or ``no``, as reported by ``timedatectl``; empty if unknown; None to query it.
    """
    if synchronized is None:
        synchronized = _ntp_synchronized()
    before = time.time() - time.monotonic()
    time.sleep(0.3)
    drift_ms = (time.time() - time.monotonic() - before) * 1e3
    state = {"yes": "synchronized by NTP", "no": "NOT synchronized by NTP"}.get(
        synchronized, "NTP synchronization unknown"
    )
    found = f"{state}; moved {drift_ms:+.3f} ms against the monotonic clock within 0.3 s"
    if abs(drift_ms) > 1.0:
        return warn(
            "wall clock",
            found,
            "The clock is being set in steps; let a single time service adjust it gradually.",
        )
    if synchronized == "no":
        return warn(
            "wall clock",
            found,
            "Enable NTP ('timedatectl set-ntp true' or chrony): times of day in files depend on it, not LSL timestamps.",
        )
    return ok("wall clock", found)


def _ntp_synchronized() -> str:
    """``yes`` or ``no``, as reported by ``timedatectl``; empty without it."""
    try:
        done = subprocess.run(
            ("timedatectl", "show", "--property", "NTPSynchronized", "--value"),
            capture_output=True, text=True, timeout=5, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
