"""The live engine: pull a neural frame, decode it in the same thread, publish.

It imports no torch and no Qt, and everything that is not a prediction comes after the prediction's push.
"""

from __future__ import annotations

import gc
import logging
import time
from collections import Counter
from collections.abc import Callable
from math import inf, nan
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from decoders.live.frame_score import SETTLE_S, RunningScore, truth_of
from decoders.live.gain_adaptation import GainAdaptation
from decoders.live.label_score import LabelScore
from decoders.live.options import LiveOptions, channel_health, engine_facts, milliseconds, peak_memory_mb
from decoders.live.outlets import Publisher
from decoders.live.refit_client import RefitClient
from decoders.live.warmup import Warmup
from decoders.model.decision import Decision
from decoders.model.model import Model
from stream.acquisition.intake import Intake
from stream.acquisition.side_streams import SideStreams
from stream.acquisition.spike_event_inlet import SpikeEventInlet
from stream.chunk import Chunk
from stream.control import ControlReader
from stream.lsl.inlet import Inlet, InletState
from stream.notices import Notice
from stream.quantiles import RollingQuantiles

__all__ = ["Engine", "LiveOptions"]

log = logging.getLogger(__name__)

PULL_S = 0.05
"""Longest wait for a frame before the engine looks at everything else; what is stale is seen within it."""

DRAIN_S = 0.5
"""After a replay has announced its end, this long without a frame means that all of them came."""

LINGER_S = 0.3
"""At the end, for listeners to fetch the last samples before the streams go."""


