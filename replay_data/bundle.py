"""The recording that is shipped: where its files are, and how they are made again."""

from __future__ import annotations

from pathlib import Path

from replay_data.simulate import simulate

SEED = 2
"""Of the shipped recording."""

TRAIN_REPEATS = tuple(range(10))
"""What the shipped model is fitted on: nine showings to train and one to validate."""

TEST_REPEATS = "10-11"
"""In order, and disturbed; as `replay --repeats` takes it."""

_FOLDER = Path(__file__).resolve().parent


def demo_recording() -> Path:
    """The recording: 120 units, twelve showings of the movie."""
    return _FOLDER / "demo.xdf"


def demo_movie() -> Path:
    """The movie that was shown."""
    return _FOLDER / "demo.mp4"


def demo_model() -> Path:
    """The model fitted on the first ten showings."""
    return _FOLDER / "demo.safetensors"


def make_bundle(folder: Path | str = _FOLDER, seed: int = SEED) -> None:
    """Make the shipped files again; what is there is replaced.

    Parameters
    ----------
    folder
        Where to.
    seed
        Of the simulation.
    """
    from decoders.fitting.fit import fit_model
    from decoders.fitting.options import FitOptions
    from replay_data.simulate import PRESETS, preset_movie
    from stream.io.session_io import load_session, save_session
    from stream.movie import load_movie, save_movie

    folder = Path(folder)
    save_movie(preset_movie(PRESETS["demo"], seed), folder / demo_movie().name, force=True)
    # The video is lossy: what it shows, not what was drawn, is the movie that the population sees.
    movie = load_movie(folder / demo_movie().name)
    recording = folder / demo_recording().name
    save_session(simulate("demo", seed, movie), recording, force=True)
    model = fit_model(load_session(recording), FitOptions(train_repeats=TRAIN_REPEATS, seed=seed), movie)
    model.save(folder / demo_model().name, force=True)


if __name__ == "__main__":
    make_bundle()
