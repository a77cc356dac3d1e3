"""Paths of the bundled recording, movie and model, and the function that makes them."""

from __future__ import annotations

from pathlib import Path

from replay_data.simulate import simulate

SEED = 2
"""Random seed of the bundled recording."""

TRAIN_REPEATS = tuple(range(10))
"""Repeats on which the bundled model is fitted."""

TEST_REPEATS = "10-11"
"""Test repeats, one in order and one disturbed, in the form of `replay --repeats`."""

_FOLDER = Path(__file__).resolve().parent


def demo_recording() -> Path:
    """Return the path of the recording: 120 units, 12 repeats of the movie."""
    return _FOLDER / "demo.xdf"


def demo_movie() -> Path:
    """Return the path of the movie that was shown."""
    return _FOLDER / "demo.mp4"


def demo_model() -> Path:
    """Return the path of the model fitted on `TRAIN_REPEATS`."""
    return _FOLDER / "demo.safetensors"


def make_bundle(folder: Path | str = _FOLDER, seed: int = SEED) -> None:
    """Make the bundled files; existing ones are overwritten.

    Parameters
    ----------
    folder
        Folder of the files.
    seed
        Random seed of the simulation and the fit.
    """
    from decoders.fitting.fit import fit_model
    from decoders.fitting.options import FitOptions
    from replay_data.simulate import PRESETS, preset_movie
    from stream.io.session_io import load_session, save_session
    from stream.movie import load_movie, save_movie

    folder = Path(folder)
    save_movie(preset_movie(PRESETS["demo"], seed), folder / demo_movie().name, force=True)
    # The video is lossy, so the population responds to its decoded frames.
    movie = load_movie(folder / demo_movie().name)
    recording = folder / demo_recording().name
    save_session(simulate("demo", seed, movie), recording, force=True)
    model = fit_model(load_session(recording), FitOptions(train_repeats=TRAIN_REPEATS, seed=seed), movie)
    model.save(folder / demo_model().name, force=True)


if __name__ == "__main__":
    make_bundle()
