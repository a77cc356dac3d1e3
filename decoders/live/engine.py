"""The live engine: pulls neural samples, decodes them in the same thread, and publishes the predictions.

It imports neither torch nor Qt. Whatever is not needed for the prediction happens after the prediction's push.
"""

from __future__ import annotations

import gc
import logging
import time
from collections import Counter
from collections.abc import Callable
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from decoders.live.engine_options import (
    LiveOptions,
    channel_health,
    engine_facts,
    milliseconds,
    peak_memory_mb,
)
from decoders.live.frame_score import SETTLE_S, RunningScore, truth_of
from decoders.live.gain_adaptation import GainAdaptation
from decoders.live.label_score import LabelScore, PlaceTruth
from decoders.live.latencies import Latencies
from decoders.live.outlets import Publisher
from decoders.live.refit_client import RefitClient
from decoders.live.training_check import TrainingCheck
from decoders.live.warmup import Warmup
from decoders.model.decision import Decision
from decoders.model.model import Model
from decoders.numerics import likeliest_of_logits
from decoders.prediction import Provenance, provenance_of
from stream.acquisition.intake import Intake
from stream.acquisition.side_streams import SideStreams
from stream.acquisition.spike_event_inlet import SpikeEventInlet
from stream.chunk import Chunk
from stream.control import ControlReader
from stream.lsl.inlet import Inlet, InletState
from stream.notices import Notice
from stream.session import NO_FRAME, SIMULATED
from stream.stream_facts import parse_facts

log = logging.getLogger(__name__)

PULL_S = 0.05
"""Longest wait for samples in seconds, after which the engine does its other work and checks for a stale stream."""

DRAIN_S = 0.5
"""Seconds without samples after a replay has announced its end: all of them have arrived."""

LINGER_S = 0.3
"""Seconds at the end for consumers to fetch the last samples before the streams close."""