class Engine:
    """Decodes one neural stream until it is stopped.

    Parameters
    ----------
    model
        Fitted.
    inlet
        Not yet open; its channels and rate must be those of the model.
    options
        See `LiveOptions`.
    control
        Where commands from a parent process come from, if any.
    refit_client
        Refits the model while it runs; None = the model stays as it is.

    Raises
    ------
    ModelMismatch
        When the stream's channels or rate are not the model's.
    StreamLost
        When its sender does not answer.
    """

    def __init__(
        self,
        model: Model,
        inlet: Inlet | SpikeEventInlet,
        options: LiveOptions,
        control: ControlReader | None = None,
        refit_client: RefitClient | None = None,
    ) -> None:
        inlet.prepare()
        facts = inlet.facts
        # At full speed stamps count recorded time, and no latency follows from them.
        self._paced = facts.get("speed") != "max"
        self.stamp_rate = float(facts.get("stamp_rate", "1"))
        model.check_stream(inlet.channel_labels, float(facts.get("recorded_rate_hz", inlet.rate_hz)))
        self.model = model
        self.inlet = inlet
        self.options = options
        self._control = control
        self._adapter = GainAdaptation(model.parts.preprocessor, model.rate_hz) if options.adapt else None
        self._refit_client = refit_client
        if refit_client is not None:
            refit_client.start(model)
        self._warmup = Warmup(model)
        self.latency_ms = RollingQuantiles(10_000)
        self.arrival_ms = RollingQuantiles(10_000)
        self.compute_ms = RollingQuantiles(10_000)
        self.decoded_ms = RollingQuantiles(10_000)
        self.trace: list[tuple[float, float, float, float]] = []
        self.received = 0
        self._stopped = ""
        self._on_notice: Callable[[Notice], None] | None = None
        self._events: Counter[str] = Counter()
        self._segment = 0
        self._intake = Intake(
            inlet,
            model.rate_hz * self.stamp_rate,
            channel_health(model, inlet.notices),
            lag_budget_s=options.lag_budget_s or inf,
            paced=self._paced,
        )
        self._publisher = Publisher(options.name, model, inlet.rate_hz, engine_facts(model, inlet, options))
        self._truth = SideStreams(inlet.name, options.stimulus_offset_ms / 1e3, inlet)
        self._score = RunningScore(
            truth_of(self._truth.track, inlet.rate_hz),
            model.axis,
            ("with_playback", "without_playback"),
            model.n_delay,
            self.stamp_rate,
        )
        self._labels = LabelScore(self._truth.labels, model.card["labels"], inlet.rate_hz, model.n_delay)

    def __repr__(self) -> str:
        return f"<Engine: {self.inlet.state} | {self.options.name}, {self.received} frames>"

    def stop(self, reason: str = "stopped") -> None:
        """Ask the loop to end; may be called from a signal handler or another thread."""
        self._stopped = self._stopped or reason

    @property
    def following(self) -> tuple[str, ...]:
        """Names of the streams beside the neural one that have been found."""
        return self._truth.following

    def announce(self, event: str, **facts: Any) -> None:
        """Say something on the status stream, for what runs beside the engine.

        Parameters
        ----------
        event, **facts
            Of the JSON object.
        """
        self._publisher.push_status(event, **facts)

    def run(
        self,
        on_second: Callable[[dict[str, Any]], None] | None = None,
        before_open: Callable[[], None] = lambda: None,
        on_notice: Callable[[Notice], None] | None = None,
    ) -> dict[str, Any]:
        """Decode until the end.

        Parameters
        ----------
        on_second
            Called about once a second with `stats`.
        before_open
            Called when the neural stream is about to be opened, for others that shall open it at the same time:
            a replay begins when the first consumer comes.
        on_notice
            Called at once with whatever happens.

        Returns
        -------
        summary
            `stats`, the score where the truth was known, and why it ended.
        """
        self._on_notice = on_notice
        self._publisher.push_status("state", state=str(InletState.CONNECTING), reason="opening the stream")
        self._truth.connect(wait_s=1.0)
        if self.options.await_consumer_s:
            self._publisher.prediction.wait_for_consumers(self.options.await_consumer_s)
        before_open()
        self.inlet.open()
        self._intake.correct_clock()
        self._pass_on()
        gc.collect()
        gc.freeze()
        started = time.monotonic()
        used = time.process_time()
        next_second = started + 1.0
        last_frame = asked = started
        while not self._stopped:
            chunk = self._next()
            now = time.monotonic()
            if chunk is not None:
                last_frame = now
                self._decode(chunk, now, now - asked)
            if chunk is not None or now - asked <= 2 * PULL_S:
                asked = now  # else we were held up, and what has come meanwhile is in the next pull
            self._truth.poll()
            if self._refit_client is not None:
                self._take(self._refit_client.poll(self._publisher.push_status))
            if self._control is not None and (self._control.poll() or {}).get("do") == "stop":
                self.stop("stopped by its parent")
            if self.inlet.notices or self._truth.notices:
                self._pass_on()
            if self._truth.ended and now - last_frame > DRAIN_S:
                self.stop("the replay has ended")
            if self.options.seconds is not None and now - started >= self.options.seconds:
                self.stop(f"{self.options.seconds:g} s are over")
            if now >= next_second:
                next_second = now + 1.0
                self._settle(pylsl.local_clock())
                stats = self.stats(time.process_time() - used, now - started)
                self._publisher.push_status("stats", **stats)
                if on_second is not None:
                    on_second(stats)
        return self._finish(time.process_time() - used, time.monotonic() - started)

    def stats(self, cpu_s: float, wall_s: float) -> dict[str, Any]:
        """Figures of the run so far.

        Parameters
        ----------
        cpu_s, wall_s
            What the run has used, seconds.
        """
        return {
            "received": self.received,
            "rate_hz": round(self.received / max(wall_s, 1e-9), 3),
            **self._intake.stats(),
            "latency_ms": self.latency_ms.figures(),
            "arrival_ms": self.arrival_ms.figures(),
            "decoded_ms": self.decoded_ms.figures(),
            "compute_ms": self.compute_ms.figures(),
            "clock_offset_ms": milliseconds(self.inlet.time_correction_s),
            "clock_uncertainty_ms": milliseconds(self.inlet.clock.uncertainty_s),
            "cpu_of_one_core": round(cpu_s / max(wall_s, 1e-9), 4),
            "memory_mb": round(peak_memory_mb(), 1),
            "state": str(self.inlet.state),
            "reason": self.inlet.reason,
            "events": dict(self._events),
            "movie_speed": self.model.playback.speed,
            "labels": self._labels.summary(),
            "markers": dict(self._truth.markers),
            "adaptation": self._adapter.facts() if self._adapter is not None else None,
        }

    def close(self) -> None:
        """Close what the engine listens to."""
        if self._refit_client is not None:
            self._refit_client.close()
        self._truth.close()
        self.inlet.close()

    def _next(self) -> Chunk | None:
        """Wait for samples, with a rehearsal before they are due."""
        wait_s = self._warmup.wait_s(time.monotonic())
        if wait_s is not None:
            chunk = self.inlet.pull(wait_s)
            if chunk is not None:
                return chunk
            self._warmup.run()
        return self.inlet.pull(PULL_S)

    def _settle(self, clock: float) -> None:
        """Look at what is looked at about once a second, and at truths that have settled by now."""
        self._intake.tick(clock)
        settled, labels = self._score.settle(clock), self._labels.settle(clock)
        if self._refit_client is not None:
            self._refit_client.settle(settled, labels)

    def _take(self, fresh: Model | None) -> None:
        """Go on with other weights, if there are any."""
        if fresh is not None:
            self._warmup.replace_model(self.model)
            self.model = fresh

    def _pass_on(self) -> None:
        """Say on the status stream, and to whoever started the engine, what has happened."""
        for notice in (*self.inlet.notices.take(), *self._truth.notices.take()):
            self._events[notice.event] += 1
            self._publisher.push_status(notice.event, **{"text": notice.text, **notice.facts})
            if self._on_notice is not None:
                self._on_notice(notice)

    def _decode(self, chunk: Chunk, now: float, away_s: float) -> None:
        """Decode and publish what is accepted of a chunk."""
        arrival = pylsl.local_clock()
        with self._intake.accept(chunk, arrival, away_s) as accepted:
            if accepted is None:
                return
            samples: NDArray[np.float32] = accepted.samples
            for i in range(len(accepted)):
                stamp_raw = float(accepted.stamps[i])
                if accepted.segment[i] != self._segment:
                    self._segment = int(accepted.segment[i])
                    self.model.reset()
                    self._publisher.push_status("segment", segment=self._segment, stamp=stamp_raw)
                local, sequence = float(accepted.local[i]), int(accepted.sequence[i])
                self._decode_sample(samples[i], stamp_raw, local, sequence, arrival)
        self._warmup.schedule(samples, self.inlet.rate_hz, now - self._intake.lag_s)

    def _decode_sample(
        self, raw: NDArray[np.float32], stamp_raw: float, local: float, sequence: int, arrival: float
    ) -> None:
        """Decode one sample; its prediction is pushed as soon as it is made, everything else after that."""
        model, stamp_rate, stamp = self.model, self.stamp_rate, local
        begun = pylsl.local_clock()

        def publish(decision: Decision) -> bool:
            nonlocal stamp
            decided = pylsl.local_clock()
            late = stamp_raw - decision.stamp_raw / stamp_rate if model.n_delay else 0.0
            stamp = local - late
            due = stamp if self._paced else nan
            decided_ms, arrival_ms = (decided - due) * 1e3, (arrival - late - due) * 1e3
            timing = (decided_ms, arrival_ms, (decided - begun) * 1e3, float(model.version))
            if decision.in_segment:
                self._publisher.push_prediction(decision, stamp, stamp_raw - late, sequence, timing)
            published = pylsl.local_clock()
            self.latency_ms.add((published - due) * 1e3)
            self.decoded_ms.add(decided_ms)
            self.arrival_ms.add(arrival_ms)
            self.compute_ms.add(timing[2])
            if self.options.trace:
                self.trace.append((stamp_raw, arrival, decided, published))
            without = int(decision.logits.argmax())
            without = without if without < model.n_frames else -1
            self._score.add(arrival, stamp_raw, (decision.frame, without), in_segment=decision.in_segment)
            return self._publisher.secondary_due() and decision.in_segment

        sample = raw if self._adapter is None else self._adapter.step(raw)
        prediction = model.step(sample, stamp_raw * stamp_rate, publish)
        if prediction is not None:
            self._publisher.push_secondary(prediction, stamp)
        self._labels.add(arrival, stamp_raw, None if prediction is None else prediction.continuous)
        if self._refit_client is not None:
            self._refit_client.add(raw, stamp_raw * stamp_rate, self._segment)
        self.received += 1

    def _finish(self, cpu_s: float, wall_s: float) -> dict[str, Any]:
        self._truth.poll()
        for score in (self._score, self._labels):
            score.settle(pylsl.local_clock() + SETTLE_S)
        summary = self.stats(cpu_s, wall_s)
        summary |= {
            "ended": self._stopped,
            "score": self._score.summary(),
            "announced": self._truth.announced,
            "model_version": self.model.version,
            "rolling": self._refit_client.counts if self._refit_client is not None else None,
        }
        self._publisher.push_status("end", reason=self._stopped, received=self.received)
        if self._publisher.prediction.have_consumers():
            time.sleep(LINGER_S)
        log.info("engine ended: %s", self._stopped)
        return summary
