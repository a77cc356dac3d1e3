"""`movie` and `movie_metadata`."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from stream.errors import BadRecording, OutputExists, ShapeMismatch
from stream.movie import Clip, Movie, load_movie, one_clip, save_movie
from stream.movie_metadata import clips_from_json, clips_to_json, movie_facts, movie_from_facts

CLIPS = (Clip("first", 0, 10, 30.0, "0f"), Clip("second", 10, 5, 25.0))


def gradient(n_frames: int, height: int = 16, width: int = 32) -> np.ndarray:  # type: ignore[type-arg]
    """Smooth gray pictures, each of another brightness."""
    column = np.linspace(0, 100, width)
    return np.stack([np.tile(column + 10 * frame, (height, 1)) for frame in range(n_frames)]).astype(np.uint8)


@pytest.mark.parametrize(
    ("clips", "n_pictures", "message"),
    [
        ((), None, "'clips' must have at least one clip"),
        ((Clip("a", 1, 10, 30.0),), None, "clip 'a' must start at frame 0, .* got frame 1"),
        ((Clip("a", 0, 0, 30.0),), None, "at least one frame .* 0 frames"),
        ((Clip("a", 0, 3, -1.0),), None, "got frame 0, 3 frames and -1.0 Hz"),
        (CLIPS, 7, "'frames' must have 15 pictures, one per frame of the clips, got 7"),
    ],
)
def test_clips_must_join_and_have_their_pictures(
    clips: tuple[Clip, ...], n_pictures: int | None, message: str
) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        Movie(clips, None if n_pictures is None else gradient(n_pictures))


def test_thumbnails_average_over_area_and_stay_within_a_size() -> None:
    movie = one_clip("test", gradient(4), 30.0)
    small = movie.thumbnails(width=8)
    assert small is not None
    assert small.shape == (4, 4, 8)
    np.testing.assert_allclose(small[0, 0], gradient(4)[0, 0].reshape(8, 4).mean(1), atol=0.5)
    tiny = movie.thumbnails(width=32, max_bytes=600)
    assert tiny is not None
    assert tiny.nbytes <= 600
    assert Movie(CLIPS).thumbnails() is None


@pytest.mark.parametrize("colour", [False, True])
def test_a_written_video_is_read_back(tmp_path: Path, colour: bool) -> None:
    frames = gradient(5)
    if colour:
        frames = np.stack([frames, frames // 2, frames // 3], axis=-1)
    path = tmp_path / "scene.mp4"
    save_movie(one_clip("scene", frames, 25.0), path)
    movie = load_movie(path)
    assert movie.frames is not None
    assert movie.frames.shape == frames.shape
    assert np.abs(movie.frames.astype(int) - frames).mean() < 4
    assert (movie.clips[0].name, movie.rate_hz, movie.n_frames) == ("scene", 25.0, 5)
    with pytest.raises(OutputExists, match=r"scene\.mp4 exists\. Give another name, or --force"):
        save_movie(movie, path)


def test_a_movie_says_what_it_is() -> None:
    assert repr(Movie(CLIPS)) == "<Movie: first | 2 clips, 15 frames at 30 Hz, without pictures>"
    assert repr(one_clip("test", gradient(4), 25.0)).endswith("1 clip, 4 frames at 25 Hz, 32 x 16 pixels>")


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="there is no movie file"):
        load_movie(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(BadRecording, match="cannot be read as a video"):
        load_movie(tmp_path / "text.mp4")
    with pytest.raises(ShapeMismatch, match="must have pictures"):
        save_movie(Movie(CLIPS), tmp_path / "out.mp4")


def _video(path: Path, width: int, height: int, n_frames: int) -> None:
    """Write a video of black pictures, which takes few bytes."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast"}
        frame = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")
        for _ in range(n_frames):
            frame.pts = None
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.slow
def test_a_movie_beyond_the_budget_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _video(tmp_path / "wide.mp4", 4096, 4096, 2)
    with pytest.raises(
        BadRecording, match=r"wide\.mp4 has 2 pictures of 4096 x 4096 pixels .* Make it smaller"
    ):
        load_movie(tmp_path / "wide.mp4")
    _video(tmp_path / "long.mp4", 64, 64, 30)
    monkeypatch.setattr("stream.movie.MAX_PICTURE_BYTES", 100_000)
    with pytest.raises(BadRecording, match=r"long\.mp4 has 30 pictures"):
        load_movie(tmp_path / "long.mp4")


