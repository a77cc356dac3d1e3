from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stream.io.session_io import load_session, save_session
from stream.io.xdf_writer import XdfWriter, stream_xml
from stream.session import Session
from tests.neuroreel.commands.runner import run, run_refused
from tests.stream.strategies import assert_same


def test_round_trip_keeps_everything_and_existing_files(tmp_path: Path, small_session: Session) -> None:
    save_session(small_session, tmp_path / "a.xdf")
    assert run("convert", tmp_path / "a.xdf", tmp_path / "a.npz").exit_code == 0
    assert run("convert", tmp_path / "a.npz", tmp_path / "b.xdf").exit_code == 0
    assert_same(load_session(tmp_path / "b.xdf"), small_session)
    before = (tmp_path / "b.xdf").read_bytes()
    assert f"{tmp_path / 'b.xdf'} exists" in run_refused(
        "convert", tmp_path / "a.npz", tmp_path / "b.xdf", "--force"
    )
    assert (tmp_path / "b.xdf").read_bytes() == before


@pytest.mark.parametrize("command", ["convert", "replay"])
def test_unreadable_recordings(tmp_path: Path, command: str) -> None:
    with XdfWriter(tmp_path / "eye.xdf") as writer:
        writer.header(1, stream_xml("eye", "Gaze", ("x",), 60, "float32"), "float32", 1)
    shapes = {"neural": np.ones((5, 2)), "stamps": np.arange(4.0), "frame": np.zeros(5, int)}
    np.savez(tmp_path / "shapes.npz", **shapes)
    pickled = {"neural": np.array([[None]]), "stamps": np.arange(1.0), "frame": np.zeros(1, int)}
    np.savez(tmp_path / "pickled.npz", **pickled)
    (tmp_path / "text.txt").write_text("hello")
    messages = {
        "none.xdf": "no such recording",
        "eye.xdf": "no neural stream",
        "shapes.npz": "'stamps' has 4 entries, but 'neural' has 5 samples",
        "pickled.npz": "pickled Python objects",
        "text.txt": "no known suffix",
    }
    for name, message in messages.items():
        target = [tmp_path / "out.npz"] if command == "convert" else []
        assert message in run_refused(command, tmp_path / name, *target)


def test_targets_that_cannot_be_written(tmp_path: Path, small_session: Session) -> None:
    save_session(small_session, tmp_path / "a.xdf")
    for target, message in (("b/a.npz", "does not exist"), ("a.txt", "no known suffix"), ("a.mat", "only")):
        assert message in run_refused("convert", tmp_path / "a.xdf", tmp_path / target)


def test_properties_as_table_and_as_json(files: Path) -> None:
    result = run("convert", files / "session.npz", files / "[a]session.csv")
    assert result.exit_code == 0, result.output
    rows = dict(line.split(maxsplit=1) for line in result.output.splitlines() if " " in line.strip())
    assert rows["repeats"].strip() == "6"
    assert "[a]" in result.output
    result = run("convert", files / "session.npz", files / "b.npz", "--json", "-")
    assert json.loads(result.output)["showings"] == 6


def test_truncated_recording_is_read_up_to_the_cut(
    files: Path, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    save_session(session, files / "whole.xdf")
    whole = (files / "whole.xdf").read_bytes()
    (files / "cut.xdf").write_bytes(whole[: len(whole) * 2 // 3])
    result = run("convert", files / "cut.xdf", files / "cut.npz")
    assert result.exit_code == 0, result.output
    assert "cut.xdf" in caplog.text + result.output
    with np.load(files / "cut.npz") as arrays:
        n = len(arrays["stamps"])
        assert 0 < n < session.n_samples
        assert np.array_equal(arrays["neural"], session.neural[:n])


def test_a_damaged_recording_is_converted_with_exit_code_1(
    files: Path, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    save_session(session, files / "whole.xdf")
    whole = bytearray((files / "whole.xdf").read_bytes())
    whole[whole.index(b"<sample_count>") + 3] = ord("<")  # in the footer of the neural stream
    (files / "damaged.xdf").write_bytes(whole)
    result = run("convert", files / "damaged.xdf", files / "damaged.npz", "--json", "-")
    assert result.exit_code == 1, result.output
    assert "damaged.xdf is damaged at byte" in caplog.text
    facts = json.loads(result.stdout)
    assert any("bytes" in note and "were left out" in note for note in facts["notes"])
    with np.load(files / "damaged.npz") as arrays:
        assert np.array_equal(arrays["neural"], session.neural)
        assert np.array_equal(arrays["frame"], session.frame)


def test_the_stimulus_stream_is_chosen_by_name(files: Path, session: Session) -> None:
    save_session(session, files / "whole.xdf")
    content = (files / "whole.xdf").read_bytes()
    (files / "other.xdf").write_bytes(content.replace(b"<name>V1-stimulus<", b"<name>V1-displays<"))
    result = run("convert", files / "other.xdf", files / "a.npz")
    assert result.exit_code == 0, result.output
    with np.load(files / "a.npz") as arrays:
        assert set(arrays["frame"].tolist()) == {-1}
    result = run("convert", files / "other.xdf", files / "b.npz", "--stimulus", "V1-displays")
    assert result.exit_code == 0, result.output
    with np.load(files / "b.npz") as arrays:
        assert np.array_equal(arrays["frame"], session.frame)
    result = run("convert", files / "other.xdf", files / "c.npz", "--stimulus", "none")
    assert result.exit_code == 2
