"""A movie as the decoder uses it: clips joined into one axis of frames."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording, ShapeMismatch
from stream.output_files import replacing

log = logging.getLogger(__name__)

VIDEO_FORMATS = (
    "mov", "mp4", "m4v", "matroska", "webm", "avi", "mpeg", "mpegts", "mpegvideo", "ogg", "asf", "flv", "gif", "apng",
    "h264", "hevc", "ivf", "nut", "yuv4mpegpipe",
)  # fmt: skip
"""FFmpeg's names of the formats that `load_movie` reads: those that hold their pictures themselves."""

MAX_PICTURE_BYTES = 1_000_000_000
"""Largest size of all pictures of a movie, as they are in memory."""

MAX_COMPRESSION = 200
"""Largest ratio of that size to the size of the video's file, beyond `ALWAYS_READ_BYTES`; films have 20 to 100."""

ALWAYS_READ_BYTES = 350_000_000
"""Size of all pictures that is read whatever the size of the video's file."""

MAX_PIXELS = 9_000_000
"""Largest picture of a movie: 4K."""

MAX_MOVIE_RATE_HZ = 1000
"""Largest number of movie frames per second."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a movie.

    Attributes
    ----------
    name
        Name of the clip.
    first_frame
        Its first frame on the joined axis.
    n_frames
        Number of frames.
    rate_hz
        Frames per second; 0 for stills.
    sha256
        Hash of its pictures; empty if unknown.
    """

    name: str
    first_frame: int
    n_frames: int
    rate_hz: float
    sha256: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Movie:
    """Clips joined into one axis of frames, with or without their pictures.

    Attributes
    ----------
    clips
        Clips in order of ``first_frame``, without gaps.
    frames
        Uint8 [frame, height, width] (gray) or [frame, height, width, 3] (RGB); None if there are no pictures.

    Raises
    ------
    ShapeMismatch
        If there is no clip, clips do not join, a rate is impossible, or the pictures have another number or shape.
    """

    clips: tuple[Clip, ...]
    frames: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        expected = 0
        for clip in self.clips:
            if (
                clip.first_frame != expected
                or clip.n_frames < 1
                or not 0 <= clip.rate_hz <= MAX_MOVIE_RATE_HZ
            ):
                raise ShapeMismatch(
                    f"clip {clip.name!r} must start at frame {expected}, have at least one frame and a rate of 0 to "
                    f"{MAX_MOVIE_RATE_HZ} Hz, got frame {clip.first_frame}, {clip.n_frames} frames and "
                    f"{clip.rate_hz} Hz."
                )
            expected += clip.n_frames
        if not self.clips:
            raise ShapeMismatch("'clips' must have at least one clip, got none.")
        if self.frames is None:
            return
        shape = self.frames.shape
        if not (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)) or 0 in shape[1:]:
            raise ShapeMismatch(
                f"'frames' must be [frame, height, width] or [frame, height, width, 3], got shape {shape}."
            )
        if len(self.frames) != expected:
            raise ShapeMismatch(
                f"'frames' must have {expected} pictures, one per frame of the clips, got {len(self.frames)}."
            )

    def __repr__(self) -> str:
        pictures = "without pictures"
        if self.frames is not None:
            pictures = f"{self.frames.shape[2]} x {self.frames.shape[1]} pixels"
        clips = "1 clip" if len(self.clips) == 1 else f"{len(self.clips)} clips"
        return f"<Movie: {self.clips[0].name} | {clips}, {self.n_frames} frames at {self.rate_hz:g} Hz, {pictures}>"

    @property
    def n_frames(self) -> int:
        """Number of frames on the joined axis."""
        last = self.clips[-1]
        return last.first_frame + last.n_frames

    @property
    def rate_hz(self) -> float:
        """Frames per second of the first clip; 0 for stills."""
        return self.clips[0].rate_hz

    def thumbnails(self, width: int = 96, max_bytes: int = 20_000_000) -> NDArray[np.uint8] | None:
        """Small versions of the pictures, to be stored in a model.

        Parameters
        ----------
        width
            Width in pixels; halved until all pictures together fit into ``max_bytes``.
        max_bytes
            Largest size of the result, bytes.

        Returns
        -------
        pictures
            Uint8 [frame, height, width] or [frame, height, width, 3], averaged over area; None if the movie has no
            pictures.
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
    """Weights, float32 [small, size], that average over the area of each small pixel."""
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
        Name of the clip.
    frames
        Uint8 [frame, height, width] (gray) or [frame, height, width, 3] (RGB).
    rate_hz
        Frames per second.
    """
    sha256 = hashlib.sha256(np.ascontiguousarray(frames).data).hexdigest()
    return Movie((Clip(name, 0, len(frames), rate_hz, sha256),), frames)


def picture_budget(n_stored: int) -> int:
    """Largest size in bytes of all pictures of a movie that is stored in this many bytes.

    Parameters
    ----------
    n_stored
        Size of the video's file, or of the stored array.
    """
    return min(MAX_PICTURE_BYTES, max(ALWAYS_READ_BYTES, MAX_COMPRESSION * n_stored))


