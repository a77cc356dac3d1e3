"""The public names: where they come from, and what a type checker makes of them."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import neuroreel
from stream.errors import NeuroReelError

ROOT = Path(__file__).resolve().parents[2]

RIGHT = """
import neuroreel
from neuroreel import FitOptions, Session, fit_model

session: Session = neuroreel.load_session("session.xdf")
model: neuroreel.Model = fit_model(session, FitOptions(seed=1))
n_samples: int = len(neuroreel.Model.load("x").predict(session))
try:
    inlet = neuroreel.Inlet(neuroreel.find_stream("V1"))
except neuroreel.NoStream as error:
    code: int = error.exit_code
"""

WRONG = """
import neuroreel

neuroreel.Model.load("x").predikt("session")
"""


def test_public_names_resolve_and_are_exported_once() -> None:
    assert len(set(neuroreel.__all__)) == len(neuroreel.__all__)
    for name in neuroreel.__all__:
        assert getattr(neuroreel, name) is not None
    assert dir(neuroreel) == sorted(neuroreel.__all__)


def test_public_names_come_from_where_they_are_defined() -> None:
    for name, module in neuroreel._EXPORTS.items():
        thing = getattr(neuroreel, name)
        if inspect.ismodule(thing):
            assert thing.__name__ == f"{module}.{name}"
            continue
        assert getattr(thing, "__name__", name) == name
        assert thing.__module__ == module


@pytest.mark.parametrize("module", ["stream.errors", "decoders.errors"])
def test_every_error_of_the_tree_is_public(module: str) -> None:
    classes = inspect.getmembers(importlib.import_module(module), inspect.isclass)
    errors = {name for name, value in classes if issubclass(value, NeuroReelError)}
    assert errors <= set(neuroreel.__all__)


def test_unknown_public_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Sesion'"):
        _ = neuroreel.Sesion


def test_the_stub_names_what_is_exported() -> None:
    tree = ast.parse((ROOT / "neuroreel" / "__init__.pyi").read_text())
    imports = {
        alias.asname: statement.module
        for statement in tree.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
        if alias.asname == alias.name  # without "as", a type checker treats the name as private
    }
    assert imports == neuroreel._EXPORTS


def test_a_type_checker_finds_a_misspelt_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mypy = pytest.importorskip("mypy.api")
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(RIGHT)
    wrong.write_text(WRONG)
    monkeypatch.chdir(ROOT)
    report, complaint, _ = mypy.run(["--no-error-summary", "--no-color-output", str(right), str(wrong)])
    assert complaint == ""
    assert [
        line.rpartition("/")[2] for line in report.splitlines()
    ] == [  # the cache replays an earlier folder
        'wrong.py:4: error: "Model" has no attribute "predikt"; maybe "predict"?  [attr-defined]'
    ]
