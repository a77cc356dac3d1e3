"""The recording as a session: one slice of subject 1 of Haxby et al. (2001), 12 runs of 121 volumes, 2.5 s each.

The source of the labels matters here. In the file they begin 15 to 17.5 s into the run, but the paper's runs begin with
12 s of rest: the file's labels are late by about the haemodynamic lag. So there are two truths to choose from:
``file``, as shared, and ``design``, blocks of 24 s every 36 s, the first after 12 s.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream.movie import Clip, Movie
from stream.session import Kind, Session

VOLUME_S = 2.5
FIRST_BLOCK_S, BLOCK_S, PERIOD_S = 12.0, 24.0, 36.0
TRUTHS = ("file", "design")


def load(folder: Path, truth: str = "file") -> Session:
    """Load all 12 runs, each a segment and a repeat of its own.

    Parameters
    ----------
    folder
        Folder that contains ``haxby_fmri``.
    truth
        One of `TRUTHS`.
    """
    with np.load(folder / "haxby_fmri" / "haxby_1slice.npz", allow_pickle=False) as file:
        bold, run = file["bold"], file["run"].astype(np.int32)
        label, names = file["label"].astype(np.int32), [str(name) for name in file["label_names"]]
    frame = label - 1  # rest, which is 0 in the file, is no stimulus
    if truth == "design":
        frame = np.concatenate([by_design(frame[run == number]) for number in np.unique(run)])
    _, segment = np.unique(run, return_inverse=True)
    n_volumes = bold.shape[-1]
    within = np.arange(n_volumes) - np.searchsorted(run, run)
    # Stamped at the end of the volume; runs stand a minute apart.
    last = np.bincount(segment).max() * VOLUME_S + 60.0
    return Session(
        neural=bold.reshape(-1, n_volumes).T.astype(np.float32),
        stamps=segment * last + (within + 1) * VOLUME_S,
        frame=frame.astype(np.int32),
        repeat=segment.astype(np.int32),
        segment=segment.astype(np.int32),
        channel_names=tuple(f"voxel {number}" for number in range(bold[..., 0].size)),
        kind=Kind.BOLD,
        rate_hz=1 / VOLUME_S,
        movie=Movie(tuple(Clip(name, index, 1, 0.0) for index, name in enumerate(names[1:]))),
        name="haxby",
    )


def by_design(frame: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return a run's categories, in their order, at the paper's times: the one shown for most of each volume.

    Parameters
    ----------
    frame
        Categories of one run in the file, int32 [volume], -1 = rest.
    """
    shown = frame[(frame >= 0) & (np.diff(frame, prepend=-1) != 0)]
    middle_s = (np.arange(len(frame)) + 0.5) * VOLUME_S - FIRST_BLOCK_S
    block = np.floor(middle_s / PERIOD_S).astype(np.int64)
    up = (block >= 0) & (block < len(shown)) & (middle_s - block * PERIOD_S < BLOCK_S)
    return np.where(up, shown[np.clip(block, 0, len(shown) - 1)], -1).astype(np.int32)
