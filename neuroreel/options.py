"""Options that several commands share, and writing results as JSON."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import click

from neuroreel.click_types import NumberRange
from neuroreel.files import OUTPUT_OR_STDOUT, write_text

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def network_option(default: str) -> Decorator:
    """``--network``, passed to the command as ``network``, for `stream.lsl.network.configure`.

    Parameters
    ----------
    default
        ``loopback`` or ``lab``: the scope when neither the option nor the parent process sets one.
    """
    return click.option(
        "--network",
        type=click.Choice(["loopback", "lab"]),
        default=default,
        show_default=True,
        envvar="NEUROREEL_NETWORK",
        help="Find streams on this computer only (loopback) or on the whole local network (lab).",
    )


def _store_force(ctx: click.Context, _param: click.Parameter, value: bool) -> bool:
    ctx.meta["neuroreel.force"] = value
    return value


def force_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--force``, passed as ``force`` to a command that has this parameter.

    Parameters
    ----------
    function
        The command's function.
    """
    return click.option(
        "--force",
        is_flag=True,
        is_eager=True,
        callback=_store_force,
        expose_value="force" in inspect.signature(function).parameters,
        help="Overwrite existing files.",
    )(function)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--json FILE``, passed as ``json_target`` for `write_json`, together with ``--force``.

    Parameters
    ----------
    function
        The command's function.
    """
    option = click.option(
        "--json",
        "json_target",
        metavar="FILE",
        type=OUTPUT_OR_STDOUT,
        help="Write the result as JSON; '-' prints it to standard output.",
    )
    return force_option(option(function))


html_option: Decorator = click.option(
    "--html",
    "html_target",
    metavar="FILE",
    type=OUTPUT_OR_STDOUT,
    help="Write the result as a single HTML page with plots; '-' prints it to standard output.",
)
"""``--html FILE``, passed as ``html_target``; apply it above `json_option`, which adds ``--force``."""

wait_option: Decorator = click.option(
    "--wait",
    "wait_s",
    type=NumberRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up if the stream has not appeared after this many seconds.",
)


def write_json(data: Any, target: str) -> None:
    """Write a result as JSON; NaN and infinity become null.

    Parameters
    ----------
    data
        Dicts, lists, numbers (Python's or numpy's) and strings.
    target
        See `neuroreel.files.write_text`.

    Raises
    ------
    OutputExists, CannotWrite
        See `neuroreel.files.write_text`.
    """
    import json

    write_text(json.dumps(plain(data), indent=2, allow_nan=False), target)


def plain(data: Any) -> Any:
    """Convert data to the types of JSON: arrays and tuples to lists, NaN and infinity to None.

    Parameters
    ----------
    data
        Dicts, lists, tuples, numpy arrays, numbers and strings, nested to any depth.
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
