"""Reads damaged files one after the other and reports each outcome; a test starts it as a process."""

from __future__ import annotations

import importlib
import json
import logging
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stream.errors import BadRecording
from stream.io import sandboxed_child, sandboxed_reader
from stream.io.arrays import FileContents

LIMIT_BYTES = 4_000_000_000
FORBIDDEN = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn")


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Exit at once if something in a file is about to be executed."""
    if event in FORBIDDEN:
        print(json.dumps({"ran": event, "what": repr(arguments)}), flush=True)
        os._exit(77)


def loader(kind: str, folder: Path) -> Callable[[Path], str]:
    """Return the function that reads files of a kind and says what is wrong with the result; empty if nothing is."""
    if kind == "model":
        from decoders.errors import ModelMismatch
        from decoders.model.model import Model
        from stream.io.npz import load_npz

        session = load_npz(folder.parent / "session.npz").select_time(0, 0.2)
        Model.load(folder.parent / "intact.safetensors").predict(session)

        def load_model(path: Path) -> str:
            loaded = Model.load(path)
            try:
                posterior = loaded.predict(session).posterior
            except ModelMismatch:
                return ""  # a model for other data
            return "" if np.isfinite(posterior).all() else "a posterior that is not finite"

        return load_model
    if kind == "mp4":
        from stream.movie import load_movie

        load_movie(next(folder.parent.glob("intact.mp4")))

        def load_video(path: Path) -> str:
            load_movie(path)
            return ""

        return load_video
    from stream.io.session_io import load_session
    from tests.hostile import oracle

    load_session(next(folder.parent.glob(f"intact.{kind}")))
    if kind == "xdf":
        import pyxdf

        logging.getLogger("pyxdf").setLevel(logging.CRITICAL)
        assert pyxdf.__name__

    def load(path: Path) -> str:
        notes.clear()
        session = load_session(path)
        return "" if notes else oracle.difference(path, kind, session)

    return load


notes: list[str] = []


class Notes(logging.Handler):
    """Keeps what is logged about a file: such a file is not read silently."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        if record.levelno >= logging.WARNING and record.name.startswith("stream"):
            notes.append(record.getMessage())


def outcome_of(load: Callable[[Path], str], path: Path, kind: str) -> str:
    """Read a file; return ``read``, ``refused``, or what is wrong."""
    from stream.errors import NeuroReelError

    try:
        wrong = load(path)
    except NeuroReelError as error:
        return "refused" if path.name in str(error) else f"refused without its name: {error}"
    except BaseException:
        return traceback.format_exc()
    return f"silently wrong: {wrong}" if wrong else "read"


def read_in_a_fork(reader: str, path: Path, options: Mapping[str, object]) -> FileContents:
    """Read like `stream.io.sandboxed_reader.read_sandboxed`, in a fork of this process, which starts much faster."""
    begin, end = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(end, 1)
        sandboxed_child.main(reader, str(path.absolute()), json.dumps(options))
    os.close(end)
    try:
        with os.fdopen(begin, "rb") as pipe:
            contents = sandboxed_reader._receive(pipe)
    finally:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if contents is None:
        raise BadRecording(sandboxed_reader._failure_message(status))
    return contents


def main(kind: str, folder: Path, fork: bool) -> None:
    """Read every file of a folder and print one line of JSON per file."""
    if fork:
        for name in (*sandboxed_child.READERS.values(), *sandboxed_child._LIBRARIES):
            importlib.import_module(name)
        sandboxed_reader.read_sandboxed = read_in_a_fork
    logging.getLogger().addHandler(Notes())
    load = loader(kind, folder)
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    sys.addaudithook(watch)
    for path in sorted(folder.iterdir()):
        begin, cpu = time.monotonic(), cpu_s()
        outcome = outcome_of(load, path, kind)
        peak = max(peak_mb(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000)
        found: dict[str, Any] = {"name": path.name, "outcome": outcome, "peak_mb": peak}
        print(json.dumps(found | {"wall_s": time.monotonic() - begin, "cpu_s": cpu_s() - cpu}), flush=True)


def peak_mb() -> float:
    """Return the peak memory of this process in MB, excluding that of its parent before the fork."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1000
    return 0.0


def cpu_s() -> float:
    """Return the CPU time of this process and its children in seconds."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), "fork" in sys.argv)
