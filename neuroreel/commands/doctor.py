"""``neuroreel doctor``: check this computer and its network for problems."""

from __future__ import annotations

import click

from neuroreel.files import FileCommand
from neuroreel.options import json_option
from neuroreel.terminal import console

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command(cls=FileCommand)
@click.option(
    "--network",
    "scope",
    type=click.Choice(["loopback", "lab"]),
    default="loopback",
    show_default=True,
    help="Network to test: this computer only, or with 'lab' also multicast and a stream on the local network.",
)
@json_option
def command(scope: str, json_target: str | None) -> None:
    """Check this computer and its network for problems, and print how to fix them.

    Checks package versions, Lab Streaming Layer, network interfaces, ports, firewall, screen, Qt, fonts, threads, clocks
    and disk space. The exit code is 1 if a check failed; warnings do not change it.
    """
    from dataclasses import asdict

    from neuroreel.doctor.check import Status
    from neuroreel.doctor.local_checks import check_all
    from neuroreel.options import write_json

    checks = list(check_all(scope))
    failed = sum(check.status == Status.FAIL for check in checks)
    if json_target is not None:
        write_json({"ok": failed == 0, "checks": [asdict(check) for check in checks]}, json_target)
    if json_target != "-":
        from rich.markup import escape
        from rich.table import Table

        table = Table("", "check", box=None, pad_edge=False)
        table.add_column("found", overflow="fold")
        table.add_column("what to do")
        for check in checks:
            texts = (escape(text) for text in (check.name, check.found, check.advice))
            table.add_row(f"[{_COLOURS[check.status]}]{check.status}", *texts)
        console().print(table)
    if failed:
        raise click.exceptions.Exit(1)
