"""What a stimulus stream says of its movie, and the movie from what one said."""

from __future__ import annotations

import json
from collections.abc import Mapping

from stream.errors import BadRecording, NeuroReelError
from stream.movie import Clip, Movie
from stream.session import MAX_FRAMES


def movie_facts(movie: Movie | None) -> dict[str, object]:
    """The facts of a movie, for the description of its stimulus stream.

    Parameters
    ----------
    movie
        None gives no facts.
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
    """The movie, without its pictures, from the facts of its stimulus stream; None when they hold none.

    Parameters
    ----------
    facts
        As `movie_facts` made them, or fewer: ``n_frames`` alone is enough.

    Raises
    ------
    BadRecording
        When they contradict themselves.
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
    """The clips of a movie as JSON.

    Parameters
    ----------
    movie
        Its pictures are not written.
    """
    fields = ("name", "first_frame", "n_frames", "rate_hz", "sha256")
    return json.dumps([{field: getattr(clip, field) for field in fields} for clip in movie.clips])


def clips_from_json(text: str) -> Movie:
    """The movie, without its pictures, from what `clips_to_json` wrote.

    Parameters
    ----------
    text
        JSON.

    Raises
    ------
    BadRecording
        When it is no list of clips.
    """
    try:
        return _movie(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise BadRecording(f"the list of the movie's clips cannot be read: {error}.") from error


def _movie(clips: object) -> Movie:
    """A movie from a list of dicts that may hold anything."""
    try:
        if not isinstance(clips, list):
            raise TypeError("not a list")
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
        raise BadRecording(f"the recording's movie cannot be used: {error!r}.") from error
    if movie.n_frames > MAX_FRAMES:
        raise BadRecording(
            f"the recording says that its movie has {movie.n_frames} frames; at most {MAX_FRAMES} can be."
        )
    return movie
