"""The fitted model: from a raw sample to everything that is said about that moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.delays import Lookback, delay_samples
from decoders.embedding.encoder import EncoderStream
from decoders.embedding.linear import unit_length
from decoders.errors import ModelMismatch
from decoders.metrics import FrameAxis, frame_axis
from decoders.model import file as model_file
from decoders.model.decision import Decision, entropy_bits, forecast_channels, stacked
from decoders.model.parts import ModelParts
from decoders.model.streaming import StreamingReadout, level
from decoders.numerics import fast_sum, softmax
from decoders.playback.filter import Playback
from decoders.prediction import HORIZONS_S, Prediction, Predictions, Provenance
from decoders.readouts.kalman import KalmanStream
from stream.movie import Clip
from stream.session import Session


class Model:
    """Everything from raw sample to prediction, fitted. Make one with `decoders.fitting.fit.fit_model` or `load`.

    Parameters
    ----------
    parts
        What was fitted.
    card
        What it is, as JSON: channels, rate, kind, context, what it was trained on.

    Attributes
    ----------
    version
        Counts refits of a running model.
    use_playback
        Whether `step` answers with the playback model (a prior learned from how the movie was played) or from the
        activity of its window alone.
    """

    def __init__(self, parts: ModelParts, card: dict[str, Any]) -> None:
        self.parts = parts
        self.card = card
        self.version = 0
        self.use_playback = True
        self.hash = model_file.content_hash(parts.arrays(), card)
        self._readout = StreamingReadout(parts)
        self._n_frames = self.n_frames
        self._encoder: EncoderStream | None = None
        if parts.contrastive is not None:
            self._encoder = EncoderStream(parts.contrastive.encoder)
            self._likeness = parts.contrastive.typicality.tolist()
        self._moments = Lookback(self.n_delay)
        self._kalman = KalmanStream(parts.kalman) if parts.kalman is not None else None
        self.playback = Playback(
            parts.playback,
            parts.emission.jump,
            parts.emission.jump_ahead,
            self.movie_rate_hz,
            self.rate_hz,
            float(card["lag_ms"]) / 1000,
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
    def channel_names(self) -> tuple[str, ...]:
        """The channels it was fitted on, in order."""
        return tuple(self.card["channel_names"])

    @property
    def kind(self) -> str:
        """What the channels are."""
        return str(self.card["kind"])

    @property
    def rate_hz(self) -> float:
        """Samples per second; 0 = irregular."""
        return float(self.card["rate_hz"])

    @property
    def n_delay(self) -> int:
        """Samples between a moment and the sample with which the answer about it comes."""
        return delay_samples(self.card)

    @property
    def n_frames(self) -> int:
        """Frames that can be answered, without "no stimulus"."""
        return int(self.card["n_frames"])

    @property
    def n_embedding(self) -> int:
        """Dimensions of the embedding."""
        contrastive = self.parts.contrastive
        shown = self.parts.embedding if contrastive is None else contrastive.encoder
        return shown.n_dimensions

    @property
    def decoder_embedding(self) -> str:
        """What frames are read from, whichever won in training: ``linear``, ``contrastive`` or ``both`` embeddings."""
        return str(self.card.get("decoder_embedding", "linear"))

    @property
    def linear(self) -> Model:
        """The same model with the linear embedding alone."""
        if self.parts.contrastive is None:
            return self
        return Model(replace(self.parts, contrastive=None), {**self.card, "decoder_embedding": "linear"})

    @property
    def movie_rate_hz(self) -> float:
        """Movie frames per second; 0 when frames do not follow each other."""
        return float(self.card["movie_rate_hz"])

    @property
    def tolerance_frames(self) -> int:
        """Frames that make one second of the movie: the reach of the confidence."""
        return round(self.movie_rate_hz)

    @property
    def axis(self) -> FrameAxis:
        """What counts as near on the axis of frames."""
        return frame_axis(self.n_frames, self.clips)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The movie's clips; empty when frames are not a movie."""
        return tuple(Clip(**clip) for clip in self.card["clips"])

    @property
    def continuous_channels(self) -> tuple[str, ...]:
        """One name per column of the continuous estimate."""
        return tuple(
            name if k == 1 else f"{name}_{column}" for name, k in self.card["labels"] for column in range(k)
        )

    @property
    def pictures(self) -> NDArray[np.uint8] | None:
        """Small pictures of the movie, uint8 [frames, height, width(, 3)]."""
        return self.parts.pictures

    def reset(self) -> None:
        """Forget everything carried from sample to sample: a new segment begins."""
        self.parts.preprocessor.reset()
        self._readout.reset()
        if self._encoder is not None:
            self._encoder.reset()
        self._moments.reset()
        if self._kalman is not None:
            self._kalman.reset()
        self.playback.reset()

    def step(self, samples: NDArray[np.float32], stamp: float) -> Prediction:
        """Decode the next sample.

        Parameters
        ----------
        samples
            Float32 [channels], raw; values that are not finite count as missing.
        stamp
            Seconds of recorded time.

        Returns
        -------
        prediction
            Without any finite value among the used channels, its provenance is "no decision".
        """
        return self.complete(self.decide(samples, stamp))

    def decide(self, samples: NDArray[np.float32], stamp: float) -> Decision:
        """Take in the next sample and say what is most urgent: the first half of `step`.

        Parameters
        ----------
        samples, stamp
            See `step`.

        Returns
        -------
        decision
            To be given to `complete` before the next sample comes.
        """
        parts = self.parts
        clean = parts.preprocessor.step(samples)
        moment, known = self._moments.push(stamp)
        decided = clean is not None and known
        if clean is not None:
            self._readout.push(clean)
            if self._encoder is not None:
                self._encoder.push(clean)
        direction, heard, familiar = self._readout.look()
        point, logits = direction, heard if parts.prior is None else heard + parts.prior
        if self._encoder is not None:
            point, contrastive, typicality = self._look_contrastive(self._encoder, heard)
            if self.decoder_embedding != "linear":
                logits, familiar = contrastive, typicality
        state = self.playback.state  # stays, while the moment that is answered about lies before the border
        if known:
            aside = parts.emission.aside * heard if decided and parts.emission.aside else None
            state = self.playback.step(self._readout.evidence(heard) if decided else None, stamp, aside)
        if not self.use_playback:
            state = self.playback.set_state(softmax(logits))
        ahead = self.playback.forecast()
        last = ahead[-1]
        best, following, n = int(state.argmax()), int(last.argmax()), self._n_frames
        return Decision(
            frame=best if best < n else -1,
            confidence=self._mass(state, best),
            next_frame=following if following < n else -1,
            next_confidence=self._mass(last, following),
            entropy_bits=entropy_bits(state),
            novelty=1 - familiar if decided else nan,
            stamp_raw=moment,
            posterior=state,
            embedding=point,
            direction=direction,
            logits=logits,
            ahead=ahead,
            decided=decided,
            known=known,
        )

    def complete(self, decision: Decision) -> Prediction:
        """Work out everything else about the moment that was just decided: the second half of `step`.

        Parameters
        ----------
        decision
            What `decide` returned last.
        """
        self._ahead = decision.ahead
        best, known = decision.frame, decision.decided and decision.frame >= 0
        reader, followed = self.parts.continuous, self.follow(decision)
        followed = followed if self.use_playback else None
        continuous = reader.read(decision.posterior, decision.direction, followed)
        return Prediction(
            frame=best,
            confidence=decision.confidence,
            next_frame=decision.next_frame,
            next_confidence=decision.next_confidence,
            entropy_bits=decision.entropy_bits,
            novelty=decision.novelty,
            stamp_raw=decision.stamp_raw,
            posterior=decision.posterior,
            logits=decision.logits,
            embedding=decision.embedding,
            forecast=forecast_channels(decision.ahead),
            continuous=continuous,
            picture=self.pictures[best] if self.pictures is not None and known else None,
            provenance=Provenance.RETRIEVED if known else Provenance.NO_DECISION,
        )

    def follow(self, decision: Decision) -> NDArray[np.float32] | None:
        """Only carry on what is carried from sample to sample: in place of `complete` where nobody asks for the rest.

        Parameters
        ----------
        decision
            What `decide` returned last.

        Returns
        -------
        followed
            Of the filter of the continuous labels, or None where there is none.
        """
        heard = decision.direction if decision.decided else None
        return None if self._kalman is None else self._kalman.step(heard)

    def predict(self, session: Session, *, forecasts: bool = True) -> Predictions:
        """Decode a whole recording, exactly as `step` would sample by sample.

        Parameters
        ----------
        session
            With the model's channels. State restarts where its segment changes.
        forecasts
            Keep the whole forecast posteriors too.

        Returns
        -------
        predictions
            One per sample.
        """
        self.check_stream(session.channel_names, session.rate_hz)
        self.reset()
        rows: list[Prediction] = []
        n_kept = session.n_samples if forecasts else 0
        ahead = np.empty((len(HORIZONS_S), n_kept, self.n_frames + 1), np.float32)
        for index in range(session.n_samples):
            if index and session.segment[index] != session.segment[index - 1]:
                self.reset()
            sample = np.asarray(session.neural[index], np.float32)
            rows.append(self.step(sample, float(session.stamps[index])))
            if forecasts:
                ahead[:, index] = self._ahead
        self.reset()
        return stacked(
            rows,
            self.n_frames + 1,
            self.n_embedding,
            self.parts.continuous,
            dict(zip(HORIZONS_S, ahead, strict=True)) if forecasts else {},
        )

    def check_stream(self, channel_names: Sequence[str], rate_hz: float) -> None:
        """Refuse channels or a rate that the model was not fitted for.

        Parameters
        ----------
        channel_names
            Of the stream or recording.
        rate_hz
            Its rate; 0 = irregular.

        Raises
        ------
        ModelMismatch
            When they differ from the model's (the rate by more than 2 %).
        """
        names = tuple(channel_names)
        if len(names) != len(self.channel_names):
            raise ModelMismatch(
                f"the model was fitted on {len(self.channel_names)} channels, the data have {len(names)}. Fit a model "
                "on these channels."
            )
        if names != self.channel_names:
            where = next(i for i, (a, b) in enumerate(zip(names, self.channel_names, strict=True)) if a != b)
            raise ModelMismatch(
                f"channel {where} is {names[where]!r}, but the model was fitted with {self.channel_names[where]!r} "
                "there. Fit a model on these channels, in this order."
            )
        if abs(rate_hz - self.rate_hz) > 0.02 * self.rate_hz:
            raise ModelMismatch(
                f"the data come at {rate_hz:g} Hz, but the model was fitted at {self.rate_hz:g} Hz. Bin them alike."
            )

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Write the model to a file.

        Parameters
        ----------
        path
            Usually ``.safetensors``.
        force
            Overwrite an existing file.

        Raises
        ------
        OutputExists
            When ``path`` is there and ``force`` is not given.
        """
        model_file.write(path, self.parts.arrays(), self.card, force=force)

    @classmethod
    def load(cls, path: Path | str) -> Model:
        """Read a model from a file.

        Parameters
        ----------
        path
            What `save` wrote.

        Raises
        ------
        BadModel
            When it is missing, corrupt, hostile or of another version.
        """
        arrays, card = model_file.read(path)
        return cls(ModelParts.from_file(arrays, card), card)

    def _look_contrastive(
        self, encoder: EncoderStream, linear: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
        """The same of the contrastive embedding, given the linear one's logits."""
        part = self.parts.contrastive
        assert part is not None
        direction = unit_length(encoder.read())
        similarity = part.prototypes.similarity(direction)
        heard = similarity * np.float32(encoder.fullness)
        return direction, part.logits(heard, linear), level(self._likeness, similarity)

    def _mass(self, state: NDArray[np.floating[Any]], best: int) -> float:
        """Probability within a second of that frame, in its clip."""
        return fast_sum(state[self._reach[best]])
