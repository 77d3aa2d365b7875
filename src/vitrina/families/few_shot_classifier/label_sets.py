"""Named label sets on disk: examples kept between calls and restarts, shared by every worker of a service.

One JSON file a set holds its examples, their embeddings and the version of the model that made these; it is replaced
whole, under a lock, so a reader never sees a half-written set and two writers never lose each other's classes. When the
model has changed since, the embeddings are made anew from the examples.
"""

from __future__ import annotations

import base64
import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from vitrina.artifacts import read_json, write_json
from vitrina.errors import ArtifactError, DataError
from vitrina.families.few_shot_classifier.predictor import Classifier, FewShotPredictor

SUFFIX = ".json"
CACHED = 64
"""Label sets whose adapted head a process keeps."""

CONTENT = {"classes", "modality", "version", "vectors", "updated_at"}

Classes = Mapping[str, Sequence[str]]
"""Label → examples: texts, or images as base64."""


class UnknownLabelSet(DataError):
    """There is no label set of that name."""


@dataclass(frozen=True)
class LabelSet:
    """What is kept: the examples of each class and when they were last changed."""

    classes: dict[str, list[str]]
    updated_at: datetime


class LabelSets:
    """The label sets in one folder."""

    def __init__(self, folder: Path, most_classes: int) -> None:
        self._folder = folder
        self._most = most_classes
        self._ready: dict[tuple[str, str], tuple[tuple[int, int], Classifier]] = {}

    def names(self) -> list[str]:
        """All names, in alphabetical order."""
        return sorted(path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"[!.]*{SUFFIX}"))

    def labels(self, name: str) -> set[str]:
        """The classes of a set; none where there is no such set."""
        return set(self._read(name)["classes"]) if self._path(name).is_file() else set()

    def get(self, name: str) -> LabelSet:
        """What is kept under a name; raises UnknownLabelSet."""
        content = self._read(name)
        return LabelSet(content["classes"], datetime.fromisoformat(content["updated_at"]))

    def put(self, name: str, classes: Classes, predictor: FewShotPredictor) -> LabelSet:
        """Add `classes` to the set, which is created where there is none; a known class gets the new examples.

        Raises:
            DataError: when the set would have too many classes, or an example cannot be embedded; nothing is changed.
        """
        with self._locked():
            kept = self._read(name)["classes"] if self._path(name).is_file() else {}
            return self._write(name, kept | {label: list(part) for label, part in classes.items()}, predictor)

    def remove_class(self, name: str, label: str, predictor: FewShotPredictor) -> LabelSet:
        """Take one class out; raises UnknownLabelSet, also where the set has no such class."""
        with self._locked():
            kept = self._read(name)["classes"]
            if label not in kept:
                raise UnknownLabelSet(f"Label set '{name}' has no class '{label}'.")
            return self._write(name, {each: part for each, part in kept.items() if each != label}, predictor)

    def delete(self, name: str) -> None:
        """Remove the whole set; raises UnknownLabelSet."""
        with self._locked():
            self._read(name)
            self._path(name).unlink()

    def classifier(self, name: str, predictor: FewShotPredictor) -> Classifier:
        """The set's classes as `predictor` tells them apart.

        Raises:
            UnknownLabelSet: when there is no such set. DataError: when it has fewer than two classes.
        """
        key = (name, predictor.version)
        stamp = self._stamp(name)
        cached = self._ready.get(key)
        if cached is not None and cached[0] == stamp:
            return cached[1]
        content = self._read(name)
        classes: dict[str, list[str]] = content["classes"]
        found = predictor.adapted(
            list(classes), _vectors(name, content, predictor), [len(part) for part in classes.values()]
        )
        if len(self._ready) >= CACHED:
            self._ready.clear()
        self._ready[key] = (stamp, found)
        return found

    def _write(self, name: str, classes: dict[str, list[str]], predictor: FewShotPredictor) -> LabelSet:
        if len(classes) > self._most:
            raise DataError(f"Label set '{name}' would have {len(classes)} classes; at most {self._most} are allowed.")
        classes = dict(sorted(classes.items()))  # as the file will hold them: embeddings follow that order
        now = datetime.now(UTC)
        vectors = _embedded(classes, predictor)
        content = {
            "classes": classes,
            "modality": predictor.modality,
            "version": predictor.version,
            "vectors": base64.b64encode(vectors.astype(np.float32).tobytes()).decode("ascii"),
            "updated_at": now.isoformat(),
        }
        write_json(self._path(name), content)
        return LabelSet(classes, now)

    def _read(self, name: str) -> dict[str, Any]:
        path = self._path(name)
        if not path.is_file():
            raise UnknownLabelSet(f"There is no label set '{name}'.")
        content = read_json(path)
        if not isinstance(content, dict) or CONTENT - content.keys():
            raise ArtifactError(f"{path} is no label set: it lacks {', '.join(sorted(CONTENT - content.keys()))}.")
        return content

    def _stamp(self, name: str) -> tuple[int, int]:
        """Changes with every write: the file is a new one each time."""
        try:
            found = self._path(name).stat()
        except FileNotFoundError:
            raise UnknownLabelSet(f"There is no label set '{name}'.") from None
        return found.st_mtime_ns, found.st_ino

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Changes happen one at a time, whichever worker makes them."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _vectors(name: str, content: Mapping[str, Any], predictor: FewShotPredictor) -> np.ndarray:
    """The embeddings of a set's examples: as kept, or made anew where another model made them."""
    if content["modality"] != predictor.modality:
        raise DataError(
            f"Label set '{name}' was made for {content['modality']}s; this model reads {predictor.modality}s."
        )
    if content["version"] != predictor.version:
        return _embedded(content["classes"], predictor)
    examples = sum(len(part) for part in content["classes"].values())
    kept = np.frombuffer(base64.b64decode(content["vectors"]), dtype=np.float32)
    return kept.reshape(examples, -1) if examples else np.empty((0, 0), dtype=np.float32)


def _embedded(classes: Classes, predictor: FewShotPredictor) -> np.ndarray:
    texts = [text for part in classes.values() for text in part]
    return predictor.vectors(texts) if texts else np.empty((0, 0), dtype=np.float32)
