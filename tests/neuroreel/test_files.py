"""The files of all commands: inputs and outputs are compared and checked before any work."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from neuroreel.files import FileCommand, InputFile, OutputFile
from tests.neuroreel.commands.runner import run, run_refused
from tests.neuroreel.test_cli import leaf_commands

KEPT = {"s.npz": b"PK a recording", "s.xdf": b"XDF:...", "x.json": b"XDF:...", "m.safetensors": b"a model"}
"""Files that must stay as they are; their content is never looked at, because the checks come before the work."""


@pytest.mark.parametrize(("name", "command"), leaf_commands())
def test_every_command_declares_its_files(name: str, command: click.Command) -> None:
    assert isinstance(command, FileCommand | click.Group), name
    for param in command.params:
        for kind in getattr(param.type, "types", [param.type]):
            if isinstance(kind, click.Path):
                assert isinstance(kind, InputFile | OutputFile) or not kind.file_okay, (name, param.name)


@pytest.mark.parametrize(
    "line",
    [
        "convert s.npz a.xdf --json a.xdf",
        "convert s.npz a.xdf --json link/../a.xdf",
        "convert s.npz a.xdf --json A.xdf",
        "convert s.npz s.xdf --force",
        "convert s.npz dangling.csv",
        "convert s.npz a.wav",
        "record r.xdf --json r.xdf",
        "record s.xdf --force",
        "record dangling.xdf",
        "live m.safetensors --record r.xdf --json r.xdf",
        "live m.safetensors --record r.xdf --json link.xdf",
        "live m.safetensors --record s.xdf --force",
        "live m.safetensors --record r.wav",
        "live m.safetensors --json m.safetensors --force",
        "live m.safetensors --trace s.npz --force",
        "fit s.npz -o s.npz --force",
        "fit x.json -o x.json --force",
        "fit s.npz -o n.safetensors --json n.safetensors",
        "fit s.npz -o n.safetensors --resume n.safetensors",
        "fit s.npz -o n.safetensors --resume s.npz",
        "fit s.npz -o n.safetensors --resume s.xdf",
        "fit s.npz -o n.safetensors --movie m.mp4 --json m.mp4 --force",
        "fit s.npz s.xdf -o s.xdf --force",
        "evaluate m.safetensors s.npz --json s.npz --force",
        "evaluate m.safetensors s.npz --json m.safetensors --force",
        "evaluate m.safetensors s.npz --html s.npz --force",
        "evaluate m.safetensors s.npz --html a --json a",
        "evaluate m.safetensors s.npz --html - --json -",
        "evaluate m.safetensors s.npz --agree-with m.safetensors s.xdf --json s.xdf --force",
        "evaluate m.safetensors s.npz --json x.json --force",
        "replay s.xdf --json s.xdf --force",
        "replay s.xdf --json s.npz --force",
        "streams --json s.xdf --force",
        "streams --json dangling.json --force",
        "display m.safetensors --screenshot m.safetensors --force",
        "display --screenshot s.npz --force",
        "demo --screenshot s.xdf --force",
        "demo --json s.xdf --force",
        "doctor --json x.json --force",
        "bench decode --json x.json --force",
        "bench latency --plot a.png --json a.png",
        "bench latency --plot a.txt",
        "bench send V1 --channels 1 --rate 1 --seconds 1 --trace s.npz",
    ],
)
def test_output_that_would_destroy_something_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in KEPT.items():
        Path(name).write_bytes(content)
    Path("link").symlink_to(".")
    Path("link.xdf").symlink_to("r.xdf")
    for suffix in ("csv", "xdf", "json"):
        Path(f"dangling.{suffix}").symlink_to(f"target.{suffix}")
    before = sorted(tmp_path.iterdir())
    message = run_refused(*line.split())
    assert message.startswith("neuroreel: "), message
    assert sorted(tmp_path.iterdir()) == before
    assert {name: Path(name).read_bytes() for name in KEPT} == KEPT


def test_message_names_both_options_and_what_to_do(tmp_path: Path) -> None:
    output = run_refused("record", tmp_path / "r.xdf", "--json", tmp_path / "r.xdf")
    assert f"OUT and --json both write {tmp_path}/r.xdf. Choose another file for --json." in output
    output = run_refused("evaluate", "m", "s", "--json", "s", "--force")
    assert "--json would overwrite s, which this command reads" in output


@pytest.mark.parametrize("line", ["fit s.npz -o none/m.safetensors", "streams --json none/a.json"])
def test_missing_folder_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    output = run_refused(*line.split())
    assert "the folder" in output
    assert "does not exist. Create it first." in output


def test_existing_file_may_be_overwritten_with_force_and_devices_always(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    assert "--force" in run_refused("replay", "x.npz", "--faults", "list", "--json", path)
    assert run("replay", "x.npz", "--faults", "list", "--json", path, "--force").exit_code == 0
    assert run("replay", "x.npz", "--faults", "list", "--json", "/dev/null").exit_code == 0
