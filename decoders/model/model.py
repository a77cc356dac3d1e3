"""The fitted model: from a raw sample to its prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from decoders.data.delays import Lookback
from decoders.embedding.encoder import Encoder, EncoderStream
from decoders.embedding.linear import unit_length
from decoders.embedding.multiscale import multiscale_sums
from decoders.errors import BadModel
from decoders.model import file as model_file
from decoders.model.card_properties import CardProperties
from decoders.model.decision import Decision, stack_predictions
from decoders.model.parts import ModelParts
from decoders.model.probe import probe
from decoders.model.streaming import StreamingReadout, typicality_of
from decoders.numerics import entropy_bits, fast_sum, likeliest_state, softmax
from decoders.playback.filter import Playback
from decoders.prediction import (
    HORIZONS_S,
    N_LIKELIEST,
    Prediction,
    Predictions,
    Provenance,
    forecast_channels,
    provenance_of,
)
from decoders.readouts.kalman import KalmanStream
from stream.session import Session


class Model(CardProperties):
    """Fitted decoder with its streaming state. Make one with `decoders.fitting.fit.fit_model` or `load`.

    Parameters
    ----------
    parts
        Fitted parts.
    card
        JSON description: channels, rate, kind, context, training data.

    Attributes
    ----------
    version
        Number of the refit in a running engine; 0 for the model it started with.
    use_playback
        Whether predictions use the playback model (a prior learned from how the movie was played) or only the activity
        in the window.
    """

    def __init__(self, parts: ModelParts, card: dict[str, Any]) -> None:
        super().__init__(card)
        self.parts = parts
        self.version = 0
        self.use_playback = True
        self.hash = model_file.content_hash(parts.arrays(), card)
        self._readout = StreamingReadout(parts)
        self._numbers: list[int] = self.states.numbers_by_state.tolist()
        self._forecast_numbers = np.tile(np.array(self._numbers, np.float32), len(HORIZONS_S))
        self._encoder: EncoderStream | None = None
        if parts.contrastive is not None:
            self._encoder = EncoderStream(parts.contrastive.encoder)
            self._typicality = parts.contrastive.typicality.tolist()
        self._lookback = Lookback(self.n_delay)
        self._kalman = KalmanStream(parts.kalman) if parts.kalman is not None else None
        self.playback = Playback(
            parts.playback,
            parts.emission.jump,
            parts.emission.jump_ahead,
            self.movie_rate_hz,
            self.rate_hz,
            float(card["lag_ms"]) / 1000,
            # A movie's jumps come at any time; elsewhere, how long a state lasts need not be memoryless.
            () if self.movie_rate_hz else card.get("forecast_floors", {}).get("persistence", ()),
        )
        self._reach = [
            slice(*bounds) for bounds in zip(*(b.tolist() for b in self.axis.tolerance_range), strict=True)
        ]
        self.reset()

    def __repr__(self) -> str:
        return (
            f"<Model: {self.kind} {len(self.channel_names)} channels at {self.rate_hz:g} Hz -> {self.n_frames} frames | "
            f"{self.card['mode']}, context {self.card['context_ms']:g} ms | {self.hash}>"
        )

    @property
    def n_embedding(self) -> int:
        """Number of dimensions of the published embedding."""
        rotation = self.parts.rotation
        return self.parts.n_dimensions if rotation is None else int(rotation.shape[1])

    @property
    def display_embedding(self) -> Encoder | None:
        """Encoder of few dimensions for the eye, whose points are `Prediction.display`; None if there is none."""
        return None if self.parts.contrastive is None else self.parts.contrastive.display

    @property
    def linear(self) -> Model:
        """The same model without the contrastive embedding."""
        if self.parts.contrastive is None:
            return self
        parts = replace(self.parts, contrastive=None, rotation=None)
        return Model(parts, {**self.card, "decoder_embedding": "linear"})

    @property
    def pictures(self) -> NDArray[np.uint8] | None:
        """Small pictures of the movie by state, uint8 [frames, height, width(, 3)], or None."""
        return self.parts.pictures

    def reset(self) -> None:
        """Reset every state at the start of a segment."""
        self.parts.preprocessor.reset()
        self._readout.reset()
        if self._encoder is not None:
            self._encoder.reset()
        self._lookback.reset()
        if self._kalman is not None:
            self._kalman.reset()
        self.playback.reset()

    def take_over(self, other: Model) -> bool:
        """Continue from the state of another model, so that weights can be swapped between two samples.

        Parameters
        ----------
        other
            The running model; it is not changed. Windows and the running mean carry over if both models use the same
            channels, the playback state if both decode the same frames; what does not carry over starts as at
            the beginning of a segment.

        Returns
        -------
        carried
            Whether both windows and playback state carried over.
        """
        self.version, self.use_playback = other.version, other.use_playback
        self.reset()
        same_channels = np.array_equal(self.parts.preprocessor.valid, other.parts.preprocessor.valid)
        if same_channels:
            self.parts.preprocessor.take_over(other.parts.preprocessor)
            self._readout.take_over(other._readout)
            if self._encoder is not None:
                self._encoder.take_over(other._encoder or other._readout.window)
        if self.n_delay == other.n_delay:
            self._lookback.take_over(other._lookback)
        same_labels = self.card["labels"] == other.card["labels"]
        if self._kalman is not None and other._kalman is not None and same_labels:
            self._kalman.take_over(other._kalman)
        same_frames = np.array_equal(self.states.frames, other.states.frames)
        if same_frames:
            self.playback.take_over(other.playback)
        return same_channels and same_frames

    @overload
    def step(self, samples: NDArray[np.float32], stamp: float) -> Prediction: ...

    @overload
    def step(
        self, samples: NDArray[np.float32], stamp: float, publish: Callable[[Decision], bool]
    ) -> Prediction | None: ...

    def step(
        self, samples: NDArray[np.float32], stamp: float, publish: Callable[[Decision], bool] | None = None
    ) -> Prediction | None:
        """Decode the next sample and advance every state.

        Parameters
        ----------
        samples
            Float32 [channels], raw; values that are not finite count as missing.
        stamp
            Timestamp of the sample in seconds of recorded time.
        publish
            Called with the decision as soon as it is made, before the rest is computed (continuous labels, picture,
            forecast channels); returns whether that rest is wanted.

        Returns
        -------
        prediction
            Its provenance is "no evidence" if the used channels had no finite value; None if ``publish`` returned False.
        """
        decision = self._decide(samples, stamp)
        wanted = publish is None or publish(decision)
        smoothed = self._step_kalman(decision)
        return self._complete(decision, smoothed) if wanted else None

    def predict(self, session: Session, *, forecasts: bool = True) -> Predictions:
        """Decode a whole recording, exactly as `step` does sample by sample.

        Parameters
        ----------
        session
            Recording with the model's channels; every state is reset where its segment changes.
        forecasts
            Whether to keep the full forecast posteriors.

        Returns
        -------
        predictions
            One for each sample.

        Raises
        ------
        ModelMismatch
            If its channels or rate differ from the model's.
        """
        self.check_stream(session.channel_names, session.rate_hz)
        self.reset()
        rows: list[Prediction] = []
        n_kept = session.n_samples if forecasts else 0
        ahead = np.empty((len(HORIZONS_S), n_kept, self.n_frames + 1), np.float32)
        lists = np.empty((session.n_samples, len(HORIZONS_S), 2 * N_LIKELIEST + 1), np.float32)
        for index in range(session.n_samples):
            if index and session.segment[index] != session.segment[index - 1]:
                self.reset()
            sample = np.asarray(session.neural[index], np.float32)
            decision = self._decide(sample, float(session.stamps[index]))
            rows.append(self._complete(decision, self._step_kalman(decision)))
            here = decision.forecaster()
            lists[index] = forecast_channels(here, self._forecast_numbers)
            if forecasts:
                ahead[:, index] = here
        self.reset()
        return stack_predictions(
            rows,
            self.n_frames + 1,
            self.n_embedding,
            self.parts.continuous,
            lists,
            dict(zip(HORIZONS_S, ahead, strict=True)) if forecasts else {},
        )

    def embed(self, session: Session) -> NDArray[np.float32]:
        """Embed a whole recording: the embedding that `predict` gives, much faster.

        Parameters
        ----------
        session
            Recording with the model's channels; no window crosses a change of its segment.

        Returns
        -------
        points
            Float32 [time, dimensions].
        """
        parts = self.parts
        boundary = session.boundary
        clean = parts.preprocessor.run(np.asarray(session.neural, np.float32), boundary)
        if parts.contrastive is not None:
            return self._published(parts.contrastive.encoder.transform(clean, boundary))
        sums, _ = multiscale_sums(clean, boundary, parts.scaling.n_window, parts.spans)
        return self._published(unit_length(parts.embedding.project(parts.scaling.features(sums))))

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Write the model to a file.

        Parameters
        ----------
        path
            File to write, usually ``.safetensors``.
        force
            Whether to overwrite an existing file.

        Raises
        ------
        OutputExists
            If the file exists and ``force`` is false, or is a recording.
        CannotWrite
            If the file cannot be written; one that existed is then unchanged.
        """
        model_file.write(path, self.parts.arrays(), self.card, force=force)

    @classmethod
    def load(cls, path: Path | str) -> Model:
        """Read a model from a file.

        Parameters
        ----------
        path
            File that `save` wrote.

        Raises
        ------
        BadModel
            If the file is missing, damaged, not a model, of another format version, or cannot decode a sample.
        """
        arrays, card = model_file.read(path)
        try:
            model = cls(ModelParts.from_file(arrays, card), card)
            probe(model)
        except BadModel as error:
            raise BadModel(f"{path}: {error}") from error
        except (
            ArithmeticError,
            ValueError,
            IndexError,
            KeyError,
            TypeError,
            AttributeError,
            MemoryError,
        ) as error:
            raise BadModel(
                f"{path}: the model cannot decode a sample ({error!r}): the file is damaged. Fit the model again."
            ) from error
        return model

    def _decide(self, samples: NDArray[np.float32], stamp: float) -> Decision:
        """Update windows and playback state, and compute what the published prediction needs."""
        parts = self.parts
        clean = parts.preprocessor.step(samples)
        moment, in_segment = self._lookback.push(stamp)
        has_evidence = clean is not None and in_segment
        if clean is not None:
            self._readout.push(clean)
            if self._encoder is not None:
                self._encoder.push(clean)
        direction, linear, typicality = self._readout.decode()
        point, logits = direction, linear if parts.prior is None else linear + parts.prior
        display = None
        if self._encoder is not None:
            point, display, contrastive, of_contrastive = self._decode_contrastive(self._encoder, linear)
            if self.decoder_embedding != "linear":
                logits, typicality = contrastive, of_contrastive
        state = self.playback.state  # unchanged while the decoded moment lies before the segment boundary
        if in_segment:
            evidence = self._readout.evidence(linear) if has_evidence else None
            weight = parts.emission.window_weight if has_evidence else 0.0
            state = self.playback.step(evidence, stamp, weight * linear if weight else None)
        if not self.use_playback:
            state = self.playback.set_state(softmax(logits))
        last = self.playback.last_forecast()
        best, following = likeliest_state(state), likeliest_state(last)
        return Decision(
            state=best,
            frame=self._numbers[best],
            confidence=self._mass(state, best),
            next_frame=self._numbers[following],
            next_confidence=self._mass(last, following),
            entropy_bits=entropy_bits(state),
            novelty=1 - typicality if has_evidence else nan,
            stamp_raw=moment,
            posterior=state,
            embedding=point,
            direction=direction,
            logits=logits,
            forecaster=self.playback.later_forecast(),
            has_evidence=has_evidence,
            in_segment=in_segment,
            display=display,
        )

    def _step_kalman(self, decision: Decision) -> NDArray[np.float32] | None:
        """Advance the Kalman filter: its estimate of the continuous labels, or None without such a filter."""
        point = decision.direction if decision.has_evidence else None
        return None if self._kalman is None else self._kalman.step(point)

    def _complete(self, decision: Decision, smoothed: NDArray[np.float32] | None) -> Prediction:
        """Compute the rest of the prediction: continuous labels, forecast channels, picture."""
        provenance = provenance_of(decision.frame, decision.confidence, decision.novelty)
        shown = provenance is Provenance.RETRIEVED
        smoothed = smoothed if self.use_playback else None
        return Prediction(
            frame=decision.frame,
            confidence=decision.confidence,
            next_frame=decision.next_frame,
            next_confidence=decision.next_confidence,
            entropy_bits=decision.entropy_bits,
            novelty=decision.novelty,
            stamp_raw=decision.stamp_raw,
            posterior=decision.posterior,
            logits=decision.logits,
            embedding=self._published(decision.embedding),
            forecaster=decision.forecaster,
            display=decision.display,
            continuous=self.parts.continuous.read(decision.posterior, decision.direction, smoothed),
            numbers=self._forecast_numbers,
            picture=self.pictures[decision.state] if self.pictures is not None and shown else None,
            provenance=provenance,
        )

    def _decode_contrastive(
        self, encoder: EncoderStream, linear: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.float32], float]:
        """Point, point for the eye, logits and typicality of the contrastive embedding, given the linear logits."""
        decoder = self.parts.contrastive
        assert decoder is not None
        inputs = encoder.inputs()
        point = encoder.encoder.project(inputs)
        display = None if decoder.display is None else decoder.display.project(inputs)
        similarity = decoder.prototypes.similarity(point)
        logits = decoder.logits(similarity * np.float32(encoder.fullness), linear)
        return point, display, logits, typicality_of(similarity, self._typicality)

    def _published(self, direction: NDArray[np.float32]) -> NDArray[np.float32]:
        """Published points, float32 [..., dimensions], of points of unit length."""
        rotation = self.parts.rotation
        return direction if rotation is None else direction @ rotation

    def _mass(self, state: NDArray[np.floating[Any]], best: int) -> float:
        """Probability of the frames within one second of a frame, in its clip."""
        return fast_sum(state[self._reach[best]])
