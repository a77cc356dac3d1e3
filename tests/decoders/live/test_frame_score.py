from __future__ import annotations

import numpy as np

from decoders.live.frame_score import SHOWINGS, RunningScore
from decoders.metrics import FrameAxis
from stream.acquisition.stimulus_track import StimulusTrack


def test_showings_without_end_take_no_more_memory_and_all_count() -> None:
    truth, n_showings, period_s = StimulusTrack(), SHOWINGS + 30, 0.1
    score = RunningScore(truth, FrameAxis(np.zeros(5, np.int64), 1), 1 / period_s)
    stamps = np.arange(5 * n_showings) * period_s
    for index, stamp in enumerate(stamps.tolist()):
        frame, showing = index % 5, index // 5
        truth.add(np.array([stamp - period_s / 2]), np.array([frame]), np.array([showing]))
        score.add(stamp, stamp, frame if showing else (frame + 1) % 5, frame)
        score.settle(stamp + 1)
    summary = score.summary()
    assert summary is not None
    assert summary["moments"] == len(stamps)
    assert len(score._tallies) == SHOWINGS
    assert list(summary["with_playback"]["per_repeat"]) == [str(i) for i in range(30, n_showings)]
    assert summary["with_playback"]["accuracy_exact"] == 1 - 5 / len(stamps)
