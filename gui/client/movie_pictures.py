"""The movie's pictures, which come from the model file and not over the streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gui.state.snapshot import MoviePictures, Source


def load_movie_pictures(path: Path | None, source: Source) -> tuple[MoviePictures | None, str]:
    """Read the pictures of the model that the engine runs.

    Parameters
    ----------
    path
        Model file given by the user; None uses the file that the streams name, if it is on this computer.
    source
        The engine's description.

    Returns
    -------
    pictures, note
        The pictures, or None and the reason.
    """
    from decoders.model.model import Model

    if path is None:
        if not source.model_path or not Path(source.model_path).is_file():
            return None, "the model file is not on this computer: frames are shown as numbers"
        path = Path(source.model_path)
    model = Model.load(path)
    if source.model_hash and model.hash != source.model_hash:
        return (
            None,
            f"{path.name} is model {model.hash}, the engine runs {source.model_hash}: its pictures do not apply",
        )
    note = (
        "" if model.pictures is not None else f"{path.name} contains no pictures: frames are shown as numbers"
    )
    clip_of_frame = np.repeat(np.arange(len(model.clips)), [clip.n_frames for clip in model.clips])
    if not model.clips:
        clip_of_frame = np.zeros(model.n_frames, np.int64)
    return MoviePictures(path, model.hash, model.pictures, clip_of_frame), note
