"""Scene cuts found in the pictures of a movie."""

from __future__ import annotations

import numpy as np

from decoders.data.scene_cuts import scene_starts
from stream.movie import Clip, Movie


def test_scenes_start_where_pictures_change_abruptly_and_where_clips_start() -> None:
    rng = np.random.default_rng(0)
    scenes = np.repeat(rng.integers(0, 255, (3, 16, 16)), 20, axis=0)
    pictures = np.clip(scenes + rng.integers(-2, 3, scenes.shape), 0, 255).astype(np.uint8)
    clips = (Clip("a", 0, 50, 30.0), Clip("b", 50, 10, 30.0))
    assert scene_starts(Movie(clips, pictures)).tolist() == [0, 20, 40, 50]
    assert scene_starts(Movie(clips)).tolist() == [0, 50]