class Engine:
    """Decodes one neural stream until it is stopped.

    Parameters
    ----------
    model
        Fitted model.
    inlet
        Inlet of the neural stream, not yet open.
    options
        Options of the run.
    control
        Commands from a parent process, if any.
    refit_client
        Connection to the trainer that refits the model while it runs; None disables refits.

    Attributes
    ----------
    model
        The running model; refits replace it.
    inlet, options
        As given.
    stamp_rate
        Recorded seconds per second of the timestamps.
    latencies
        When the samples arrived, were decided and were published.
    received
        Number of samples decoded.

    Raises
    ------
    ModelMismatch
        If the stream's channels or rate differ from the model's.
    StreamLost
        If the sender of the stream does not answer.
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
        facts = parse_facts(inlet.facts, inlet.name)
        # In a replay at full speed, timestamps count recorded time and give no latency.
        self._paced = facts.paced
        self.stamp_rate = facts.stamp_rate
        recorded_hz = inlet.rate_hz if isnan(facts.recorded_rate_hz) else facts.recorded_rate_hz
        model.check_stream(inlet.channel_labels, recorded_hz)
        self.model = model
        self.inlet = inlet
        self.options = options
        self._control = control
        self._adaptation = GainAdaptation(model.parts.preprocessor, model.rate_hz) if options.adapt else None
        self._refit_client = refit_client
        simulated = inlet.facts.get("mode") == SIMULATED
        if refit_client is not None:
            refit_client.start(model, simulated=simulated)
        self._warmup = Warmup(model)
        self._training_check = TrainingCheck()
        self.latencies = Latencies(trace=options.trace)
        self.received = 0
        self._stopped = ""
        self._on_notice: Callable[[Notice], None] | None = None
        self._events: Counter[str] = Counter()
        self._provenance: dict[str, int] = dict.fromkeys(Provenance, 0)
        self._segment = 0
        self._intake = Intake(
            inlet,
            model.rate_hz * self.stamp_rate,
            channel_health(model, inlet.notices),
            lag_budget_s=options.lag_budget_s or inf,
            paced=self._paced,
        )
        self._publisher = Publisher(options.name, model, inlet.rate_hz, engine_facts(model, inlet, options))
        self._side_streams = SideStreams(
            inlet.name, options.stimulus_offset_ms / 1e3, inlet, self._intake.timing
        )
        if model.simulated and not simulated:
            text = f"the model was trained on simulated data, and '{inlet.name}' is not declared as simulated"
            self._side_streams.notices.add("simulated_model", text)
        has_places = model.states.places is not None
        self._place_truth = PlaceTruth(model.states, model.card["labels"]) if has_places else None
        self._frame_score = RunningScore(
            self._place_truth or truth_of(self._side_streams.track, inlet.rate_hz),
            model.axis,
            model.states,
            ("with_playback", "without_playback"),
            model.n_delay,
            self.stamp_rate,
        )
        self._label_score = LabelScore(
            self._side_streams.labels, model.card["labels"], inlet.rate_hz, model.n_delay
        )

    def __repr__(self) -> str:
        return f"<Engine: {self.inlet.state} | {self.options.name}, {self.received} frames>"

    def stop(self, reason: str = "stopped") -> None:
        """Request the end of the run; may be called in a signal handler or another thread.

        Parameters
        ----------
        reason
            Published with the end; of several requests, the first counts.
        """
        self._stopped = self._stopped or reason

    @property
    def following(self) -> tuple[str, ...]:
        """Names of the side streams (stimulus, labels, markers) that have been found."""
        return self._side_streams.following

    def announce(self, event: str, **facts: Any) -> None:
        """Publish an event of a companion process, such as the recorder, on the status stream.

        Parameters
        ----------
        event, **facts
            Fields of the JSON object.
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
            Called about once per second with `stats`.
        before_open
            Called right before the neural stream is opened: a replay starts with its first consumer, so other
            consumers must open it at the same time.
        on_notice
            Called at once with every notice.

        Returns
        -------
        summary
            `stats`, the score if the true frames were known, and the reason for the end.
        """
        self._on_notice = on_notice
        self._open(before_open)
        started, cpu_started = time.monotonic(), time.process_time()
        next_second = started + 1.0
        last_chunk = last_pull = started
        while not self._stopped:
            chunk = self._pull()
            now = time.monotonic()
            if chunk is not None:
                last_chunk = now
                self._decode(chunk, now, now - last_pull)
            if chunk is not None or now - last_pull <= 2 * PULL_S:
                last_pull = now  # else the engine was blocked: the next pull brings the samples of that time
            self._side_streams.poll()
            if self._refit_client is not None:
                self._swap_model(self._refit_client.poll(self._publisher.push_status))
            if self._control is not None and (self._control.poll() or {}).get("do") == "stop":
                self.stop("stopped by its parent process")
            if self.inlet.notices or self._side_streams.notices:
                self._publish_notices()
            if self._side_streams.ended and now - last_chunk > DRAIN_S:
                self.stop("the replay has ended")
            if self.options.seconds is not None and now - started >= self.options.seconds:
                self.stop(f"{self.options.seconds:g} s have passed")
            if now >= next_second:
                next_second = now + 1.0
                self._tick(pylsl.local_clock())
                stats = self.stats(time.process_time() - cpu_started, now - started)
                self._publisher.push_status("stats", **stats)
                if on_second is not None:
                    on_second(stats)
        return self._finish(time.process_time() - cpu_started, time.monotonic() - started)

    def stats(self, cpu_s: float, wall_s: float) -> dict[str, Any]:
        """Figures of the run so far, as published on the status stream.

        Parameters
        ----------
        cpu_s, wall_s
            CPU time and duration of the run in seconds.
        """
        return {
            "received": self.received,
            "rate_hz": round(self.received / max(wall_s, 1e-9), 3),
            "unread": self.inlet.n_unread,
            **self._intake.stats(),
            **self.latencies.summary(),
            "clock_offset_ms": milliseconds(self.inlet.time_correction_s),
            "clock_uncertainty_ms": milliseconds(self.inlet.clock.uncertainty_s),
            "cpu_of_one_core": round(cpu_s / max(wall_s, 1e-9), 4),
            "memory_mb": round(peak_memory_mb(), 1),
            "state": str(self.inlet.state),
            "reason": self.inlet.reason,
            "following": list(self.following),
            "events": dict(self._events),
            "training_data": self._training_check.counts,
            "provenance": {str(name): n for name, n in self._provenance.items()},
            "movie_speed": self.model.playback.speed,
            "labels": self._label_score.summary(),
            "markers": dict(self._side_streams.markers),
            "adaptation": self._adaptation.facts() if self._adaptation is not None else None,
        }

    def close(self) -> None:
        """Close the inlets and the connection to the trainer."""
        if self._refit_client is not None:
            self._refit_client.close()
        self._side_streams.close()
        self.inlet.close()

    def _open(self, before_open: Callable[[], None]) -> None:
        """Connect the side streams, then open the neural stream."""
        self._publisher.push_status("state", state=str(InletState.CONNECTING), reason="opening the stream")
        self._side_streams.connect(wait_s=1.0)
        if self.options.await_consumer_s:
            self._publisher.prediction.wait_for_consumers(self.options.await_consumer_s)
        before_open()
        self.inlet.open()
        self._intake.correct_clock()
        self._publish_notices()
        gc.collect()
        gc.freeze()

    def _pull(self) -> Chunk | None:
        """Wait for samples; shortly before they are due, run the warm-up."""
        wait_s = self._warmup.wait_s(time.monotonic())
        if wait_s is not None:
            chunk = self.inlet.pull(wait_s)
            if chunk is not None:
                return chunk
            self._warmup.run()
        return self.inlet.pull(PULL_S)

    def _tick(self, clock: float) -> None:
        """Once per second: update clocks and channel health, and score the samples whose truth has settled."""
        self._intake.tick(clock)
        self._training_check.check(self.model, self._side_streams.notices)
        self._settle(clock)

    def _settle(self, clock: float) -> None:
        """Score the samples whose labels and true frames have had time to arrive."""
        labels = self._label_score.settle(clock)
        if self._place_truth is not None:
            self._place_truth.add(labels)
        truths = self._frame_score.settle(clock)
        if self._refit_client is not None:
            self._refit_client.settle(truths, labels)

    def _swap_model(self, refitted: Model | None) -> None:
        if refitted is not None:
            self._warmup.replace_model(self.model)
            self.model = refitted

    def _publish_notices(self) -> None:
        """Publish the new notices on the status stream and report them to the caller of `run`."""
        for notice in (*self.inlet.notices.take(), *self._side_streams.notices.take()):
            self._events[notice.event] += 1
            self._publisher.push_status(notice.event, **{"text": notice.text, **notice.facts})
            if self._on_notice is not None:
                self._on_notice(notice)

    def _decode(self, chunk: Chunk, now: float, away_s: float) -> None:
        """Decode and publish the accepted samples of a chunk."""
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
                time_raw, local = float(accepted.times[i]), float(accepted.local[i])
                self._decode_sample(
                    samples[i], stamp_raw, time_raw, local, int(accepted.sequence[i]), arrival
                )
        self._warmup.schedule(samples, self.inlet.rate_hz, now - self._intake.lag_s)

    def _decode_sample(
        self,
        raw: NDArray[np.float32],
        stamp_raw: float,
        time_raw: float,
        local: float,
        sequence: int,
        arrival: float,
    ) -> None:
        """Decode one sample: push its prediction as soon as it is decided, then do the rest.

        ``stamp_raw`` is its timestamp as sent, ``time_raw`` the same smoothed, ``local`` that by the local clock.
        """
        model, stamp_rate, stamp = self.model, self.stamp_rate, local
        moment = local if self._paced else time_raw  # side streams have the same clock
        begun = pylsl.local_clock()

        def publish(decision: Decision) -> bool:
            nonlocal stamp
            decided = pylsl.local_clock()
            delay_s = time_raw - decision.stamp_raw / stamp_rate if model.n_delay else 0.0
            stamp = local - delay_s
            due = stamp if self._paced else nan
            decided_ms, arrival_ms = (decided - due) * 1e3, (arrival - delay_s - due) * 1e3
            timing = (decided_ms, arrival_ms, (decided - begun) * 1e3, float(model.version))
            if decision.in_segment:
                self._publisher.push_prediction(decision, stamp, stamp_raw - delay_s, sequence, timing)
            published = pylsl.local_clock()
            times = (stamp_raw, arrival, decided, published)
            self.latencies.add((published - due) * 1e3, *timing[:3], *times)
            if decision.in_segment:
                self._provenance[provenance_of(decision.frame, decision.confidence, decision.novelty)] += 1
            frames = (
                decision.frame,
                int(model.states.numbers_by_state[likeliest_of_logits(decision.logits)]),
            )
            if not decision.has_evidence:
                frames = (NO_FRAME, NO_FRAME)  # a guess of the playback model is no hit
            self._frame_score.add(arrival, moment, frames, in_segment=decision.in_segment)
            return self._publisher.secondary_due() and decision.in_segment

        sample = raw if self._adaptation is None else self._adaptation.step(raw)
        prediction = model.step(sample, time_raw * stamp_rate, publish)
        if prediction is not None:
            self._publisher.push_secondary(prediction, stamp)
        self._label_score.add(arrival, moment, None if prediction is None else prediction.continuous)
        self._training_check.add(raw)
        if self._refit_client is not None:
            self._refit_client.add(raw, time_raw * stamp_rate, self._segment)
        self.received += 1

    def _no_score(self) -> str:
        """Why no prediction was scored; empty if any was."""
        if self.model.explores:
            return "without labels nothing is decoded"
        if self._frame_score.n:
            return ""
        if self._place_truth is not None:
            return "there was no stream with the label to compare with"
        return self._side_streams.no_truth

    def _finish(self, cpu_s: float, wall_s: float) -> dict[str, Any]:
        self._training_check.check(self.model, self._side_streams.notices)
        self._side_streams.poll()
        self._settle(pylsl.local_clock() + SETTLE_S)
        summary = self.stats(cpu_s, wall_s)
        summary |= {
            "ended": self._stopped,
            "score": None if self.model.explores else self._frame_score.summary(),
            "no_score": self._no_score(),
            "announced": self._side_streams.announced,
            "model_version": self.model.version,
            "rolling": self._refit_client.counts if self._refit_client is not None else None,
        }
        self._publisher.push_status("end", reason=self._stopped, received=self.received)
        if self._publisher.prediction.have_consumers():
            time.sleep(LINGER_S)
        log.info("engine ended: %s", self._stopped)
        return summary
