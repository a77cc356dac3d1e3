"""Channels that fall silent, freeze or turn into NaN while a stream runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.notices import Notices
from stream.session import MAX_ACTIVITY

EXPECTED_EVENTS = 60.0
"""A channel of counts is dead once it should have counted this many events and counted none."""

LEAST_SILENT_S = 2.0
"""However often a channel of counts should fire, it may be silent for this long."""

CONSTANT_S = 2.0
CONSTANT_SAMPLES = 20
"""Any other channel is dead once its value has been constant for this long and for this many samples."""

MAX_NAMED = 8
"""A message names at most this many channels and counts the rest."""


class ChannelHealth:
    """Detects dead channels, NaN and negative counts; only cheap sums are updated with every sample.

    Parameters
    ----------
    names
        Channel names.
    expected_hz
        Float [channels], events per second in the training data; None for signals that are not counts.
    watched
        Bool [channels], the channels that the model uses; the others are ignored.
    notices
        Receives ``nan``, ``nan_over``, ``channel_dead`` and ``channel_back``, for counts also ``negative``, once per
        channel.

    Attributes
    ----------
    dead
        Bool [channels], silent, constant or NaN for too long.
    any_dead
        Whether any channel is dead.
    n_nan
        Samples so far with NaN, infinity or a huge value in a watched channel.
    n_new
        Samples since the channels were last judged.
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
        # since the channels were last judged: sum of counts, or whether the value has changed
        self._activity: NDArray[Any] = np.zeros(n, np.float32 if self._counts else np.bool_)
        self._least = np.zeros(n, np.float32)  # smallest count since then
        self._negative = np.zeros(n, np.bool_)  # reported before
        self._reference: NDArray[np.float32] | None = None  # values that new ones are compared with
        self._newest: NDArray[np.float32] | None = None
        self._ones = np.ones(n, np.float32)
        self._inactive_s = np.zeros(n)
        self._inactive_samples = np.zeros(n, np.int64)
        self.n_new = 0
        self._nan_run = 0

    def __repr__(self) -> str:
        n_dead = int(self.dead.sum())
        return f"<ChannelHealth: {n_dead} of {len(self.dead)} channels dead | {self.n_nan} samples with NaN>"

    def update(self, samples: NDArray[np.float32], stamp: float) -> None:
        """Add the next samples.

        Parameters
        ----------
        samples
            Float32 [n, channels], as received.
        stamp
            Timestamp of the first one, seconds.
        """
        n = len(samples)
        self.n_new += n
        flat = samples.reshape(-1)
        if len(flat) != len(self._ones):
            self._ones = np.ones(len(flat), np.float32)
        if (
            not abs(flat.dot(self._ones)) < MAX_ACTIVITY
        ):  # false for NaN; much faster than testing every value
            samples = self._replace_nan(samples, stamp)
        elif self._nan_run:
            self._end_nan_run()
        if self._counts:
            if n == 1:
                np.add(self._activity, samples[0], out=self._activity)
                np.minimum(self._least, samples[0], out=self._least)
            else:
                self._activity += np.add.reduce(samples, axis=0)
                np.minimum(self._least, np.minimum.reduce(samples, axis=0), out=self._least)
            return
        if self._reference is None:
            self._reference = samples[0].copy()
        for row in samples:
            self._activity |= row != self._reference
        self._newest = samples[-1]

    def mask(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Set dead channels to NaN, which the model replaces by their mean in the training data.

        Parameters
        ----------
        samples
            Float32 [n, channels]; not modified.

        Returns
        -------
        masked
            Float32 [n, channels]; the input itself while no channel is dead.
        """
        if not self.any_dead:
            return samples
        return np.where(self.dead, np.float32(np.nan), samples)

    def judge(self, elapsed_s: float) -> None:
        """Decide which channels are dead; call it about once a second.

        Parameters
        ----------
        elapsed_s
            Recorded seconds since the last call.
        """
        if not self.n_new:
            return
        active = self._activity > 0 if self._counts else self._activity
        self._inactive_s = np.where(active, 0.0, self._inactive_s + elapsed_s)
        self._inactive_samples = np.where(active, 0, self._inactive_samples + self.n_new)
        dead = (self._inactive_s >= self._allowed_s) & self._watched
        if not self._counts:
            dead &= self._inactive_samples >= CONSTANT_SAMPLES
        if (dead != self.dead).any():
            self._report_dead(dead)
        if self._counts:
            self._report_negative()
        self._activity[:] = 0
        self.n_new = 0
        if self._reference is not None and self._newest is not None:
            self._reference[:] = self._newest

    def _report_negative(self) -> None:
        """Report negative counts: the stream then carries something else than the training data did."""
        new = (self._least < 0) & self._watched & ~self._negative
        if new.any():
            text, facts = self._name(new)
            least = float(self._least[new].min())
            message = f"negative counts on {text}, down to {least:g}; they are replaced by 0"
            self._notices.add("negative", message, least=least, **facts)
            self._negative |= new
        self._least[:] = 0

    def _report_dead(self, dead: NDArray[np.bool_]) -> None:
        symptom = "no more events" if self._counts else "constant value"
        for event, which, what in (
            ("channel_dead", dead & ~self.dead, f"{symptom} on"),
            ("channel_back", self.dead & ~dead, "new activity on"),
        ):
            if which.any():
                text, facts = self._name(which)
                self._notices.add(event, f"{what} {text}", dead=int(dead.sum()), **facts)
        self.dead = dead
        self.any_dead = bool(dead.any())

    def _replace_nan(self, samples: NDArray[np.float32], stamp: float) -> NDArray[np.float32]:
        """Count samples with NaN, infinity or huge values, and return them with inactive values in its place."""
        finite = np.abs(samples) < MAX_ACTIVITY
        bad = ~finite & self._watched
        rows = np.logical_or.reduce(bad, axis=1)
        n_bad = int(rows.sum())
        self.n_nan += n_bad
        if n_bad and not self._nan_run:
            text, facts = self._name(np.logical_or.reduce(bad, axis=0))
            self._notices.add(
                "nan", f"NaN, infinity or values beyond {MAX_ACTIVITY:g} on {text}", stamp=stamp, **facts
            )
        if n_bad:
            self._nan_run += n_bad
        if self._nan_run and not rows[-1]:
            self._end_nan_run()
        return np.where(finite, samples, 0 if self._counts or self._reference is None else self._reference)

    def _end_nan_run(self) -> None:
        message = (
            f"all values are valid again after {self._nan_run} samples with NaN, infinity or huge values"
        )
        self._notices.add("nan_over", message, samples=self._nan_run)
        self._nan_run = 0

    def _name(self, which: NDArray[np.bool_]) -> tuple[str, dict[str, object]]:
        names = [self._names[index] for index in np.flatnonzero(which)]
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        head = "channel" if len(names) == 1 else "channels"
        if len(names) == len(self._names):
            head = "all channels:"
        text = f"{head} {', '.join(names[:MAX_NAMED])}{more}"
        return text, {"channels": names[:MAX_NAMED], "n_channels": len(names)}
