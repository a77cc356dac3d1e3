"""Places: what a model decodes when a recording has labels and no frames, each the neighbourhood of a label's value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.session import NO_FRAME, Session

_CHUNK = 4096  # samples whose distances are computed at a time


@dataclass(frozen=True, slots=True, eq=False)
class LabelPlaces:
    """Places by their centres: each sample belongs to the place with the nearest centre.

    Attributes
    ----------
    label
        Name of the label.
    centres
        Float64 [places, columns], in the label's unit; of a discrete label, its values.
    scale
        Float64 [columns], unit of distance along each column.
    """

    label: str
    centres: NDArray[np.float64]
    scale: NDArray[np.float64]

    @property
    def discrete(self) -> bool:
        """Whether each place is one value of a discrete label."""
        return self.centres.shape[1] == 1 and np.array_equal(self.centres, np.rint(self.centres))

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> LabelPlaces:
        """Read places from a model's card, where `facts` wrote them."""
        return cls(
            str(card["label"]), np.array(card["centres"], np.float64), np.array(card["scale"], np.float64)
        )

    def facts(self) -> dict[str, Any]:
        """JSON-ready fields."""
        rounded = np.vectorize(lambda value: float(f"{value:.6g}"), otypes=[float])
        return {
            "label": self.label,
            "centres": rounded(self.centres).tolist(),
            "scale": rounded(self.scale).tolist(),
        }

    def of_values(self, values: NDArray[np.floating[Any]]) -> NDArray[np.int32]:
        """Place of each value of the label, float [time, columns]; -1 where a column is not finite."""
        known = np.isfinite(values).all(1)
        out = np.full(len(values), NO_FRAME, np.int32)
        at = np.flatnonzero(known)
        for part in np.array_split(at, max(1, -(-len(at) // _CHUNK))):
            offset = (values[part, None] - self.centres) / self.scale
            out[part] = np.argmin((offset**2).sum(-1), axis=1)
        return out

    def of(self, session: Session) -> NDArray[np.int32]:
        """Place at each sample of a recording, int32 [time]; -1 where the label is unknown."""
        values = session.labels.get(self.label)
        if values is None or values.shape[1] != self.centres.shape[1]:
            return np.full(session.n_samples, NO_FRAME, np.int32)
        return self.of_values(values)
