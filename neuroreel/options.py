"""Options that several commands share, and how results are written."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def network_option(default: str) -> Decorator:
    """``--network``, passed on as ``network``; hand it to `stream.lsl.network.configure`.

    Parameters
    ----------
    default
        ``loopback`` or ``lab``, when neither the option nor the parent process says.
    """
    return click.option(
        "--network",
        type=click.Choice(["loopback", "lab"]),
        default=default,
        show_default=True,
        envvar="NEUROREEL_NETWORK",
        help="See only this computer's streams, or the laboratory network's.",
    )


def _note_force(ctx: click.Context, _param: click.Parameter, value: bool) -> bool:
    ctx.meta["neuroreel.force"] = value
    return value


def new_file(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Callback of an option that names an output: refuse what exists before the work begins, not after it."""
    from pathlib import Path

    if value is not None and value != "-" and Path(value).exists() and not ctx.meta.get("neuroreel.force"):
        raise click.UsageError(
            f"{value} exists. Give another name for {param.opts[0]}, or --force to overwrite it."
        )
    return value


def force_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--force``, passed on as ``force`` to a command that takes it.

    Parameters
    ----------
    function
        The command.
    """
    return click.option(
        "--force",
        is_flag=True,
        is_eager=True,
        callback=_note_force,
        expose_value="force" in inspect.signature(function).parameters,
        help="Overwrite existing files.",
    )(function)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--json FILE``, passed on as ``json_target``, with ``--force``; hand it to `write_json`.

    Parameters
    ----------
    function
        The command.
    """
    option = click.option(
        "--json",
        "json_target",
        metavar="FILE",
        callback=new_file,
        help="Write the result as JSON ('-' = standard output).",
    )
    return force_option(option(function))


html_option: Decorator = click.option(
    "--html",
    "html_target",
    metavar="FILE",
    callback=new_file,
    help="Write the result as one HTML page with plots.",
)
"""``--html FILE``, passed on as ``html_target``; use it above `json_option`, which brings ``--force``."""

wait_option: Decorator = click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the stream.",
)


def write_json(data: Any, target: str) -> None:
    """Write a result as JSON; numbers that JSON does not know (NaN, infinity) become null.

    Parameters
    ----------
    data
        Dicts, lists, numbers (numpy's too) and text.
    target
        File, or ``-`` for standard output; `json_option` has made sure that nothing is overwritten unasked.

    Raises
    ------
    BadUsage
        When the file cannot be written.
    """
    import json

    write_text(json.dumps(plain(data), indent=2, allow_nan=False), target)


def write_text(text: str, target: str) -> None:
    """Write a result that is text.

    Parameters
    ----------
    text
        Without a last line end.
    target
        See `write_json`.

    Raises
    ------
    BadUsage
        When the file cannot be written.
    """
    from pathlib import Path

    from stream.errors import BadUsage

    if target == "-":
        click.echo(text)
        return
    try:
        Path(target).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise BadUsage(f"{target} cannot be written: {error.strerror}.") from error


def plain(data: Any) -> Any:
    """Data as JSON knows them.

    Parameters
    ----------
    data
        Dicts, lists, tuples, numpy arrays and numbers, text.
    """
    if isinstance(data, dict):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain(value) for value in data]
    if hasattr(data, "tolist"):  # numpy's arrays and numbers
        return plain(data.tolist())
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data
