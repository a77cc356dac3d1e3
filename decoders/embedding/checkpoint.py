"""Checkpoint file of a contrastive training, from which it resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy

from decoders.serialization import Arrays
from stream.errors import BadRecording, OutputExists
from stream.output_files import replacing

_KEY, _NOTES = "neuroreel-training", "notes"


class Checkpoint:
    """Stores the stages of a training, each with notes and arrays.

    Parameters
    ----------
    path
        Checkpoint file; it is read when it exists.
    key
        Identifies the data and the settings of the training; a file with another key is refused.

    Raises
    ------
    BadRecording
        When the file holds the training of other data or settings.
    OutputExists
        When the file is not a checkpoint.

    Attributes
    ----------
    notes
        Notes of each stage (a JSON object), by the stage's name.
    """

    def __init__(self, path: Path, key: dict[str, Any]) -> None:
        self._path, self._key = path, key
        self.notes: dict[str, dict[str, Any]] = {}
        self._arrays: dict[str, Arrays] = {}
        if path.exists():
            self._read()

    def arrays(self, stage: str) -> Arrays:
        """Return the stored arrays of a stage."""
        return self._arrays[stage]

    def save(self, stage: str, notes: dict[str, Any], arrays: Arrays) -> None:
        """Store the state of a stage; the file is replaced at once, so that a crash leaves the previous one intact."""
        self.notes[stage], self._arrays[stage] = notes, arrays
        flat = {
            f"{stage}|{name}": a for stage, by_name in self._arrays.items() for name, a in by_name.items()
        }
        metadata = {_KEY: json.dumps(self._key, sort_keys=True), _NOTES: json.dumps(self.notes)}
        with replacing(self._path, force=True) as partial:
            partial.write_bytes(safetensors.numpy.save(flat, metadata))

    def _read(self) -> None:
        try:
            with safetensors.safe_open(self._path, "numpy") as file:
                metadata = file.metadata() or {}
                found = _json_object(metadata[_KEY])
                self.notes = _json_object(metadata[_NOTES])
                if not all(isinstance(notes, dict) for notes in self.notes.values()):
                    raise ValueError("the notes of a stage are no object")
                for name in file.keys():  # noqa: SIM118  (the file is no dict)
                    stage, _, rest = name.partition("|")
                    self._arrays.setdefault(stage, {})[rest] = file.get_tensor(name)
        except (safetensors.SafetensorError, OSError, ValueError, KeyError, RecursionError) as error:
            raise OutputExists(
                f"{self._path} exists but is not a training to resume. Name another file with --resume."
            ) from error
        differs = [name for name in self._key if found.get(name) != json.loads(json.dumps(self._key[name]))]
        if "trained_on" in differs or "channel_names" in differs:
            raise BadRecording(
                f"{self._path} holds a training on other data. Resume with the recordings and the --train-repeats it "
                "started with, or name a new file."
            )
        if differs:
            name = differs[0]
            raise BadRecording(
                f"{self._path} holds a training with {name} {str(found.get(name))[:40]}, not "
                f"{str(self._key[name])[:40]}. Resume with the options it started with, or name a new file."
            )


def _json_object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found
