from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stream.io.hdf5_output import Hdf5Output
from stream.io.session_io import save_session
from stream.session import Session

h5py = pytest.importorskip("h5py", reason="h5py (extra `nwb`) is not installed")

LIMITED = """
import resource, sys
from stream.io.session_io import load_session, save_session
session = load_session(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    save_session(session, sys.argv[2])
except Exception as error:
    print(error)
"""


def test_file_is_the_one_that_hdf5_writes_itself(tmp_path: Path) -> None:
    with Hdf5Output(tmp_path / "a.h5") as output, h5py.File(output, "w") as file:
        file["x"] = np.arange(10_000)
        file.attrs["name"] = "V1"
    with h5py.File(tmp_path / "a.h5", "r") as file:
        np.testing.assert_array_equal(file["x"], np.arange(10_000))
        assert file.attrs["name"] == "V1"


def test_first_error_is_raised_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = Hdf5Output(tmp_path / "a")
    assert output.write(b"abc") == 3
    output._file.close()
    monkeypatch.setattr(output, "_file", os.fdopen(os.open("/dev/full", os.O_RDWR), "rb+", buffering=0))
    assert output.write(b"abc") == 3
    with pytest.raises(OSError, match="No space") as caught, output:
        assert output.write(b"ignored") == 7
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.live
def test_full_disk_gives_a_message_and_no_crash(tmp_path: Path, small_session: Session) -> None:
    save_session(small_session, tmp_path / "a.npz")
    command = [sys.executable, "-P", "-c", LIMITED, str(tmp_path / "a.npz"), str(tmp_path / "a.h5")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "a.h5: File too large" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
