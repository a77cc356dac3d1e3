"""Reads damaged files one after the other and reports each outcome; a test starts it as a process."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

LIMIT_BYTES = 4_000_000_000
FORBIDDEN = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn")


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Exit at once if something in a file is about to be executed."""
    if event in FORBIDDEN:
        print(json.dumps({"ran": event, "what": repr(arguments)}), flush=True)
        os._exit(77)


def loader(kind: str, folder: Path) -> Callable[[Path], object]:
    """Return the function that reads files of a kind, after its imports are done."""
    if kind == "model":
        from decoders.model.model import Model
        from stream.io.npz import load_npz

        session = load_npz(folder.parent / "session.npz").select_time(0, 0.2)
        Model.load(folder.parent / "intact.safetensors").predict(session)
        return lambda path: Model.load(path).predict(session)
    from stream.io.session_io import load_session

    intact = next(folder.parent.glob(f"intact.{kind}"))
    load_session(intact)
    return load_session


def main(kind: str, folder: Path) -> None:
    """Read every file of a folder and print one line of JSON per file."""
    from stream.errors import NeuroReelError

    load = loader(kind, folder)
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    sys.addaudithook(watch)
    for path in sorted(folder.iterdir()):
        begin, cpu = time.monotonic(), cpu_s()
        outcome = "read"
        try:
            load(path)
        except NeuroReelError as error:
            outcome = (
                "refused"
                if path.name in str(error) or kind == "model"
                else f"refused without its name: {error}"
            )
        except BaseException:
            outcome = traceback.format_exc()
        peak = max(peak_mb(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000)
        found = {"name": path.name, "outcome": outcome, "peak_mb": peak}
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
    main(sys.argv[1], Path(sys.argv[2]))
