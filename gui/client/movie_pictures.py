"""What the model's file adds to its streams: the pictures of the movie."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gui.state.snapshot import Library, Source


def load_movie_pictures(path: Path | None, source: Source) -> tuple[Library | None, str]:
    """Read the pictures of the model that is running.

    Parameters
    ----------
    path
        A model file given by the user; None takes the one that the streams name, when it is on this computer.
    source
        What the streams say.

    Returns
    -------
    library, note
        The library or None, and in that case why.
    """
    from decoders.model.model import Model

    if path is None:
        if not source.model_path or not Path(source.model_path).is_file():
            return None, "the model's file is not on this computer: frames are shown by their numbers"
        path = Path(source.model_path)
    model = Model.load(path)
    if source.model_hash and model.hash != source.model_hash:
        return (
            None,
            f"{path.name} is model {model.hash}, the engine runs {source.model_hash}: its pictures are not shown",
        )
    note = (
        ""
        if model.pictures is not None
        else f"{path.name} holds no pictures: frames are shown by their numbers"
    )
    clip_of_frame = np.repeat(np.arange(len(model.clips)), [clip.n_frames for clip in model.clips])
    if not model.clips:
        clip_of_frame = np.zeros(model.n_frames, np.int64)
    return Library(path, model.hash, model.pictures, clip_of_frame), note
