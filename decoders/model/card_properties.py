"""The facts on a model's card as attributes: channels, rates, delays, frames, clips and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from decoders.data.delays import delay_samples
from decoders.errors import ModelMismatch
from decoders.metrics import FrameAxis, frame_axis
from stream.movie import Clip


class CardProperties:
    """Base of `Model`: typed access to its card.

    Parameters
    ----------
    card
        JSON object that has passed `decoders.model.card_schema.check_card`.
    """

    def __init__(self, card: dict[str, Any]) -> None:
        self.card = card

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
    def decoder_embedding(self) -> str:
        """What frames are read from, whichever won in training: ``linear``, ``contrastive`` or ``both`` embeddings."""
        return str(self.card.get("decoder_embedding", "linear"))

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
