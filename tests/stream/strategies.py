"""Hypothesis strategies for recordings."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from stream.movie import Clip, Movie
from stream.session import Kind, Session, segments_from_stamps

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8).filter(
    lambda text: text.strip() == text
)
VALUES = st.sampled_from([0.0, 1.0, -3.0, 7.5, 32767.0, 40000.0, np.nan, -0.0, np.inf])


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """Generate small recordings with gaps, boundaries without gaps, backward clock steps, NaN, unusual names."""
    n_samples, n_channels = draw(st.integers(1, 40)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rate_hz = draw(st.sampled_from([0.0, 0.4, 30.0]))
    period = 1 / rate_hz if rate_hz else 0.3
    steps = period * random.uniform(0.9, 1.1, n_samples)
    steps[random.random(n_samples) < 0.1] = draw(st.sampled_from([9.0, -9.0, period]))
    stamps = random.uniform(-100, 1e5) + np.cumsum(steps)
    joins = np.cumsum(random.random(n_samples) < draw(st.sampled_from([0.0, 0.1])))
    segment = segments_from_stamps(stamps, rate_hz) + joins - joins[0]
    values = draw(st.lists(VALUES, min_size=2, max_size=4))
    n_frames = draw(st.integers(1, 6))
    names = draw(st.lists(TEXT, max_size=2, unique=True))
    clips = (Clip(draw(TEXT), 0, n_frames, 30.0, "0f"), Clip("next", n_frames, 2, 25.0))
    return Session(
        neural=random.choice(np.array(values, np.float32), (n_samples, n_channels)),
        stamps=stamps,
        frame=random.integers(-1, n_frames, n_samples).repeat(3)[:n_samples].astype(np.int32),
        repeat=random.integers(-1, 3, n_samples).repeat(5)[:n_samples].astype(np.int32),
        segment=np.cumsum(np.diff(segment, prepend=segment[:1]) > 0).astype(np.int32),
        channel_names=tuple(draw(st.lists(TEXT, min_size=n_channels, max_size=n_channels, unique=True))),
        kind=draw(st.sampled_from(list(Kind))),
        rate_hz=rate_hz,
        labels={name: random.normal(size=(n_samples, 2)).astype(np.float32) for name in names},
        movie=draw(st.sampled_from([None, Movie(clips)])),
        name=draw(TEXT),
    )


def assert_same(got: Session, wanted: Session) -> None:
    """Assert that all fields are equal, to the last bit."""
    for field in ("neural", "stamps", "frame", "repeat", "segment"):
        have, want = getattr(got, field), getattr(wanted, field)
        assert have.dtype == want.dtype, field
        assert have.tobytes() == want.tobytes(), f"{field}: {have} is not {want}"
    for field in ("channel_names", "kind", "rate_hz", "name"):
        assert getattr(got, field) == getattr(wanted, field), field
    assert set(got.labels) == set(wanted.labels)
    for name, label in wanted.labels.items():
        assert got.labels[name].tobytes() == label.tobytes(), name
    assert (got.movie is None) == (wanted.movie is None)
    if got.movie is not None and wanted.movie is not None:
        assert got.movie.clips == wanted.movie.clips
