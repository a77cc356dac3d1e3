"""Description of a movie in the metadata of its stimulus stream, and the movie from such a description."""

from __future__ import annotations

import json
from collections.abc import Mapping

from stream.errors import BadRecording, NeuroReelError
from stream.movie import Clip, Movie
from stream.session import MAX_FRAMES


def movie_facts(movie: Movie | None) -> dict[str, object]:
    """Entries that describe a movie, for the metadata of its stimulus stream.

    Parameters
    ----------
    movie
        The movie; None for no entries.
    """
    if movie is None:
        return {}
    first = movie.clips[0]
    return {
        "movie_name": first.name,
        "movie_rate_hz": repr(float(movie.rate_hz)),
        "n_frames": movie.n_frames,
        "movie_sha256": first.sha256,
        "clips": clips_to_json(movie),
    }


def movie_from_facts(facts: Mapping[str, str]) -> Movie | None:
    """Movie, without pictures, from the metadata of its stimulus stream.

    Parameters
    ----------
    facts
        Entries from `movie_facts`, or fewer: ``n_frames`` is enough.

    Returns
    -------
    movie
        None if the entries describe no movie.

    Raises
    ------
    BadRecording
        If the entries are not valid.
    """
    if facts.get("clips"):
        return clips_from_json(facts["clips"])
    if not facts.get("n_frames"):
        return None
    return _movie(
        [
            {
                "name": facts.get("movie_name", "movie"),
                "first_frame": 0,
                "n_frames": facts["n_frames"],
                "rate_hz": facts.get("movie_rate_hz", 0),
                "sha256": facts.get("movie_sha256", ""),
            }
        ]
    )


def clips_to_json(movie: Movie) -> str:
    """Clips of a movie as JSON, without pictures.

    Parameters
    ----------
    movie
        The movie.
    """
    fields = ("name", "first_frame", "n_frames", "rate_hz", "sha256")
    return json.dumps([{field: getattr(clip, field) for field in fields} for clip in movie.clips])


def clips_from_json(text: str) -> Movie:
    """Movie, without pictures, from the result of `clips_to_json`.

    Parameters
    ----------
    text
        JSON list of clips.

    Raises
    ------
    BadRecording
        If it is not a valid list of clips.
    """
    try:
        return _movie(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise BadRecording(
            f"'clips' must be a JSON list of the movie's clips, got {text[:60]!r} ({error})."
        ) from error


def _movie(clips: object) -> Movie:
    """Movie from a list of dicts with unchecked content."""
    try:
        if not isinstance(clips, list):
            raise TypeError(f"clips must be a list, got {type(clips)}")
        movie = Movie(
            tuple(
                Clip(
                    str(clip["name"]),
                    int(clip["first_frame"]),
                    int(clip["n_frames"]),
                    float(clip["rate_hz"]),
                    str(clip.get("sha256", "")),
                )
                for clip in clips
            )
        )
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, NeuroReelError) as error:
        raise BadRecording(f"the description of the recording's movie is not valid: {error!r}.") from error
    if movie.n_frames > MAX_FRAMES:
        raise BadRecording(
            f"the movie of a recording must have at most {MAX_FRAMES} frames, got {movie.n_frames}."
        )
    return movie
