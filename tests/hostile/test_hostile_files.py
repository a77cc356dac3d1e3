"""500 damaged files: none crashes or hangs the reader, runs code or exhausts memory; errors name the file.

Each kind of file is damaged by a seeded generator: changed bytes, huge numbers, parts overwritten by others, truncation,
and, inside archives, arrays with false headers. A child process reads them one after the other.
"""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from stream.io.session_io import save_session
from stream.lsl.network import child_env
from stream.session import Session
from tests.decoders.conftest import watched_session
from tests.stream.io import nwb_files

N_FILES = {"xdf": 160, "npz": 140, "model": 120, "nwb": 60, "h5": 20}
MAX_MB, MAX_CPU_S, MAX_WALL_S = 500, 5.0, 60.0
FALSE_NUMBERS = (
    b"\xff" * 8,
    b"\0" * 8,
    b"\xff" * 4,
    (1 << 40).to_bytes(8, "little"),
    (1 << 30).to_bytes(4, "little"),
)


class CodeInPickle:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("code in a file was executed",))


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an intact file of each kind."""
    folder = tmp_path_factory.mktemp("hostile")
    session = watched_session(n_repeats=3)
    for suffix in ("npz", "xdf"):
        save_session(session, folder / f"intact.{suffix}")
    save_session(session, folder / "session.npz")
    fit_model(session, FitOptions(train_repeats=(0, 1))).save(folder / "intact.safetensors")
    return folder


@pytest.mark.live
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", N_FILES)
def test_damaged_files_are_read_or_refused(intact: Path, kind: str) -> None:
    if kind in ("nwb", "h5"):
        pytest.importorskip("pynwb", reason="pynwb (extra `nwb`) is not installed")
        if kind == "nwb":
            nwb_files.allen(intact / "intact.nwb", more_stimuli=False)
        else:
            save_session(_small(), intact / "intact.h5")
    suffix = "safetensors" if kind == "model" else kind
    content = (intact / f"intact.{suffix}").read_bytes()
    folder = intact / kind
    folder.mkdir()
    damage = {"npz": inside_npz, "model": near_the_start}.get(kind, anywhere)
    for number in range(N_FILES[kind]):
        random = Random(f"{kind} {number}")
        (folder / f"{number:03}.{suffix}").write_bytes(damage(content, random))

    found = read_in_a_process(kind, folder)

    assert len(found) == N_FILES[kind], found[-1:]
    outcomes = Counter(str(one["outcome"]) for one in found)
    assert set(outcomes) <= {"read", "refused"}, outcomes
    assert outcomes["refused"] > N_FILES[kind] // 10
    worst = {key: max(float(str(one[key])) for one in found) for key in ("peak_mb", "cpu_s", "wall_s")}
    assert worst["peak_mb"] < MAX_MB
    assert worst["cpu_s"] < MAX_CPU_S
    assert worst["wall_s"] < MAX_WALL_S  # generous, for a busy computer


def _small() -> Session:
    """Return a short session, so that damage often hits the metadata."""
    return watched_session(n_repeats=1).select_time(0, 0.5)


def read_in_a_process(kind: str, folder: Path) -> list[dict[str, object]]:
    """Read all files of a folder in a child process."""
    command = [sys.executable, "-m", "tests.hostile.reader", kind, str(folder)]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, cwd=root, env=child_env(), capture_output=True, text=True, timeout=200, check=False
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (done.returncode, found[-1:], done.stderr[-2000:])
    return found


def anywhere(content: bytes, random: Random, last: int | None = None) -> bytes:
    """Damage some bytes, among the first ``last`` or anywhere."""
    data = bytearray(content)
    for _ in range(random.randint(1, 6)):
        at = random.randrange(min(last or len(data), len(data)))
        what = random.random()
        if what < 0.5:
            data[at] = random.choice([0, 1, 4, 8, 127, 128, 255, random.randrange(256)])
        elif what < 0.75:
            number = random.choice(FALSE_NUMBERS)
            data[at : at + len(number)] = number[: len(data) - at]
        elif what < 0.9:
            there, length = random.randrange(len(data)), random.randrange(1, 256)
            data[there : there + length] = data[at : at + length]
        elif what < 0.95:
            data = data[: max(1, at)]
        else:
            del data[at : at + random.randrange(1, 64)]
            data = data or bytearray(b"x")
    return bytes(data)


def near_the_start(content: bytes, random: Random) -> bytes:
    """Damage the first kilobytes, which describe a model, or replace the file by a pickle."""
    if random.random() < 0.05:
        return pickle.dumps(CodeInPickle())
    return anywhere(content, random, 6000)


def inside_npz(content: bytes, random: Random) -> bytes:
    """Damage an archive, or an array in it with valid checksums."""
    if random.random() < 0.4:
        return anywhere(content, random)
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        names = old.namelist()
        damaged = random.choice(names)
        for name in names:
            data = old.read(name)
            new.writestr(name, _damaged_array(data, random) if name == damaged else data)
    return buffer.getvalue()


def _damaged_array(data: bytes, random: Random) -> bytes:
    """Return an array with a false header, with pickled objects, or with compressed zeros."""
    what = random.random()
    if what < 0.6:
        return anywhere(data, random, 128)
    if what < 0.7:
        return anywhere(data, random)
    buffer = io.BytesIO()
    if what < 0.8:
        np.save(buffer, np.array([CodeInPickle()], object), allow_pickle=True)
    elif what < 0.9:
        np.save(buffer, np.zeros((1 << 20, 8), np.float32))  # 33 MB in 33 kB
    else:
        shape = random.choice([(1 << 40,), (1 << 33, 16), (-1,), (0, 1 << 60)])
        np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def test_there_are_five_hundred_files() -> None:
    assert sum(N_FILES.values()) == 500