def test_playlists_open_no_other_file(tmp_path: Path) -> None:
    _video(tmp_path / "small.mp4", 64, 64, 5)
    texts = {
        "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nsmall.mp4\n#EXT-X-ENDLIST\n",
        "concat.mp4": "ffconcat version 1.0\nfile small.mp4\n",
        "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 18090 RTP/AVP 96\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(BadRecording, match=rf"{name} cannot be read as a video"):
            load_movie(tmp_path / name)


@pytest.mark.slow
def test_damaged_videos_are_refused_or_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _video(tmp_path / "a.mp4", 64, 64, 60)
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(BadRecording, match=r"cut\.mp4 cannot be read"):
        load_movie(tmp_path / "cut.mp4")
    intact = load_movie(tmp_path / "a.mp4").frames
    assert intact is not None
    begin = content.index(b"mdat") + 4
    n_read = 0
    for at in range(begin, min(len(content), begin + 2000), 97):
        (tmp_path / "hit.mp4").write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        caplog.clear()
        try:
            movie = load_movie(tmp_path / "hit.mp4")
        except BadRecording:
            continue
        assert movie.frames is not None
        n_read += 1
        assert np.array_equal(movie.frames, intact) or "hit.mp4 announces 60 pictures" in caplog.text
    assert n_read
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        container.add_stream("aac", rate=44100)
    with pytest.raises(BadRecording, match=r"sound\.mp4"):
        load_movie(tmp_path / "sound.mp4")


def test_clips_survive_the_metadata_of_a_stream() -> None:
    movie = Movie(CLIPS)
    facts = {key: str(value) for key, value in movie_facts(movie).items()}
    restored = movie_from_facts(facts)
    assert restored is not None
    assert restored.clips == CLIPS
    assert clips_from_json(clips_to_json(movie)).clips == CLIPS
    few = movie_from_facts({"n_frames": "12", "movie_rate_hz": "24.0"})
    assert few is not None
    assert (few.n_frames, few.rate_hz) == (12, 24.0)
    assert movie_from_facts({}) is None
    assert movie_facts(None) == {}


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "{}",
        "[1]",
        '[{"name": "a"}]',
        "[" * 9999,
        clips_to_json(Movie((Clip("a", 0, 10**8, 1.0),))),
    ],
)
def test_invalid_metadata_are_refused(text: str) -> None:
    with pytest.raises(BadRecording):
        clips_from_json(text)


@pytest.mark.parametrize("shape", [(60, 0, 0), (60, 4, 0), (60, 4, 4, 7), (60, 4, 4, 1), (60, 4)])
def test_pictures_of_an_impossible_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeMismatch, match=r"'frames' must be \[frame, height, width\]"):
        Movie((Clip("a", 0, 60, 30.0),), np.zeros(shape, np.uint8))


def test_a_movie_rate_beyond_any_screen_is_refused() -> None:
    with pytest.raises(ShapeMismatch, match=r"a rate of 0 to 1000 Hz, got .* 1e"):
        Movie((Clip("a", 0, 60, 1e308),))


def test_a_small_file_may_not_hold_many_pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _video(tmp_path / "black.mp4", 256, 256, 100)
    monkeypatch.setattr("stream.movie.ALWAYS_READ_BYTES", 1000)
    monkeypatch.setattr("stream.movie.MAX_COMPRESSION", 10_000)
    assert len(load_movie(tmp_path / "black.mp4").frames) == 100  # type: ignore[arg-type]
    monkeypatch.setattr("stream.movie.MAX_COMPRESSION", 20)
    with pytest.raises(BadRecording, match="has 100 pictures of 256 x 256"):
        load_movie(tmp_path / "black.mp4")


def test_pictures_missing_at_the_end_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 64, 64)).astype(np.uint8)
    save_movie(one_clip("noise", noise, 30.0), tmp_path / "whole.mkv")
    load_movie(tmp_path / "whole.mkv")
    assert not caplog.records
    content = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) // 2])
    assert load_movie(tmp_path / "cut.mkv").n_frames < 58
    assert "cut.mkv announces" in caplog.text


def test_a_format_that_is_not_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    with pytest.raises(BadRecording, match=r"a\.svg cannot be read as a video"):
        load_movie(tmp_path / "a.svg")
