from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from neuroreel.options import plain, write_json
from stream.errors import BadUsage


def test_numpy_and_not_finite_values_become_json() -> None:
    data = {1: np.float64("nan"), "a": np.arange(3), "b": (np.int64(2), float("inf")), "c": None}
    assert plain(data) == {"1": None, "a": [0, 1, 2], "b": [2, None], "c": None}


def test_json_goes_to_a_file_or_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json({"a": 1}, str(tmp_path / "a.json"))
    write_json({"a": 1}, "-")
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads(capsys.readouterr().out) == {"a": 1}


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="cannot write"):
        write_json({}, str(tmp_path / "none" / "a.json"))
