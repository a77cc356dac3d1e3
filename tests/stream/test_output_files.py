"""Output files: what is refused before the work, and what an interrupted or failed write leaves behind."""

from __future__ import annotations

import gzip
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from stream.errors import BadUsage, CannotWrite, OutputExists
from stream.io.session_io import SUFFIXES, WRITABLE, save_session
from stream.output_files import RECORDING_SUFFIXES, check_output, is_recording, replacing, same_file
from stream.session import Session

try:
    import h5py
except ImportError:
    h5py = None
FORMATS = [suffix for suffix in WRITABLE if h5py is not None or suffix not in (".h5", ".hdf5")]


def test_existing_file_is_refused_without_force(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert check_output(path) == path
    path.write_text("{}")
    assert check_output(path, force=True) == path
    with pytest.raises(OutputExists, match=r"a\.json exists\. Give another name, or --force to overwrite it"):
        check_output(path)
    with pytest.raises(OutputExists, match="recordings are never overwritten"):
        check_output(path, recording=True)


def test_every_readable_suffix_is_that_of_a_recording() -> None:
    assert set(SUFFIXES) <= set(RECORDING_SUFFIXES)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", ["session{}", "renamed.json"])
def test_recording_is_never_overwritten_by_something_else(
    tmp_path: Path, small_session: Session, suffix: str, name: str
) -> None:
    written = tmp_path / f"session{suffix}"
    save_session(small_session, written)
    path = written.rename(tmp_path / name.format(suffix))
    link = tmp_path / "link.json"
    link.symlink_to(path)
    hard_link = tmp_path / "hard.json"
    hard_link.hardlink_to(path)
    for target in (path, link, hard_link):
        with pytest.raises(OutputExists, match="is a recording"):
            check_output(target, force=True)


def test_compressed_recording_and_other_files_are_told_apart(tmp_path: Path) -> None:
    compressed, text, empty = tmp_path / "a.bin", tmp_path / "a.txt", tmp_path / "a.npz"
    compressed.write_bytes(gzip.compress(b"XDF:" + bytes(100)))
    text.write_bytes(gzip.compress(b"something else"))
    empty.touch()
    assert is_recording(compressed)
    assert not is_recording(text)
    assert not is_recording(empty)
    assert not is_recording(tmp_path / "missing.xdf")


def test_dangling_link_is_refused_and_a_link_keeps_being_one(tmp_path: Path) -> None:
    link, target = tmp_path / "link.json", tmp_path / "folder.json"
    link.symlink_to(target)
    for force in (False, True):
        with pytest.raises(OutputExists, match=r"is a link to .*folder\.json, which does not exist"):
            check_output(link, force=force)
    target.write_text("old")
    with replacing(link, force=True) as partial:
        partial.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    with pytest.raises((OutputExists, CannotWrite), match="loop"):
        check_output(loop, force=True)


def test_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadUsage, match=r"the folder .*none does not exist"):
        check_output(tmp_path / "none" / "a.json")
    with pytest.raises((BadUsage, CannotWrite), match=r"Not a directory|is not a folder"):
        check_output(tmp_path / "file" / "a.json")
    with pytest.raises(OutputExists, match="is a folder"):
        check_output(tmp_path, force=True)
    with pytest.raises(CannotWrite, match="too long"):
        check_output(tmp_path / ("a" * 300))
    with pytest.raises(CannotWrite, match="null byte"):
        check_output(tmp_path / "a\0.json")


def test_folder_and_file_that_are_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.touch()
    monkeypatch.setattr(os, "access", lambda place, mode: place != tmp_path)  # root may write anywhere
    with pytest.raises(CannotWrite, match="is not writable"):
        check_output(path, force=True)
    monkeypatch.setattr(os, "access", lambda place, mode: place != path)
    with pytest.raises(CannotWrite, match="is read-only"):
        check_output(path, force=True)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_failed_write_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("good")
    expected = CannotWrite if isinstance(error, OSError) else type(error)

    def write_half() -> None:
        with replacing(path, force=True) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(expected) as caught:
        write_half()
    assert path.read_text() == "good"
    assert list(tmp_path.iterdir()) == [path]
    if isinstance(error, OSError):
        assert str(path) in str(caught.value)
        assert "No space left on device" in str(caught.value)


def test_file_that_appears_during_the_work_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.json"

    def write_beside(other: bytes, *, force: bool) -> None:
        with replacing(path, force=force) as partial:
            partial.write_text("mine")
            path.write_bytes(other)

    with pytest.raises(OutputExists):
        write_beside(b"another program's", force=False)
    with pytest.raises(OutputExists, match="is a recording"):
        write_beside(b"XDF:...", force=True)
    assert path.read_bytes() == b"XDF:..."


def test_permissions_are_those_of_any_new_file_or_of_the_old_one(tmp_path: Path) -> None:
    plain, new, old = (tmp_path / name for name in ("plain", "new", "old"))
    plain.touch()
    old.touch()
    old.chmod(0o640)
    for path in (new, old):
        with replacing(path, force=True) as partial:
            partial.write_text("x")
    assert stat.S_IMODE(new.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


def test_devices_are_written_in_place() -> None:
    with replacing(os.devnull) as partial:
        assert str(partial) == os.devnull
        partial.write_text("x")
    assert Path(os.devnull).is_char_device()
    assert not same_file(os.devnull, os.devnull)


def test_paths_of_one_file(tmp_path: Path) -> None:
    folder, path = tmp_path / "folder", tmp_path / "folder" / "a.xdf"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    assert same_file(path, tmp_path / "link" / "a.xdf")
    assert same_file(path, tmp_path / "folder" / ".." / "folder" / "A.XDF")
    assert not same_file(path, folder / "b.xdf")
    assert same_file(tmp_path / "none" / "a", tmp_path / "none" / "." / "a")
    path.touch()
    (folder / "hard").hardlink_to(path)
    assert same_file(path, folder / "hard")


@pytest.mark.parametrize("suffix", FORMATS)
def test_session_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, small_session: Session, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{suffix}"
    save_session(small_session, path)
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match=r"cannot write .*a\..*: No space left on device"):
        save_session(small_session, path, force=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    save_session(small_session, path, force=True)
    assert np.isfinite(small_session.stamps).all()
