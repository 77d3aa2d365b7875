"""The engine of one machine: a folder of immutable segments, searched in place.

A write makes a new segment and marks replaced or removed rows of older ones; segments of similar size are merged, so
that their number stays logarithmic in the rows (O'Neil et al., 1996). `index.json` names the present state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from vitrina.errors import ArtifactError, UsageError
from vitrina.search import manifest as state
from vitrina.search import ranking
from vitrina.search.engine import (
    Change,
    Entries,
    Facts,
    Filters,
    Hit,
    Mode,
    Origin,
    Progress,
    check_version,
    chosen_mode,
    query_vector,
)
from vitrina.search.manifest import Manifest
from vitrina.search.ranking import Snapshot
from vitrina.search.segment import Segment
from vitrina.search.writing import OURS, IndexWriter, locked

ENGINE = "embedded"
ATTEMPTS = 5
"""To open an index that is being replaced meanwhile."""


class EmbeddedIndex:
    """An index folder, opened; see `vitrina.search.engine.Index`."""

    def __init__(self, folder: Path, *, version: str | None = None, verify: bool = False) -> None:
        """Open the present state.

        Args:
            version: the model version that will ask; None asks nothing.
            verify: compare all checksums (a second a gigabyte), not the sizes alone.

        Raises:
            ArtifactError: no index, a damaged one, or one of another model version.
        """
        self.folder = Path(folder)
        self._snapshot = _opened(self.folder, verify)
        check_version(self.facts, version, str(folder))

    @property
    def facts(self) -> Facts:
        return self._snapshot.manifest.facts

    def is_current(self) -> bool:
        return state.read(self.folder).generation == self._snapshot.manifest.generation

    def close(self) -> None:
        """Nothing to give up: the maps go with the object."""

    def search(
        self,
        text: str | None = None,
        vector: np.ndarray | None = None,
        *,
        k: int = 10,
        filters: Filters | None = None,
        mode: Mode | None = None,
    ) -> list[Hit]:
        now = self._snapshot
        mode = chosen_mode(mode, text, vector, k)
        query = None if mode == "lexical" else query_vector(vector, now.manifest.dimension)
        if not now.segments:
            return []
        passing = now.passing(filters or Filters())
        if query is None:
            rows, scores = ranking.by_words(now, str(text), k, passing)
        elif mode == "vector":
            rows, scores = ranking.by_vector(now, query, k, passing)
        else:
            rows, scores = ranking.by_both(now, str(text), query, k, passing)
        return [now.hit(int(row), float(score)) for row, score in zip(rows, scores, strict=True)]

    def add(self, entries: Iterable[Entries], progress: Progress | None = None) -> Change:
        with self._writing() as writer:
            return writer.add(entries, progress)

    def remove(self, ids: Iterable[str]) -> Change:
        with self._writing() as writer:
            return writer.remove(ids)

    @contextmanager
    def _writing(self) -> Iterator[IndexWriter]:
        """A writer on the newest state, which another process may have made since; then the new state is opened."""
        with locked(self.folder):
            newest = _opened(self.folder)
            if newest.manifest.version != self.facts.version:
                raise ArtifactError(f"Index {self.folder} was built anew by another model version; open it again.")
            yield IndexWriter(self.folder, newest.manifest, newest.segments)
            self._snapshot = _opened(self.folder)


def build_embedded(folder: Path, entries: Iterable[Entries], origin: Origin, progress: Progress | None = None) -> Facts:
    """Build an index, or replace the one that is there; see `build_index`."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder for the index.")
    found = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if state.INDEX not in found and (strange := sorted(name for name in found if not OURS.fullmatch(name))):
        raise UsageError(f"{folder} is not an index and not empty: it holds {strange[0]}.")
    with locked(folder):
        old = Manifest(ENGINE, **asdict(origin), rows=0, generation=_generation(folder), segments=())
        return IndexWriter(folder, old).build(entries, progress).facts


def _generation(folder: Path) -> int:
    try:
        return state.read(folder).generation
    except ArtifactError:  # none, or one that is damaged: it is about to be replaced
        return 0


def _opened(folder: Path, verify: bool = False) -> Snapshot:
    missing = ""
    for _ in range(ATTEMPTS):
        manifest = state.read(folder)
        try:
            state.check(folder, manifest, contents=verify)
            return Snapshot(manifest, tuple(Segment(folder, each, manifest.dimension) for each in manifest.segments))
        except FileNotFoundError as error:  # replaced while it was being opened, or truly gone
            missing = Path(error.filename or str(error)).name
    raise ArtifactError(f"Index {folder} is damaged: {missing} is missing; build it again.")
