"""The two recordings as sessions, split into the folds of their published protocols.

Buddy
    Rat "Buddy" of hc-11 (Grosmark and Buzsaki 2016): 48 units in bins of 25 ms while running, joined laps.
    A state is one of 32 places of 5 cm times 2 directions. Five contiguous folds of laps.
track
    nelpy's linear track recording: spike times of 31 units and video positions. Bins of 50 ms; only the fastest 28 %
    of them; holes are segment boundaries. A state is one of 24 places, k-means of the training positions. Five
    contiguous folds, with 2 s left out around each test part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream.binning import bin_spikes, sample_at
from stream.session import Kind, Session, segments_from_stamps

N_FOLDS = 5
BUDDY_RATE_HZ, TRACK_RATE_HZ = 40.0, 20.0
PLACE_M = 0.05
N_BUDDY_PLACES, N_TRACK_PLACES = 32, 24
MOVING_SHARE = 0.28
SMOOTHING_S = 0.5
LEFT_OUT_S = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One split of a recording; ``centres`` are the positions of the states in ``unit``, float64 [state, k]."""

    recording: str
    number: int
    train: Session
    test: Session
    centres: NDArray[np.float64]
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """All bins of the linear track: counts [bin, unit], stamps [bin], position [bin, 2] in pixels, moving [bin]."""

    counts: NDArray[np.float32]
    stamps: NDArray[np.float64]
    position: NDArray[np.float64]
    moving: NDArray[np.bool_]

    def session(self) -> Session:
        """Return the moving bins; each fold fills in the places."""
        stamps = self.stamps[self.moving]
        return Session(
            neural=self.counts[self.moving],
            stamps=stamps,
            frame=np.zeros(len(stamps), np.int32),
            repeat=np.zeros(len(stamps), np.int32),
            segment=segments_from_stamps(stamps, TRACK_RATE_HZ),
            channel_names=unit_names(self.counts.shape[1]),
            kind=Kind.SPIKES,
            rate_hz=TRACK_RATE_HZ,
            labels={"position": self.position[self.moving].astype(np.float32)},
            name="track",
        )


def unit_names(n_units: int) -> tuple[str, ...]:
    return tuple(f"unit {number}" for number in range(n_units))


def buddy_folds(folder: Path) -> Iterator[Fold]:
    """Yield five folds of laps; the repeat of a bin is its lap."""
    with np.load(folder / "rat_hippocampus_buddy" / "buddy.npz", allow_pickle=False) as file:
        counts, position = file["spikes"].astype(np.float32), file["position"].astype(np.float64)
    metres, direction = position[:, 0], (position[:, 2] > position[:, 1]).astype(np.int32)
    boundary = (np.abs(np.diff(metres)) > 0.1) | (np.diff(direction) != 0)
    lap = np.cumsum(np.r_[False, boundary]).astype(np.int32)
    place = np.minimum((metres / PLACE_M).astype(np.int32), N_BUDDY_PLACES - 1)
    session = Session(
        neural=counts,
        stamps=np.arange(1, len(counts) + 1) / BUDDY_RATE_HZ,
        frame=place + N_BUDDY_PLACES * direction,
        repeat=lap,
        segment=lap,
        channel_names=unit_names(counts.shape[1]),
        kind=Kind.SPIKES,
        rate_hz=BUDDY_RATE_HZ,
        labels={"position": metres[:, None].astype(np.float32)},
        name="buddy",
    )
    centres = np.tile((np.arange(N_BUDDY_PLACES) + 0.5) * PLACE_M, 2)[:, None]
    for number, laps in enumerate(np.array_split(np.arange(lap[-1] + 1), N_FOLDS)):
        in_test = np.isin(lap, laps)
        yield Fold("buddy", number, session.take(~in_test), session.take(in_test), centres, "m")


def load_track(folder: Path) -> Track:
    """Bin the spike times, sample the positions at the ends of the bins, and find the moving bins."""
    with np.load(folder / "rat_linear_track" / "linear_track.npz", allow_pickle=False) as file:
        spike_times, spike_unit = file["spike_times"], file["spike_unit"]
        times, pixels = file["pos_t"], np.stack([file["pos_x"], file["pos_y"]], 1).astype(np.float64)
    seen = np.all(pixels > 0, axis=1)
    seen &= np.diff(times, prepend=-np.inf) > 0  # the camera's clock repeats a timestamp
    edges = np.arange(times[0], times[-1], 1 / TRACK_RATE_HZ)
    _, unit = np.unique(spike_unit, return_inverse=True)
    inside = edges[1:] <= times[seen][-1]
    inside &= edges[1:] >= times[seen][0]
    stamps = edges[1:][inside]
    counts = bin_spikes(spike_times, unit, edges)[inside]
    position = sample_at(times[seen], pixels[seen], stamps).astype(np.float64)
    width = round(SMOOTHING_S * TRACK_RATE_HZ)
    smooth = [np.convolve(axis, np.ones(width) / width, "same") for axis in position.T]
    speed = np.hypot(*(np.gradient(axis) for axis in smooth))
    return Track(counts, stamps, position, speed >= np.quantile(speed, 1 - MOVING_SHARE))


def track_folds(track: Track) -> Iterator[Fold]:
    """Yield five contiguous folds; the repeat of a bin is the fold that tests it."""
    from dataclasses import replace

    from sklearn.cluster import KMeans

    session = track.session()
    position = session.labels["position"]
    fold_of = np.repeat(np.arange(N_FOLDS), [len(part) for part in np.array_split(session.stamps, N_FOLDS)])
    for number in range(N_FOLDS):
        in_test = fold_of == number
        first, last = session.stamps[in_test][[0, -1]]
        in_train = (session.stamps < first - LEFT_OUT_S) | (session.stamps > last + LEFT_OUT_S)
        places = KMeans(N_TRACK_PLACES, n_init=5, random_state=0).fit(position[in_train])
        frame = places.predict(position).astype(np.int32)
        labelled = replace(session, frame=frame, repeat=fold_of.astype(np.int32))
        centres = places.cluster_centers_.astype(np.float64)
        yield Fold("track", number, labelled.take(in_train), labelled.take(in_test), centres, "px")
