from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import neuroreel
from stream.errors import BadUsage

POINTS = np.random.default_rng(0).normal(size=(50, 4))


def test_points_are_drawn_in_two_or_three_dimensions() -> None:
    assert neuroreel.plot.embedding(POINTS).name == "3d"
    flat = neuroreel.plot.embedding(POINTS, POINTS[:, 0], dimensions=(1, 3))
    assert np.allclose(flat.collections[0].get_offsets(), POINTS[:, [1, 3]])
    for dimensions in ((0,), (0, 9)):
        with pytest.raises(BadUsage, match="cannot plot dimensions"):
            neuroreel.plot.embedding(POINTS, dimensions=dimensions)


def test_loss_and_consistency_are_drawn() -> None:
    ax = neuroreel.plot.loss(SimpleNamespace(losses_=np.array([3.0, 2.0])))  # type: ignore[arg-type]
    assert np.array_equal(ax.lines[0].get_ydata(), [3, 2])
    r2 = neuroreel.metrics.consistency([POINTS.astype(np.float32), POINTS[:, ::-1].astype(np.float32)])
    ax = neuroreel.plot.consistency(r2, ["a", "b"], ax=ax)
    assert [text.get_text() for text in ax.texts] == ["1.00", "1.00"]
