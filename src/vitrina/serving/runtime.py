"""Which model a process serves: loaded after its checksums match, warmed up, swapped without a gap.

A *source* is a model folder, or a pointer file `{"folder", "model", "version"}` (written by `point`): when the pointer
changes, running services load the new folder beside the old one and switch between two requests.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrina.artifacts import folder_version, read_json, verify_manifest, write_json
from vitrina.errors import ArtifactError, VitrinaError
from vitrina.watching import Watch

logger = logging.getLogger("vitrina.serving")


@dataclass(frozen=True)
class Source:
    """A model folder with the name and version that answers report."""

    folder: Path
    model: str
    version: str


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to answer. `seconds` holds the measured time of one request of each kind, in seconds."""

    predictor: Any
    source: Source
    seconds: tuple[float, ...]


def point(pointer: Path, folder: Path, model: str, version: str) -> None:
    """Make `pointer` name a model folder, atomically; the services that watch it switch within `watching.SECONDS`."""
    write_json(pointer, {"folder": str(folder), "model": model, "version": version})


def read_source(path: Path) -> Source:
    """The model that a folder or pointer file names.

    Raises:
        ArtifactError: when there is neither.
    """
    path = Path(path)
    if path.is_dir():
        return Source(path, path.name, folder_version(path))
    pointer = read_json(path)
    try:
        return Source(path.parent / pointer["folder"], pointer["model"], str(pointer["version"]))
    except (TypeError, KeyError) as error:
        raise ArtifactError(f"{path} does not name a model: it needs folder, model and version.") from error


class Runtime:
    """Holds the model in use. `current` is replaced in one assignment, so a request sees one version only."""

    def __init__(
        self,
        path: Path,
        load: Callable[[Path], Any],
        warm: Sequence[Callable[[Any], Any]],
        name: str | None = None,
    ) -> None:
        """`load(folder)` makes a predictor, each `warm(predictor)` runs a request; `name` overrides the source's."""
        self._path = Path(path)
        self._load = load
        self._warm = warm
        self._name = name
        self._watch: Watch | None = None
        self.current: Loaded | None = None
        self.error = "The model is not loaded yet."

    def swap(self, source: Source) -> Loaded:
        """Verify, load and warm `source`, then serve it. On an error the model in use stays.

        Raises:
            ArtifactError: when the folder is damaged or cannot be loaded.
        """
        verify_manifest(source.folder)
        try:
            predictor = self._load(source.folder)
            seconds = tuple(_fastest(warm, predictor) for warm in self._warm)
        except VitrinaError:
            raise
        except Exception as error:  # ONNX Runtime and tokenizers raise many types for a bad file
            raise ArtifactError(f"Model folder {source.folder} cannot be loaded: {error}") from error
        self.current = loaded = Loaded(predictor, source, seconds)
        logger.info("Serving %s version %s from %s.", source.model, source.version, source.folder)
        return loaded

    def refresh(self) -> bool:
        """Load what the path names now, unless it is in use already. Never raises; says whether the model changed."""
        try:
            source = self._named(read_source(self._path))
            if self.current is not None and self.current.source == source:
                return False
            self.swap(source)
            self.error = ""
            return True
        except (VitrinaError, OSError) as error:
            if str(error) != self.error:
                logger.error("%s", error)
            self.error = str(error)
            return False

    def watch(self, changed: Callable[[Loaded], None]) -> None:
        """Follow the pointer in the background; `changed` is told of each new model."""
        self._watch = Watch("model-watch", lambda: self._look(changed))
        self._watch.start()

    def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.close()

    def _named(self, source: Source) -> Source:
        return Source(source.folder, self._name or source.model, source.version)

    def _look(self, changed: Callable[[Loaded], None]) -> None:
        if self.refresh() and self.current is not None:
            changed(self.current)


def _fastest(run: Callable[[Any], Any], predictor: Any, times: int = 5) -> float:
    """The least time of a few runs, in seconds; the first ones also warm caches and memory pools."""
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        run(predictor)
        best = min(best, time.perf_counter() - start)
    return best
