"""The fields of a model's card as attributes: channels, rates, delays, frames, clips and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from typing import Any

from decoders.data.delays import delay_samples
from decoders.data.frame_states import FrameStates
from decoders.data.label_places import LabelPlaces
from decoders.errors import ModelMismatch
from decoders.metrics import FrameAxis, frame_axis
from stream.movie import Clip


class CardProperties:
    """Base of `Model`: typed access to its card.

    Parameters
    ----------
    card
        JSON object that has passed `decoders.model.card_schema.check_card`.

    Attributes
    ----------
    states
        The frame numbers that the model decodes.
    """

    def __init__(self, card: dict[str, Any]) -> None:
        self.card = card
        frames, places = card.get("frames"), card.get("places")
        states = FrameStates.from_text(frames) if frames else FrameStates.counted(int(card["n_frames"]))
        self.states = states if places is None else replace(states, places=LabelPlaces.from_card(places))

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels that the model was fitted on, in order."""
        return tuple(self.card["channel_names"])

    @property
    def kind(self) -> str:
        """Kind of recording, one of `stream.session.Kind`."""
        return str(self.card["kind"])

    @property
    def rate_hz(self) -> float:
        """Nominal sampling rate in Hz; 0 for irregular streams."""
        return float(self.card["rate_hz"])

    @property
    def n_delay(self) -> int:
        """Delay of the predictions in samples: lookahead plus signal lag."""
        return delay_samples(self.card)

    @property
    def n_frames(self) -> int:
        """Number of frames that can be decoded, without "no stimulus"."""
        return len(self.states)

    @property
    def decoder_embedding(self) -> str:
        """Embedding that frames are decoded from, the best on held-out data: ``linear``, ``contrastive`` or ``both``."""
        return str(self.card.get("decoder_embedding", "linear"))

    @property
    def movie_rate_hz(self) -> float:
        """Movie frames per second; 0 if the frames are not a movie."""
        return float(self.card["movie_rate_hz"])

    @property
    def tolerance_frames(self) -> int:
        """Movie frames in one second: the tolerance of confidence and accuracy."""
        return round(self.movie_rate_hz)

    @property
    def axis(self) -> FrameAxis:
        """The axis of frames: clips and tolerance."""
        return frame_axis(self.n_frames, self.clips)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The movie's clips by state, as far as they have states; empty if the frames are not a movie."""
        return tuple(Clip(**clip) for clip in self.card["clips"])

    @property
    def simulated(self) -> bool:
        """Whether the model was trained on simulated data."""
        return bool(self.card.get("simulated", False))

    @property
    def explores(self) -> bool:
        """Whether the model only embeds, without labels (`live --explore`), and decodes nothing."""
        return bool(self.card.get("explore", False))

    @property
    def stored_baseline(self) -> tuple[str, float]:
        """The best baseline and its accuracy within one second on data that were held out; empty and NaN if unknown."""
        shares = self.card.get("baseline_accuracy") or {"": nan}
        best = max(shares, key=lambda name: float(shares[name]))
        return str(best), float(shares[best])

    @property
    def continuous_channels(self) -> tuple[str, ...]:
        """One name for each column of the continuous estimates."""
        return tuple(
            name if k == 1 else f"{name}_{column}" for name, k in self.card["labels"] for column in range(k)
        )

    def check_stream(self, channel_names: Sequence[str], rate_hz: float) -> None:
        """Check that a stream or recording has the model's channels and sampling rate.

        Parameters
        ----------
        channel_names
            Its channel names.
        rate_hz
            Its nominal sampling rate in Hz; 0 for irregular streams.

        Raises
        ------
        ModelMismatch
            If the channels differ, or the rate by more than 2 %.
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
                f"the data have a rate of {rate_hz:g} Hz, but the model was fitted at {self.rate_hz:g} Hz. Bin them at "
                "that rate."
            )
