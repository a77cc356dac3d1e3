from __future__ import annotations

import pytest
from click.testing import CliRunner

from neuroreel.cli import cli


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["live", "m.safetensors", "--rolling", "--adapt"], "one of them"),
        (["live", "m.safetensors", "--rolling", "1"], "range"),
        (["evaluate", "--cv", "repeat", "--rolling", "3", "s.npz"], "--cv"),
    ],
)
def test_invalid_combinations_with_rolling_are_refused(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert message in result.output
