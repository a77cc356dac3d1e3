from __future__ import annotations

import numpy as np

from stream.chunk import Chunk


def test_a_chunk_says_what_it_holds() -> None:
    chunk = Chunk(np.zeros((3, 8), np.float32), np.array([5.0, 5.1, 5.2]), np.arange(3))
    assert len(chunk) == 3
    assert repr(chunk) == "<Chunk: 3 samples of 8 channels | 5.000 to 5.200 s>"
    assert "empty" in repr(Chunk(np.zeros((0, 8), np.float32), np.zeros(0), np.arange(0)))