def load_movie(path: Path | str) -> Movie:
    """Read a video file as a movie of one clip.

    Parameters
    ----------
    path
        Path of a video in one of `VIDEO_FORMATS`; gray videos become [frame, height, width], others [..., 3].

    Raises
    ------
    BadRecording
        If the file is missing, is not a video, is damaged, or has more than `MAX_PICTURE_BYTES` of pictures.
    """
    import av

    path = Path(path)
    if not path.is_file():
        raise BadRecording(f"there is no movie file {path}; give the path of a video.")
    # only this file is opened: no playlist, no network
    options = {"format_whitelist": ",".join(VIDEO_FORMATS), "protocol_whitelist": "file"}
    try:
        with av.open(f"file:{path.absolute()}", options=options) as container:
            if not container.streams.video:
                raise BadRecording("holds no pictures; give the path of a video.")
            stream = container.streams.video[0]
            rate_hz = float(stream.average_rate or 0)
            pictures = _decode(container, stream, rate_hz, picture_budget(path.stat().st_size))
    except BadRecording as error:
        raise BadRecording(f"{path} {error}") from error
    except av.ArgumentError as error:
        raise BadRecording(
            f"{path} cannot be read as a video: its format is none of {', '.join(VIDEO_FORMATS)} (FFmpeg's names). "
            "Convert it to mp4."
        ) from error
    except (
        Exception
    ) as error:  # PyAV raises many types at a damaged file, MemoryError and EOFError among them
        raise BadRecording(f"{path} cannot be read as a video: {error or repr(error)}.") from error
    if not len(pictures) or not 0 < rate_hz <= MAX_MOVIE_RATE_HZ:
        raise BadRecording(
            f"{path} has {len(pictures)} pictures at {rate_hz} Hz; a movie needs at least one, and a rate of at most "
            f"{MAX_MOVIE_RATE_HZ} Hz."
        )
    return one_clip(path.stem, pictures, rate_hz)


def _decode(container: Any, stream: Any, rate_hz: float, most: int) -> NDArray[np.uint8]:
    """Decode all pictures of a video, gray ones as one plane; check their size before and while they are decoded."""
    n_declared = stream.frames or int((container.duration or 0) / 1e6 * rate_hz)
    _check_size(n_declared, stream.codec_context.height, stream.codec_context.width, 1, most)
    pictures = bytearray()  # it grows in place: a list of arrays would need twice the memory in the end
    shape, gray, n_pictures, n_corrupt = (0, 0), True, 0, 0
    for frame in container.decode(stream):
        _check_size(n_pictures + 1, frame.height, frame.width, 1 if gray else 3, most)
        if n_pictures and shape != (frame.height, frame.width):
            raise BadRecording(f"has pictures of several sizes: {shape} and {(frame.height, frame.width)}.")
        shape = (frame.height, frame.width)
        n_corrupt += frame.is_corrupt
        picture = frame.to_ndarray(format="rgb24")
        # FFmpeg decodes gray H.264 as colour with neutral colour planes, so only the pictures show whether it is gray
        if gray and not np.all(picture == picture[..., :1]):
            _check_size(n_pictures + 1, frame.height, frame.width, 3, most)
            pictures = bytearray(np.repeat(np.frombuffer(pictures, np.uint8), 3))
            gray = False
        pictures += np.ascontiguousarray(picture[..., 0] if gray else picture).data
        n_pictures += 1
    if n_corrupt or n_pictures < (stream.frames or n_declared - 1):  # a duration may be rounded
        log.warning(
            "%s announces %d pictures; %d could be decoded, %d of them with errors. Is it damaged?",
            container.name.removeprefix("file:"),
            n_declared,
            n_pictures,
            n_corrupt,
        )
    if not n_pictures:
        return np.zeros((0, 0, 0), np.uint8)
    return np.frombuffer(pictures, np.uint8).reshape(n_pictures, *shape, *(() if gray else (3,)))


def _check_size(n_frames: int, height: int, width: int, n_colours: int, most: int) -> None:
    """Check the size of all pictures of a video in bytes, and of each."""
    if n_frames * height * width * n_colours > most or height * width > MAX_PIXELS:
        raise BadRecording(
            f"has {n_frames} pictures of {width} x {height} pixels or more; at most {MAX_PIXELS / 1e6:.3g} million "
            f"pixels each and {most / 1e9:.3g} GB of pictures are read. Make it smaller: 'ffmpeg -i IN -vf "
            "scale=320:-2 OUT'."
        )


def save_movie(movie: Movie, path: Path | str, *, force: bool = False, crf: int = 18) -> None:
    """Write a gray or colour movie as H.264, which is lossy: the movie is what `load_movie` then reads.

    Parameters
    ----------
    movie
        Movie with pictures of even height and width.
    path
        Path of the file, usually ``.mp4``.
    force
        Whether to overwrite an existing file.
    crf
        Constant rate factor of H.264: 0 lossless, 18 visually lossless, 51 worst.

    Raises
    ------
    OutputExists
        If ``path`` exists and ``force`` is not given.
    CannotWrite
        If the file cannot be written.
    ShapeMismatch
        If the movie has no pictures.
    """
    import av
    from av.video.reformatter import ColorRange

    if movie.frames is None:
        raise ShapeMismatch("'movie' must have pictures to be written as a video, got clips only.")
    gray = movie.frames.ndim == 3
    with replacing(path, force=force) as partial, av.open(str(partial), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(movie.rate_hz).limit_denominator(1001))
        stream.height, stream.width = movie.frames.shape[1:3]
        stream.pix_fmt = "gray" if gray else "yuv420p"
        if gray:
            # declare the full range 0 to 255; otherwise players stretch the contrast
            stream.codec_context.color_range = ColorRange.JPEG
        stream.options = {"crf": str(crf), "preset": "veryslow"}
        for picture in movie.frames:
            frame = av.VideoFrame.from_ndarray(picture, format="gray" if gray else "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
