"""On loopback nothing leaves the computer: counted on another interface of a network namespace of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from stream.lsl.network import SCOPE_VARIABLE, SESSION_VARIABLE

NAMESPACE = ("unshare", "--map-root-user", "--net")
WAY_OUT = """\
ip link set lo up
ip link add out type veth peer name away
for name in out away; do
    echo 1 > /proc/sys/net/ipv6/conf/$name/disable_ipv6 || true
    ip link set $name up
done
ip addr add 10.9.8.7/24 dev out
ip route add default dev out
"""
"""A second interface, over which packets would leave; without IPv6, whose own chatter would be counted."""

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's"),
]


def in_namespace(script: str, arguments: Sequence[str] = (), **settings: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in (SCOPE_VARIABLE, SESSION_VARIABLE)}
    done = subprocess.run(
        [*NAMESPACE, "sh", "-ec", WAY_OUT + script, "sh", *arguments],
        capture_output=True, text=True, timeout=120, env=environment | settings,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def _allowed() -> None:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare or ip is not installed")
    tried = subprocess.run([*NAMESPACE, "sh", "-ec", WAY_OUT], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"a network namespace is not allowed here: {tried.stderr.strip()}")


def packets_out(table: str) -> int:
    (line,) = [line for line in table.splitlines() if line.strip().startswith("out:")]
    return int(line.split(":")[1].split()[9])


def test_on_loopback_no_packet_leaves(tmp_path: Path) -> None:
    measure = (sys.executable, "-P", "-m", "neuroreel", "bench", "latency", "--seconds", "3", "--no-window",
               "--budget-ms", "1e6", "--json", str(tmp_path / "latency.json"))  # fmt: skip
    table = in_namespace('"$@" > /dev/null; cat /proc/net/dev', measure)
    (cell,) = json.loads((tmp_path / "latency.json").read_text())["cells"]
    assert cell["sent"] == 90
    assert not any(cell["lost"].values())  # sender, engine, floor and a second process did talk to each other
    assert packets_out(table) == 0


def test_in_the_laboratory_packets_do_leave(tmp_path: Path) -> None:
    """The count above can tell."""
    trial = (sys.executable, "-P", "-m", "neuroreel.doctor.probes", "lsl")
    settings = {SCOPE_VARIABLE: "lab", "HOME": str(tmp_path)}
    table = in_namespace('"$@" > /dev/null; cat /proc/net/dev', trial, **settings)
    assert packets_out(table) > 0


def test_many_streams_on_loopback_are_all_found() -> None:
    """More than LSL's own range of ports has room for."""
    code = (
        "from stream.lsl.network import configure; configure('loopback', 'many'); import pylsl;"
        "outlets = [pylsl.StreamOutlet(pylsl.StreamInfo(f's{i}', 'y', 1, 0, 1, f'z{i}')) for i in range(60)];"
        "print(len(pylsl.resolve_byprop('type', 'y', 60, 20)))"
    )
    assert in_namespace('"$@"', (sys.executable, "-P", "-c", code)).split() == ["60"]


def test_a_stream_that_others_may_not_find_is_told() -> None:
    """Who came while it was the newest outlet found it, who came later did not: so the start of a recorder failed."""
    code = (
        "import socket; from stream.lsl.network import configure; configure('loopback', 'full');"
        "from stream.lsl.outlet import LSL_PORTS, make_outlet; first = make_outlet('first', 'Spikes', ('a',), 0.0);"
        "held = [socket.socket(type=socket.SOCK_DGRAM) for _ in LSL_PORTS[1:]];"
        "[s.bind(('', port)) for s, port in zip(held, LSL_PORTS[1:])];"
        "late = make_outlet('late', 'Spikes', ('a',), 0.0)"
    )
    said = in_namespace('"$@" 2>&1', (sys.executable, "-P", "-c", code))
    assert "'late' got no port between 16572 and 16699" in said
    assert "'first'" not in said


def test_what_listens_where() -> None:
    """As docs/network.md says: ports from 16571 on, on every interface."""
    code = (
        "from stream.lsl.network import configure; configure('loopback', 'ports'); import pylsl;"
        "outlet = pylsl.StreamOutlet(pylsl.StreamInfo('x', 'y', 1, 0, 1, 'z'));"
        "print(open('/proc/net/udp').read(), open('/proc/net/tcp').read())"
    )
    table = in_namespace('"$@"', (sys.executable, "-P", "-c", code))
    listening = set()
    for line in table.splitlines():
        fields = line.split()
        if len(fields) > 3 and ":" in fields[1] and fields[3] in ("07", "0A"):  # UDP bound, TCP listening
            address, port = fields[1].split(":")
            listening.add((address, int(port, 16)))
    assert {address for address, _ in listening} == {"00000000"}
    assert 16571 in {port for _, port in listening}
    assert all(16571 <= port <= 16700 for _, port in listening)
