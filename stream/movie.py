"""A movie as the decoder sees it: clips joined into one axis of frames."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording, ShapeMismatch, refuse_existing


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a movie: frames ``first_frame`` to ``first_frame + n_frames - 1`` of the joined axis."""

    name: str
    first_frame: int
    n_frames: int
    rate_hz: float
    sha256: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Movie:
    """Clips joined into one frame axis, with their pictures when those are at hand.

    Attributes
    ----------
    clips
        In order of ``first_frame``, without holes.
    frames
        Uint8 [frame, height, width] or [frame, height, width, 3]; None when only the clips are known.
    """

    clips: tuple[Clip, ...]
    frames: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        expected = 0
        for clip in self.clips:
            if clip.first_frame != expected or clip.n_frames < 1 or not 0 <= clip.rate_hz < np.inf:
                raise ShapeMismatch(
                    f"clip {clip.name!r} starts at frame {clip.first_frame} with {clip.n_frames} frames at "
                    f"{clip.rate_hz} Hz; it must start at {expected}, hold at least one frame and not run backwards."
                )
            expected += clip.n_frames
        if not self.clips:
            raise ShapeMismatch("a movie needs at least one clip, got none.")
        if self.frames is not None and len(self.frames) != expected:
            raise ShapeMismatch(
                f"the movie's clips hold {expected} frames, but {len(self.frames)} pictures were given."
            )

    @property
    def n_frames(self) -> int:
        """Frames on the joined axis."""
        last = self.clips[-1]
        return last.first_frame + last.n_frames

    @property
    def rate_hz(self) -> float:
        """Frames per second of the first clip; 0 for stills."""
        return self.clips[0].rate_hz

    def thumbnails(self, width: int = 96, max_bytes: int = 20_000_000) -> NDArray[np.uint8] | None:
        """Small pictures that travel in a model.

        Parameters
        ----------
        width
            Pixels; halved until all pictures together fit ``max_bytes``.
        max_bytes
            Bound on the size of the result.

        Returns
        -------
        pictures
            Uint8 [frame, height, width(, 3)], area-averaged, or None when the movie has no pictures.
        """
        if self.frames is None:
            return None
        n_frames, height, full_width = self.frames.shape[:3]
        width = min(width, full_width)
        colours = self.frames.shape[3] if self.frames.ndim == 4 else 1
        while (
            width > 8 and n_frames * width * max(1, round(height * width / full_width)) * colours > max_bytes
        ):
            width //= 2
        small_height = max(1, round(height * width / full_width))
        if (small_height, width) == (height, full_width):
            return self.frames
        rows = _area_weights(height, small_height)
        columns = _area_weights(full_width, width)
        out = np.empty((n_frames, small_height, width, *self.frames.shape[3:]), np.uint8)
        for index, frame in enumerate(self.frames):
            mean = np.einsum("ij,jk...,lk->il...", rows, frame.astype(np.float32), columns, optimize=True)
            out[index] = np.clip(np.rint(mean), 0, 255)
        return out


def _area_weights(size: int, small: int) -> NDArray[np.float32]:
    """Weights [small, size] that average each small pixel over the area it covers."""
    edges = np.linspace(0, size, small + 1)
    left = np.maximum(edges[:-1, None], np.arange(size)[None])
    right = np.minimum(edges[1:, None], np.arange(1, size + 1)[None])
    overlap = np.maximum(right - left, 0)
    weights: NDArray[np.float32] = (overlap / overlap.sum(1, keepdims=True)).astype(np.float32)
    return weights


def one_clip(name: str, frames: NDArray[np.uint8], rate_hz: float) -> Movie:
    """Make a movie of a single clip from its pictures.

    Parameters
    ----------
    name
        What the clip is called.
    frames
        Uint8 [frame, height, width] or [frame, height, width, 3].
    rate_hz
        Frames per second.
    """
    sha256 = hashlib.sha256(np.ascontiguousarray(frames).tobytes()).hexdigest()
    return Movie((Clip(name, 0, len(frames), rate_hz, sha256),), frames)


def load_movie(path: Path | str) -> Movie:
    """Read a video file as a movie of one clip.

    Parameters
    ----------
    path
        Any video that FFmpeg reads. Gray videos give [frame, height, width], others [..., 3].

    Raises
    ------
    BadRecording
        When the file is missing or is not a video.
    """
    import av

    path = Path(path)
    if not path.is_file():
        raise BadRecording(f"no such movie file: {path}. Give the path of a video.")
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
            rate_hz = float(stream.average_rate or 0)
    except (OSError, ValueError, IndexError) as error:  # PyAV's errors derive from these
        raise BadRecording(f"{path} cannot be read as a video: {error}.") from error
    if not frames or rate_hz <= 0:
        raise BadRecording(
            f"{path} holds {len(frames)} pictures at {rate_hz} Hz; a movie needs at least one."
        )
    pictures = np.stack(frames)
    # FFmpeg decodes gray H.264 as colour with neutral colour planes, so only the pictures tell.
    gray = all(np.all(picture == picture[..., :1]) for picture in pictures)
    return one_clip(path.stem, np.ascontiguousarray(pictures[..., 0]) if gray else pictures, rate_hz)


def save_movie(movie: Movie, path: Path | str, *, force: bool = False, crf: int = 18) -> None:
    """Write a gray or colour movie as H.264 (lossy; what is decoded again defines the movie).

    Parameters
    ----------
    movie
        With pictures; height and width must be even.
    path
        Where to, usually ``.mp4``.
    force
        Overwrite an existing file.
    crf
        H.264's constant rate factor: 0 lossless, 18 visually lossless, 51 worst.

    Raises
    ------
    OutputExists
        When ``path`` is there and ``force`` is not given.
    """
    import av
    from av.video.reformatter import ColorRange

    path = refuse_existing(path, force=force)
    if movie.frames is None:
        raise ShapeMismatch("the movie has no pictures to write.")
    gray = movie.frames.ndim == 3
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(movie.rate_hz).limit_denominator(1001))
        stream.height, stream.width = movie.frames.shape[1:3]
        stream.pix_fmt = "gray" if gray else "yuv420p"
        if gray:
            # the whole range 0 to 255, said in the file; otherwise players stretch the contrast
            stream.codec_context.color_range = ColorRange.JPEG
        stream.options = {"crf": str(crf), "preset": "veryslow"}
        for picture in movie.frames:
            frame = av.VideoFrame.from_ndarray(picture, format="gray" if gray else "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
