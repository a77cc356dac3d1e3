"""The bundled recording: paths of its files, and how they are made."""

from __future__ import annotations

from pathlib import Path

from replay_data.simulate import simulate

SEED = 2
"""Random seed of the bundled recording."""

TRAIN_REPEATS = tuple(range(10))
"""Repeats that the bundled model is fitted on: nine for training and one for validation."""

TEST_REPEATS = "10-11"
"""Test repeats in the form of `replay --repeats`: one in order, one disturbed."""

_FOLDER = Path(__file__).resolve().parent


def demo_recording() -> Path:
    """Return the path of the recording: 120 units, twelve repeats of the movie."""
    return _FOLDER / "demo.xdf"


def demo_movie() -> Path:
    """Return the path of the movie."""
    return _FOLDER / "demo.mp4"


def demo_model() -> Path:
    """Return the path of the model fitted on the first ten repeats."""
    return _FOLDER / "demo.safetensors"


def make_bundle(folder: Path | str = _FOLDER, seed: int = SEED) -> None:
    """Make the bundled files again, replacing existing ones.

    Parameters
    ----------
    folder
        Output folder.
    seed
        Random seed of the simulation.
    """
    from decoders.fitting.fit import fit_model
    from decoders.fitting.options import FitOptions
    from replay_data.simulate import PRESETS, preset_movie
    from stream.io.session_io import load_session, save_session
    from stream.movie import load_movie, save_movie

    folder = Path(folder)
    save_movie(preset_movie(PRESETS["demo"], seed), folder / demo_movie().name, force=True)
    # The video is lossy: the population sees its decoded frames, not the original drawings.
    movie = load_movie(folder / demo_movie().name)
    recording = folder / demo_recording().name
    save_session(simulate("demo", seed, movie), recording, force=True)
    model = fit_model(load_session(recording), FitOptions(train_repeats=TRAIN_REPEATS, seed=seed), movie)
    model.save(folder / demo_model().name, force=True)


if __name__ == "__main__":
    make_bundle()
