"""The files of a command: each parameter declares whether its file is read or written, and all are checked together.

A parameter has one of the types of this module, a command the class `FileCommand`. Before the command's function runs,
no file is written twice or also read, none destroys anything, and every folder can be written to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click


class InputFile(click.Path):
    """A file that is read."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)


class OutputFile(click.Path):
    """A file that is written.

    Parameters
    ----------
    recording
        Whether it is a recording; an existing one is then refused even with ``--force``.
    suffixes
        Accepted suffixes; empty for all.
    dash
        Whether ``-`` means standard output; values are then texts instead of paths.
    updated
        Whether an existing file is read first and then replaced, without ``--force``.
    """

    def __init__(
        self,
        *,
        recording: bool = False,
        suffixes: tuple[str, ...] = (),
        dash: bool = False,
        updated: bool = False,
    ) -> None:
        super().__init__(path_type=str if dash else Path)
        self.recording, self.suffixes, self.dash, self.updated = recording, suffixes, dash, updated


INPUT = InputFile()
OUTPUT = OutputFile()
OUTPUT_OR_STDOUT = OutputFile(dash=True)
PLOT = OutputFile(suffixes=(".png", ".svg", ".pdf"))
SESSION_OUTPUT = OutputFile(recording=True)
XDF_OUTPUT = OutputFile(recording=True, suffixes=(".xdf",))
UPDATED = OutputFile(updated=True)


@dataclass(frozen=True, slots=True)
class _File:
    """A file given for a parameter; ``name`` is the option, or the argument's placeholder in the help."""

    name: str
    path: str
    type: InputFile | OutputFile


class FileCommand(click.Command):
    """A command that checks its files before it runs."""

    def invoke(self, ctx: click.Context) -> Any:
        """Check the files, then run the command's function."""
        check_files(ctx)
        return super().invoke(ctx)


def check_files(ctx: click.Context) -> None:
    """Check all files of a command, before any work.

    Parameters
    ----------
    ctx
        Click's context with the values of all parameters.

    Raises
    ------
    BadUsage
        If two outputs, or an output and an input, are the same file, or a suffix is wrong.
    OutputExists, CannotWrite
        See `stream.output_files.check_output`.
    """
    from stream.errors import BadUsage
    from stream.output_files import check_output

    files = list(_files(ctx))
    outputs = [file for file in files if isinstance(file.type, OutputFile)]
    for index, output in enumerate(outputs):
        for other in outputs[:index]:
            if _same(other, output):
                raise BadUsage(
                    f"{other.name} and {output.name} both write {_shown(output.path)}. "
                    f"Choose another file for {output.name}."
                )
        for other in files:
            if isinstance(other.type, InputFile) and _same(other, output):
                raise BadUsage(
                    f"{output.name} would overwrite {output.path}, which this command reads. "
                    f"Choose another file for {output.name}."
                )
    for output in outputs:
        kind = output.type
        assert isinstance(kind, OutputFile)
        if kind.suffixes and Path(output.path).suffix.lower() not in kind.suffixes:
            raise BadUsage(_wrong_suffix(output.path, kind))
        if output.path != "-" or not kind.dash:
            force = bool(ctx.meta.get("neuroreel.force")) and not kind.recording
            check_output(output.path, force=force or kind.updated, recording=kind.recording)


def _files(ctx: click.Context) -> Iterator[_File]:
    """All files of a command, in the order of its parameters."""
    for param in ctx.command.params:
        types = param.type.types if isinstance(param.type, click.Tuple) else [param.type]
        name = max(param.opts, key=len) if isinstance(param, click.Option) else param.make_metavar(ctx)
        for kind in types:
            if isinstance(kind, InputFile | OutputFile):
                for value in _flat(ctx.params.get(param.name or "")):
                    yield _File(name, os.fspath(value), kind)
                break


def _flat(value: Any) -> Iterator[Any]:
    """The values of a parameter, which may be repeatable or take several values."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from _flat(part)
    elif value is not None:
        yield value


def _same(one: _File, other: _File) -> bool:
    """Whether two files are one; standard output is one file."""
    from stream.output_files import same_file

    if "-" in (one.path, other.path):
        return one.path == other.path
    return same_file(one.path, other.path)


def _shown(path: str) -> str:
    return "to standard output" if path == "-" else path


def _wrong_suffix(path: str, kind: OutputFile) -> str:
    if kind.recording:
        return f"{path} does not end in {kind.suffixes[0]}: recordings are XDF files; add the suffix."
    return (
        f"{path} does not end in {', '.join(kind.suffixes[:-1])} or {kind.suffixes[-1]}; change the suffix."
    )


def write_text(text: str, target: str) -> None:
    """Write text to a file or to standard output.

    Parameters
    ----------
    text
        Text without the final newline.
    target
        File, or ``-`` for standard output. An existing file is overwritten, as `FileCommand` has checked ``--force``
        before the work, but never a recording.

    Raises
    ------
    OutputExists, CannotWrite
        See `stream.output_files.replacing`.
    """
    from stream.output_files import replacing

    if target == "-":
        click.echo(text)
        return
    with replacing(target, force=True) as partial:
        partial.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def write_arrays(target: Path, **arrays: Any) -> None:
    """Write numpy arrays to an npz file.

    Parameters
    ----------
    target
        File to write; it must not exist.
    **arrays
        Arrays by name.

    Raises
    ------
    OutputExists, CannotWrite
        See `stream.output_files.replacing`.
    """
    import numpy as np

    from stream.output_files import replacing

    with replacing(target) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)
