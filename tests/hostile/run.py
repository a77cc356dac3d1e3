"""Reads thousands of damaged files of each kind: ``python -m tests.hostile.run --n 3000 [KIND ...]``."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from stream.io.arrays import session_to_arrays
from stream.io.session_io import save_session
from stream.lsl.network import child_env
from stream.movie import one_clip, save_movie
from tests.decoders.conftest import watched_session
from tests.hostile.mutants import GENERATORS, SUFFIXES, write_mutants
from tests.stream.io import nwb_files

MAX_MB, MAX_CPU_S, MAX_WALL_S = 500, 5.0, 60.0
_BATCH = 250


def write_intact(folder: Path, kind: str) -> Path:
    """Write an intact file of a kind and return its path; a short one where that makes damage hit the metadata."""
    path = folder / f"intact.{SUFFIXES[kind]}"
    if path.exists():
        return path
    session = watched_session(n_repeats=3)
    short = watched_session(n_repeats=1).select_time(0, 0.5)
    if kind == "model":
        save_session(session, folder / "session.npz", force=True)
        fit_model(session, FitOptions(train_repeats=(0, 1))).save(path)
    elif kind == "nwb":
        nwb_files.allen(path, more_stimuli=False)
    elif kind == "mat":
        import scipy.io

        arrays = {key: value for key, value in session_to_arrays(short).items() if np.ndim(value)}
        arrays["channel_names"] = np.array(list(short.channel_names), object)
        scipy.io.savemat(path, arrays)
    elif kind == "mp4":
        pictures = np.random.default_rng(0).integers(0, 256, (30, 32, 48, 3)).astype(np.uint8)
        save_movie(one_clip("movie", pictures, 25.0), path)
    else:
        save_session(short if kind == "h5" else session, path)
    return path


def read_in_a_process(kind: str, folder: Path, *options: str) -> list[dict[str, Any]]:
    """Read all files of a folder in a child process."""
    command = [sys.executable, "-m", "tests.hostile.reader", kind, str(folder), *options]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, cwd=root, env=child_env(), capture_output=True, text=True, timeout=1000, check=False
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (done.returncode, found[-1:], done.stderr[-2000:])
    return found


def problems(found: list[dict[str, Any]]) -> list[str]:
    """Return what went wrong, one line per file."""
    lines = []
    for one in found:
        if one["outcome"] not in ("read", "refused"):
            lines.append(f"{one['name']}: {one['outcome']}")
        for key, most in (("peak_mb", MAX_MB), ("cpu_s", MAX_CPU_S), ("wall_s", MAX_WALL_S)):
            if one[key] > most:
                lines.append(f"{one['name']}: {key} {one[key]:.3g}, at most {most:g} is allowed")
    return lines


def main() -> int:
    """Run; return 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", help=f"kinds of file [default: {' '.join(GENERATORS)}]")
    parser.add_argument("--n", type=int, default=3000, help="files of each kind")
    parser.add_argument("--seed", type=int, default=1, help="random seed; the tests use 0")
    parser.add_argument("--keep", type=Path, help="folder for the files that went wrong")
    chosen = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in chosen.kinds or GENERATORS:
            intact, found, lines = write_intact(folder, kind), [], []
            for begin in range(0, chosen.n, _BATCH):
                batch = folder / f"{kind}-{begin}"
                batch.mkdir()
                write_mutants(kind, intact, batch, range(begin, min(begin + _BATCH, chosen.n)), chosen.seed)
                part = read_in_a_process(kind, batch, "fork")
                new = problems(part)
                for line in new if chosen.keep else []:
                    chosen.keep.mkdir(exist_ok=True)
                    shutil.copy(batch / line.partition(":")[0], chosen.keep)
                found, lines = found + part, lines + new
                shutil.rmtree(batch)
            outcomes = Counter(str(one["outcome"]) for one in found if one["outcome"] in ("read", "refused"))
            worst = {key: max(float(one[key]) for one in found) for key in ("peak_mb", "cpu_s", "wall_s")}
            print(
                f"{kind}: {len(found)} files, {dict(outcomes)}, {len(lines)} problems; at most "
                f"{worst['peak_mb']:.0f} MB, {worst['cpu_s']:.2f} s CPU, {worst['wall_s']:.2f} s",
                *lines[:20],
                sep="\n  ",
                flush=True,
            )
            wrong += len(lines)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
