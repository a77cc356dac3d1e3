"""Channels that die, fall silent or stop being numbers while a stream runs."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.notices import Notices

EXPECTED_EVENTS = 60.0
"""A channel of counts is dead when it has been silent for as long as it should have counted so many in."""

LEAST_SILENT_S = 2.0
CONSTANT_S = 2.0
CONSTANT_SAMPLES = 20
"""Another channel is dead when its value has stood still for so long, and so many samples."""

NAMED = 8
"""How many channels a message names; the others are counted."""


class ChannelHealth:
    """Watches the channels of a stream; what is dear is done once a second.

    Parameters
    ----------
    names
        Of the channels.
    expected_hz
        For counts, float [channels]: how many a second there were in training; None = other signals.
    watched
        Bool [channels]: the others are left alone, for the model does not use them.
    notices
        Told of ``nan``, ``nan_over``, ``channel_dead`` and ``channel_back``; of counts also of ``negative``, once for
        each channel.

    Attributes
    ----------
    dead
        Bool [channels]: silent, still, or not numbers for so long.
    any_dead
        Whether one is.
    n_nan
        Samples so far in which a watched channel was not a number.
    n_new
        Samples since the last look.
    """

    def __init__(
        self,
        names: Sequence[str],
        expected_hz: NDArray[np.floating] | None,
        watched: NDArray[np.bool_],
        notices: Notices,
    ) -> None:
        n = len(names)
        self.dead = np.zeros(n, np.bool_)
        self.any_dead = False
        self.n_nan = 0
        self._names = tuple(names)
        self._watched = watched
        self._counts = expected_hz is not None
        with np.errstate(divide="ignore"):
            needed = EXPECTED_EVENTS / np.asarray(expected_hz) if expected_hz is not None else np.zeros(n)
        self._allowed_s = np.maximum(needed, LEAST_SILENT_S if self._counts else CONSTANT_S)
        self._notices = notices
        self._alive: NDArray[Any] = np.zeros(
            n, np.float32 if self._counts else np.bool_
        )  # since the last look
        self._least = np.zeros(n, np.float32)  # of counts, since the last look
        self._negative = np.zeros(n, np.bool_)  # ever
        self._still: NDArray[np.float32] | None = None
        self._newest: NDArray[np.float32] | None = None
        self._ones = np.ones(n, np.float32)
        self._quiet_s = np.zeros(n)
        self._quiet_samples = np.zeros(n, np.int64)
        self.n_new = 0
        self._nan_run = 0

    def note(self, samples: NDArray[np.float32], stamp: float) -> None:
        """Take in the next samples, as they came.

        Parameters
        ----------
        samples
            Float32 [n, channels].
        stamp
            Of the first.
        """
        n = len(samples)
        self.n_new += n
        flat = samples.reshape(-1)
        if len(flat) != len(self._ones):
            self._ones = np.ones(len(flat), np.float32)
        if not isfinite(flat.dot(self._ones)):  # far sooner than asking each
            samples = self._note_nan(samples, stamp)
        elif self._nan_run:
            self._nan_over()
        if self._counts:
            if n == 1:
                np.add(self._alive, samples[0], out=self._alive)
                np.minimum(self._least, samples[0], out=self._least)
            else:
                self._alive += np.add.reduce(samples, axis=0)
                np.minimum(self._least, np.minimum.reduce(samples, axis=0), out=self._least)
            return
        if self._still is None:
            self._still = samples[0].copy()
        for row in samples:
            self._alive |= row != self._still
        self._newest = samples[-1]

    def mask(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Samples in which dead channels are not a number, so that their mean in training stands for them.

        Parameters
        ----------
        samples
            Float32 [n, channels]; stay as they are.
        """
        if not self.any_dead:
            return samples
        return np.where(self.dead, np.float32(np.nan), samples)

    def look(self, elapsed_s: float) -> None:
        """Judge the channels; about once a second while samples come.

        Parameters
        ----------
        elapsed_s
            Recorded seconds since the last look.
        """
        if not self.n_new:
            return
        alive = self._alive > 0 if self._counts else self._alive
        self._quiet_s = np.where(alive, 0.0, self._quiet_s + elapsed_s)
        self._quiet_samples = np.where(alive, 0, self._quiet_samples + self.n_new)
        dead = (self._quiet_s >= self._allowed_s) & self._watched
        if not self._counts:
            dead &= self._quiet_samples >= CONSTANT_SAMPLES
        if (dead != self.dead).any():
            self._say(dead)
        if self._counts:
            self._look_for_negative()
        self._alive[:] = 0
        self.n_new = 0
        if self._still is not None and self._newest is not None:
            self._still[:] = self._newest  # what comes is compared with this from now on

    def _look_for_negative(self) -> None:
        """Counts are never negative: then something else is sent than the model was fitted on."""
        new = (self._least < 0) & self._watched & ~self._negative
        if new.any():
            text, facts = self._name(new)
            least = float(self._least[new].min())
            what = f"{text}: negative counts, down to {least:g}; they are taken as 0"
            self._notices.add("negative", what, least=least, **facts)
            self._negative |= new
        self._least[:] = 0

    def _say(self, dead: NDArray[np.bool_]) -> None:
        for event, which, what in (
            (
                "channel_dead",
                dead & ~self.dead,
                "counts nothing any more" if self._counts else "stands still",
            ),
            ("channel_back", self.dead & ~dead, "is back"),
        ):
            if which.any():
                text, facts = self._name(which)
                self._notices.add(event, f"{text} {what}", dead=int(dead.sum()), **facts)
        self.dead = dead
        self.any_dead = bool(dead.any())

    def _note_nan(self, samples: NDArray[np.float32], stamp: float) -> NDArray[np.float32]:
        """Count what is not a number; returns the samples without it."""
        finite = np.isfinite(samples)
        bad = ~finite & self._watched
        rows = np.logical_or.reduce(bad, axis=1)
        n_bad = int(rows.sum())
        self.n_nan += n_bad
        if n_bad and not self._nan_run:
            text, facts = self._name(np.logical_or.reduce(bad, axis=0))
            self._notices.add("nan", f"{text} is not a number", stamp=stamp, **facts)
        if n_bad:
            self._nan_run += n_bad
        if self._nan_run and not rows[-1]:
            self._nan_over()
        return np.where(finite, samples, 0 if self._counts or self._still is None else self._still)

    def _nan_over(self) -> None:
        self._notices.add(
            "nan_over", f"after {self._nan_run} samples all are numbers again", samples=self._nan_run
        )
        self._nan_run = 0

    def _name(self, which: NDArray[np.bool_]) -> tuple[str, dict[str, object]]:
        names = [self._names[index] for index in np.flatnonzero(which)]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        head = (
            "all channels:"
            if len(names) == len(self._names)
            else "channel"
            if len(names) == 1
            else "channels"
        )
        return f"{head} {', '.join(names[:NAMED])}{more}", {
            "channels": names[:NAMED],
            "n_channels": len(names),
        }
