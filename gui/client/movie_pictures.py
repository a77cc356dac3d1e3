"""The movie's pictures, which come from the model file and not over the streams."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from gui.state.snapshot import MoviePictures, Source
from stream.printable import printable

logger = logging.getLogger(__name__)


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
    if path is None:
        try:
            if not source.model_path or not Path(source.model_path).is_file():
                return None, "the model file is not on this computer: frames are shown as numbers"
            return _load(Path(source.model_path), source)
        except (
            Exception
        ) as error:  # the path comes from the network: whatever lies there must not end the window
            logger.debug("no pictures from %s", source.model_path, exc_info=True)
            return (
                None,
                f"{printable(Path(source.model_path).name, limit=80)} cannot be read: {printable(str(error))}",
            )
    return _load(path, source)


def _load(path: Path, source: Source) -> tuple[MoviePictures | None, str]:
    from decoders.model.model import Model

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
    names = tuple(printable(clip.name, limit=40) for clip in model.clips)
    pictures = MoviePictures(
        path, model.hash, model.states, model.pictures, clip_of_frame, names, model.parts.continuous
    )
    return pictures, note
