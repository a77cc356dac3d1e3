"""What the movie panel shows: the true frame, the decoded one and the forecast, or why there is no picture."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from decoders.prediction import N_LIKELIEST, Provenance, provenance_of
from gui import words
from gui.state.snapshot import UNKNOWN, MoviePictures, Snapshot, Source, State
from stream.printable import printable

N_TILES = 4
"""Number of likeliest frames that are shown when a prediction is unsure."""

LEAST_TILE = 0.005
"""A frame that is less probable would read 0 % and has no tile."""

BLANK = 118
"""Gray level of a blank screen."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One of the likeliest frames: its picture or None, its name and its probability."""

    name: str
    picture: NDArray[np.uint8] | None
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One picture and its captions.

    ``picture`` is uint8 [h, w(, 3)], or None to show ``tiles``, or ``big`` as text; ``confidence`` is the probability of
    ``reach`` (NaN draws no bar), ``unsure_below`` the mark on its bar; ``verdict`` and ``agrees`` compare the frame with
    the true one.
    """

    caption: str
    which: str
    provenance: str
    picture: NDArray[np.uint8] | None
    big: str = ""
    tiles: tuple[Tile, ...] = ()
    confidence: float = nan
    unsure_below: float = nan
    reach: str = ""
    verdict: str = ""
    agrees: bool | None = None


def slots_of(snapshot: Snapshot) -> tuple[Slot, ...]:
    """The three pictures of a snapshot.

    Parameters
    ----------
    snapshot
        Snapshot with a newest prediction.
    """
    newest, source, pictures = snapshot.newest, snapshot.source, snapshot.movie_pictures
    assert newest is not None
    moment = words.decoded_moment(source)
    current = snapshot.state is State.LIVE
    screen = "on screen" if moment == "now" else f"on screen {moment}"
    decoded = _decoded(
        f"decoded {moment}" if current else "last decoded",
        newest.frame,
        newest.confidence,
        newest.novelty,
        snapshot,
        _likeliest_now(snapshot),
    )
    following = _decoded(
        f"forecast {words.forecast_moment(source)}" if current else "last forecast",
        newest.next_frame,
        newest.next_confidence,
        newest.novelty,
        snapshot,
        _likeliest_next(snapshot),
    )
    return (
        _shown(screen if current else "last on screen", newest.truth, snapshot.truth_known, pictures, source),
        _compared(decoded, newest.frame, newest.truth, source) if decoded.picture_of_frame else decoded.slot,
        following.slot,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    slot: Slot
    picture_of_frame: bool


def _decoded(
    caption: str,
    frame: int,
    confidence: float,
    novelty: float,
    snapshot: Snapshot,
    likeliest: list[tuple[int, float]],
) -> _Decoded:
    source, pictures = snapshot.source, snapshot.movie_pictures
    provenance = provenance_of(frame, confidence, novelty, source.unsure_below)
    if provenance is Provenance.NO_EVIDENCE:
        why = "no evidence · no channel has a valid value"
        return _Decoded(Slot(caption, "", why, None, "no evidence"), False)
    which = words.name_of(frame, source, pictures)
    if provenance is Provenance.UNSURE:
        tiles = tuple(
            Tile(words.short_name(one, source, pictures), picture_of(one, pictures), probability)
            for one, probability in likeliest
            if probability >= LEAST_TILE
        )
        why = f"unsure · below {source.unsure_below:.0%}" + (
            f", likeliest {words.plural(words.kind_of(source))}" if tiles else ""
        )
        slot = Slot(
            caption, "", why, None, "unsure", tiles, confidence, source.unsure_below, words.reach(source)
        )
        return _Decoded(slot, False)
    if provenance is Provenance.NO_STIMULUS:
        slot = Slot(
            caption, which, "no stimulus · decoded", picture_of(frame, pictures), "blank",
            confidence=confidence, unsure_below=source.unsure_below, reach="no stimulus",
        )  # fmt: skip
        return _Decoded(slot, False)
    slot = Slot(
        caption, which, f"retrieved · {words.kind_of(source)} {frame}", picture_of(frame, pictures), str(frame),
        confidence=confidence, unsure_below=source.unsure_below, reach=words.reach(source),
    )  # fmt: skip
    return _Decoded(slot, True)


def _compared(decoded: _Decoded, frame: int, truth: int, source: Source) -> Slot:
    """The decoded frame beside the true one, if that is known."""
    slot = decoded.slot
    if truth < 0:
        return slot
    error = frame - truth
    return Slot(
        slot.caption, slot.which, slot.provenance, slot.picture, slot.big, slot.tiles, slot.confidence,
        slot.unsure_below, slot.reach, words.verdict(error, source), abs(error) <= source.tolerance_frames,
    )  # fmt: skip


def _shown(caption: str, frame: int, known: bool, pictures: MoviePictures | None, source: Source) -> Slot:
    if not known or frame == UNKNOWN:
        stream = printable(source.truth_stream[0], limit=90)
        waiting = "not reported yet" if known else f"no stream {stream}"
        return Slot(caption, "", waiting, None, "?")
    which = words.name_of(frame, source, pictures)
    big = "blank" if frame < 0 else str(frame)
    origin = "reported by its label stream" if source.places else "shown by the stimulus program"
    return Slot(caption, which, origin, picture_of(frame, pictures), big)


def picture_of(frame: int, pictures: MoviePictures | None) -> NDArray[np.uint8] | None:
    """The picture of a frame, gray for no stimulus; None if there is none.

    Parameters
    ----------
    frame
        Number of the frame; negative for no stimulus.
    pictures
        From the model file.
    """
    if pictures is None or pictures.pictures is None:
        return None
    if frame < 0:
        return np.full(pictures.pictures.shape[1:], BLANK, np.uint8)
    state = pictures.state_of(frame)
    return None if state is None else pictures.pictures[state]


def _likeliest_now(snapshot: Snapshot) -> list[tuple[int, float]]:
    view = snapshot.posterior
    if view is None:
        return []
    reach = -(-snapshot.source.tolerance_frames // view.pool)
    return _numbered(likeliest_passages(view.newest, reach, view.pool), snapshot.source)


def _likeliest_next(snapshot: Snapshot) -> list[tuple[int, float]]:
    """The likeliest frames in one second, of those that the forecast lists."""
    if snapshot.forecast is None:
        return []
    row, n = snapshot.forecast[-1], max(snapshot.source.n_frames, 1)
    posterior = np.zeros(n + 1, np.float32)
    frames = row[:N_LIKELIEST].astype(int)
    states = snapshot.source.states.states(frames)
    for state, probability in zip(states.tolist(), row[N_LIKELIEST : 2 * N_LIKELIEST].tolist(), strict=True):
        if state < n:
            posterior[state] += probability  # -1 is the last entry, no stimulus
    return _numbered(likeliest_passages(posterior, snapshot.source.tolerance_frames), snapshot.source)


def _numbered(passages: list[tuple[int, float]], source: Source) -> list[tuple[int, float]]:
    """Passages by frame number instead of state."""
    return [(int(source.states.numbers(np.array(state))), probability) for state, probability in passages]


def likeliest_passages(
    posterior: NDArray[np.float32], reach: int, pool: int = 1, n: int = N_TILES
) -> list[tuple[int, float]]:
    """The likeliest frames that lie apart, each with the probability around it.

    Parameters
    ----------
    posterior
        Probabilities, float32 [channels + 1]; the last is "no stimulus".
    reach
        Channels on each side that count with a frame: one second.
    pool
        Frames in one channel.
    n
        Number of frames.

    Returns
    -------
    passages
        State (-1 = no stimulus) and probability, the likeliest first.

    Examples
    --------
    >>> likeliest_passages(np.array([0.25, 0.25, 0, 0, 0.125, 0.375], np.float32), 1)
    [(0, 0.5), (-1, 0.375), (4, 0.125)]
    """
    left = posterior.copy()
    found = []
    for _ in range(n):
        best = int(left.argmax())
        if left[best] <= 0:
            break
        last = len(left) - 1
        part = slice(last, None) if best == last else slice(max(best - reach, 0), min(best + reach + 1, last))
        found.append((-1 if best == last else best * pool, float(left[part].sum())))
        left[part] = 0
    return sorted(found, key=lambda each: -each[1])
