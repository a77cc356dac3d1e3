from __future__ import annotations

import pytest

from replay_data.simulate import PRESETS, preset_movie, simulate
from stream.movie import Movie
from stream.session import Session

SEED = 1


@pytest.fixture(scope="session")
def movie() -> Movie:
    """The demo's movie: eight scenes in 900 frames."""
    return preset_movie(PRESETS["demo"], SEED)


@pytest.fixture(scope="session")
def demo(movie: Movie) -> Session:
    """The demo's recording, with another seed than the bundled one."""
    return simulate("demo", SEED, movie)
