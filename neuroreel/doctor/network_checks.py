"""What ``doctor`` looks at in the network: several networks, multicast, firewall, ports, LSL's settings, clocks."""

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
"""What an engine and a replay on one computer take, for samples or for questions."""

GROUP = "239.255.172.215"
"""The multicast group in which LSL looks for streams within a site."""

_SIOCGIFADDR = 0x8915


def check_network(scope: str, config: Path | None) -> Iterator[Check]:
    """Everything about the network.

    Parameters
    ----------
    scope
        A packet is sent only in ``lab``.
    config
        The ``lsl_api.cfg`` that is in force in the lab scope, if any.
    """
    yield check_interfaces(addresses())
    yield check_settings(config)
    yield check_ports(config)
    yield check_firewall(firewall_rules())
    if scope == "lab":
        yield check_multicast()
    yield check_wall_clock()


def addresses() -> dict[str, str]:
    """The IPv4 address of each interface that has one, without the loopback; empty where that cannot be asked."""
    if sys.platform != "linux":
        return {}
    import fcntl

    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(asker, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:  # it has none
                continue
            address = socket.inet_ntoa(answer[20:24])
            if not address.startswith("127."):
                found[name] = address
    return found


def check_interfaces(found: dict[str, str]) -> Check:
    """Whether this computer is in several networks, where LSL answers on each.

    Parameters
    ----------
    found
        Address by name of the interface.
    """
    listed = ", ".join(f"{name} {address}" for name, address in found.items()) or "none beside the loopback"
    if len(found) <= 1:
        return ok("networks", listed)
    return warn(
        "networks",
        listed,
        "LSL uses all of them, and may connect over the slow one. Give ListenAddress under [multicast] in "
        "lsl_api.cfg, or take the others down while recording.",
    )


def read_settings(config: Path | None) -> dict[str, str]:
    """Settings of an ``lsl_api.cfg`` by lower-case name; empty without one, or when it cannot be read.

    Parameters
    ----------
    config
        The file.
    """
    parser = configparser.ConfigParser(strict=False, interpolation=None, inline_comment_prefixes=(";", "#"))
    try:
        if config is not None:
            parser.read_string(config.read_text(errors="replace"))
    except (OSError, configparser.Error):
        return {}
    return {name: value.strip() for section in parser.sections() for name, value in parser[section].items()}


def check_settings(config: Path | None) -> Check:
    """What LSL's own configuration says about who sees whom, in the lab scope.

    Parameters
    ----------
    config
        The file in force, if any.
    """
    if config is None:
        return ok("LSL settings", "no lsl_api.cfg: multicast, session 'default', ports from 16571 on")
    settings = read_settings(config)
    shown = ("sessionid", "knownpeers", "resolvescope", "listenaddress", "baseport", "portrange", "ipv6")
    found = ", ".join(f"{name}={settings[name]}" for name in shown if settings.get(name)) or "defaults"
    found = f"{config}: {found}"
    if not settings and config.stat().st_size:
        return warn("LSL settings", found, "The file has no setting that can be read; see docs/network.md.")
    if settings.get("resolvescope", "").lower() == "machine":
        return warn(
            "LSL settings",
            found,
            "ResolveScope = machine: no other computer is seen, and none sees this one. Remove it for the lab scope.",
        )
    if settings.get("sessionid", "default") not in ("", "default"):
        return warn("LSL settings", found, "Only streams of the same SessionID are seen; give it everywhere.")
    return ok("LSL settings", found)


def check_ports(config: Path | None) -> Check:
    """How many of LSL's ports are free: outlets beyond them take any port, which a firewall may block.

    Parameters
    ----------
    config
        Whose BasePort and PortRange count, if any.
    """
    settings = read_settings(config)
    try:
        base = int(settings.get("baseport", BASE_PORT))
        last = base + int(settings.get("portrange", PORT_RANGE))
    except ValueError:
        return warn("ports", "BasePort or PortRange in lsl_api.cfg is no number", "Correct lsl_api.cfg.")
    free = [port for port in range(base, last + 1) if _is_free(port)]
    found = f"{len(free)} of {last - base + 1} are free, {base} to {last}"
    if len(free) >= min(ENOUGH_PORTS, last - base + 1):
        return ok("ports", found)
    return warn(
        "ports",
        found,
        "Close programs with LSL streams, or give a larger PortRange under [ports] in lsl_api.cfg.",
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
    """What each firewall tool that is installed says; None when it may not be asked."""
    commands = {
        "nft": ("nft", "list", "ruleset"),
        "iptables": ("iptables", "-S", "INPUT"),
        "ufw": ("ufw", "status"),
        "firewalld": ("firewall-cmd", "--state"),
        "macOS": ("/usr/libexec/ApplicationFirewall/socketfilterfw", "--getglobalstate"),
    }
    said: dict[str, str | None] = {}
    for name, command in commands.items():
        if shutil.which(command[0]) is None:
            continue
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=5, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        refused = done.returncode != 0 and name != "firewalld"  # which says "not running" that way
        said[name] = None if refused else done.stdout
    return said


def check_firewall(said: dict[str, str | None]) -> Check:
    """Whether a firewall may hold LSL up.

    Parameters
    ----------
    said
        Of `firewall_rules`.
    """
    advice = "Let it pass UDP 16571 and TCP and UDP 16572-16604 from the other computers of the set-up."
    blocking = [name for name, rules in said.items() if rules is not None and _blocks(rules)]
    if blocking:
        return warn("firewall", f"{', '.join(blocking)}: incoming connections are filtered", advice)
    secret = [name for name, rules in said.items() if rules is None]
    if secret:
        return ok("firewall", f"{', '.join(secret)}: installed, only root may ask for the rules")
    return ok("firewall", "none that filters" if said else "no tool of one is installed")


def _blocks(rules: str) -> bool:
    """Whether rules filter what comes in, and none of them names LSL's ports."""
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
    """Whether a multicast packet of ours comes back from the interface that it leaves by."""
    word = uuid.uuid4().bytes
    advice = "Name the other computers as KnownPeers under [lab] in lsl_api.cfg, or use another network."
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth,
        ):
            ear.bind(("", 0))
            member = struct.pack("4sl", socket.inet_aton(GROUP), socket.INADDR_ANY)
            ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            ear.settimeout(1.0)
            mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            mouth.sendto(word, (GROUP, ear.getsockname()[1]))
            while ear.recv(64) != word:
                pass
    except OSError as error:
        return warn("multicast", f"a packet to {GROUP} did not come back: {error}", advice)
    return ok("multicast", f"a packet to {GROUP} came back; switches and access points may still drop it")


def check_wall_clock(said: str | None = None) -> Check:
    """Whether the clock of the day is kept by a server, and runs like the one that stamps.

    Parameters
    ----------
    said
        What ``timedatectl`` says of NTP (``yes`` or ``no``); None = ask it.
    """
    if said is None:
        said = _ask_timedatectl()
    before = time.time() - time.monotonic()
    time.sleep(0.3)
    drift_ms = (time.time() - time.monotonic() - before) * 1e3
    kept = {"yes": "kept by a time server", "no": "NOT kept by a time server"}.get(
        said, "who keeps it is not known"
    )
    found = f"{kept}; moved {drift_ms:+.3f} ms against the steady clock within 0.3 s"
    if abs(drift_ms) > 1.0:
        return warn("wall clock", found, "Something sets it in steps; let one time service slew it.")
    if said == "no":
        return warn(
            "wall clock",
            found,
            "Switch NTP on ('timedatectl set-ntp true', chrony). LSL's stamps do not need it, times of day in files do.",
        )
    return ok("wall clock", found)


def _ask_timedatectl() -> str:
    try:
        done = subprocess.run(
            ("timedatectl", "show", "--property", "NTPSynchronized", "--value"),
            capture_output=True, text=True, timeout=5, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
