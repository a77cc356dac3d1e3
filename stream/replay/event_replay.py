"""Replays a recording of spike counts as a stream of spike events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from stream.acquisition.event_binner import BEGIN, TICK
from stream.acquisition.spike_event_inlet import SPIKE_EVENTS
from stream.errors import BadUsage
from stream.lsl.outlet import make_outlet
from stream.replay.player import Replay
from stream.session import GAP_PERIODS, Kind, Session

_INNER_SHARE = 0.8  # the spikes are spread over this share of a bin, away from its edges


class EventReplay(Replay):
    """Sends one event per spike, spread over its bin, and a tick at the end of each bin.

    Parameters
    ----------
    session
        Recording of spike counts at a regular rate.
    **options
        Keyword arguments of `Replay`.

    Raises
    ------
    BadUsage
        If the recording does not hold spike counts at a regular rate.
    """

    def __init__(self, session: Session, **options: Any) -> None:
        neural = np.asarray(session.neural, np.float32)
        counts = bool(np.isfinite(neural).all() and (neural >= 0).all() and (neural == np.rint(neural)).all())
        if session.kind is not Kind.SPIKES or not counts or session.rate_hz <= 0:
            raise BadUsage(
                f"--as-events needs spike counts at a regular rate; '{session.name}' is {session.kind} at "
                f"{session.rate_hz:g} Hz{'' if counts else ', with values that are not counts'}."
            )
        super().__init__(session, **options)

    def _open_neural_outlet(self, labels: Sequence[str], role: str = "replay") -> pylsl.StreamOutlet:
        """Create the outlet of the spike events."""
        facts = self._facts | {"units": json.dumps(list(labels)), "ticks": 1, "settle_ms": 0}
        return make_outlet(self.name, SPIKE_EVENTS, ("unit",), 0, "int32", facts=facts, role=role)

    def _push_neural(self, begin: int, end: int, times_s: NDArray[np.float64]) -> None:
        """Push the spikes of a block of samples."""
        period_s = 1 / (self._session.rate_hz * self._declared_speed)
        units, stamps = [], []
        for index in range(begin, end):
            since_s = times_s[index] - self._reached_s / self._actual_speed
            if since_s > GAP_PERIODS * period_s or since_s <= 0:
                units.append([BEGIN])
                stamps.append([times_s[index] - period_s])
            row = self._neural[self._schedule.first_sample + index].astype(np.int64)
            spikes = np.repeat(np.arange(len(row)), row)
            position = (np.arange(len(spikes)) + 0.5) / max(1, len(spikes))
            units += [spikes.tolist(), [TICK]]
            stamps += [
                (times_s[index] - period_s * (0.5 + _INNER_SHARE * (0.5 - position))).tolist(),
                [float(times_s[index])],
            ]
            self._reached_s = float(times_s[index]) * self._actual_speed
        flat = np.concatenate([np.asarray(each, np.int32) for each in units])
        self._outlet.push_chunk(flat[:, None], (self._start + np.concatenate(stamps)).tolist())
        self._n_sent += end - begin
