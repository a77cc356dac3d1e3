from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream.errors import BadUsage
from stream.lsl.network import (
    SCOPE_VARIABLE,
    SESSION_VARIABLE,
    Network,
    child_env,
    configuration,
    configure,
    own_configurations,
)


def test_tests_run_on_loopback_in_a_session_of_their_own(network: Network) -> None:
    assert network.scope == "loopback"
    assert network.session_id.startswith("test-")
    assert configure() == configure("loopback", network.session_id) == network


def test_the_scope_of_a_process_cannot_change() -> None:
    with pytest.raises(BadUsage, match="already runs as loopback"):
        configure("lab")
    with pytest.raises(BadUsage, match="cannot change"):
        configure(session_id="another")


@pytest.mark.parametrize(("scope", "session_id"), [("moon", None), ("loopback", "a\n[ports]")])
def test_invalid_settings_are_refused(scope: str, session_id: str | None) -> None:
    with pytest.raises(BadUsage):
        configure(scope, session_id)


@pytest.mark.live
def test_child_processes_inherit_the_scope(network: Network) -> None:
    environment = child_env()
    assert environment[SCOPE_VARIABLE] == "loopback"
    assert environment[SESSION_VARIABLE] == network.session_id
    code = "from stream.lsl.network import configure; print(configure().scope, configure().session_id)"
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, check=True
    )
    assert result.stdout.decode().split() == ["loopback", network.session_id]


@pytest.mark.live
def test_an_outlet_opened_first_is_in_the_scope_too(network: Network) -> None:
    code = (
        "from stream.lsl.outlet import make_outlet; o = make_outlet('x', 'EEG', ('a',), 10);"
        "print(o.get_info().session_id())"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], env=child_env(), capture_output=True, check=True
    )
    assert result.stdout.decode().split() == [network.session_id]


@pytest.mark.live
def test_a_laboratory_keeps_its_own_configuration(tmp_path: Path) -> None:
    config = tmp_path / "mine.cfg"
    config.write_text(
        "[multicast]\nResolveScope = machine\n[ports]\nIPv6 = disable\n[lab]\nSessionID = ours\n"
    )
    code = (
        "from stream.lsl.network import configure; configure('lab'); import pylsl;"
        "o = pylsl.StreamOutlet(pylsl.StreamInfo('x', 'y', 1, 0, 1, 'z')); print(o.get_info().session_id())"
    )
    environment = {key: value for key, value in child_env().items() if not key.startswith("NEUROREEL")}
    environment["LSLAPICFG"] = str(config)
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, check=True
    )
    assert result.stdout.split() == [b"ours"]


def test_home_folder_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert len(own_configurations()) == 3
    assert configuration(Network("lab", "x"))
